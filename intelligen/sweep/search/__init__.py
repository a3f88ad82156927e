"""Search: which trial comes next, by Optuna's study, samplers, grids and warm starts."""
