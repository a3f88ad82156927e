"""Which trial comes next: Optuna's study, samplers, grids and warm starts."""
