"""Which trial is stopped early or goes on from another: ASHA, median stopping, population based training."""
