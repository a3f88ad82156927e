"""Sweeps: launched, searched, confirmed and tested over Ray and Optuna, and resumed after any kill."""
