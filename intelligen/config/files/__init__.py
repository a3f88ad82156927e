"""How files become settings: strict YAML, includes, overrides, and errors that name file, line and key."""
