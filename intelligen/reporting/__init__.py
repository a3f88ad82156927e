"""What people see of sweeps: terminal, HTML report, exports."""
