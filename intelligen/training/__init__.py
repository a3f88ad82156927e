"""The training core: `fit` trains one trial anywhere, free of Ray, Optuna and MLflow."""
