"""Runs one story on two revisions of this project, and compares the results bit for bit."""
