"""The sweep: baseline, search and test stages over Ray; the room that knows Ray and Optuna."""
