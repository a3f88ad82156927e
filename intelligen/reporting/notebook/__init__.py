"""Notebooks: a sweep's progress and results as HTML in the cell that runs it."""
