"""MLflow: a projection of the sweep's files, which are the truth."""
