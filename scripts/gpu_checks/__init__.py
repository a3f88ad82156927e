"""Checks of the training on a GPU, and their stand-ins on a processor: `scripts/gpu_check.py` runs them."""
