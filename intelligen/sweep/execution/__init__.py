"""How trials run: Ray Tune, Ray Train workers, retries, logs, and what ends a stuck or failed one."""
