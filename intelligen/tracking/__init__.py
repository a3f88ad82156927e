"""MLflow is a projection of files: the sweep's ledger and the trials' histories are the truth."""
