"""A task, a decoder-only model and a strategy that IntelliGEN finds by their entry points."""
