"""Checks, estimates and warnings before anything is trained."""
