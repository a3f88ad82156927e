"""Searches for the continuation of a sequence; they know a cache and its model, but no task."""
