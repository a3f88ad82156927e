"""MLflow tracking: brought up to date from a sweep's files, which are the record of it."""
