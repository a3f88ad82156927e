"""Results of sweeps, read from their files: best trials, scores, costs, status; nothing here writes."""
