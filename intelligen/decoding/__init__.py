"""Decoding: greedy, beam search and sampling over a model's cache; nothing here knows a task."""
