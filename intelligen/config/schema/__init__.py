"""What experiment and sweep files may say: one frozen pydantic model per group of settings."""
