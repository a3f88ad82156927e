"""Settings: frozen pydantic models, and the strict YAML that they are written in."""
