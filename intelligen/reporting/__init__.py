"""What people see of a sweep: live progress while it runs, the results table at its end."""
