"""Corpora become tokens, tokens become batches."""
