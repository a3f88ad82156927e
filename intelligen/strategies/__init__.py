"""Training strategies: each is a criterion, in a file of its own."""
