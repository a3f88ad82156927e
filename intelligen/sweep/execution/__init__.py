"""Execution of trials: Ray Tune, Ray Train workers, retries, logs, and the watchdog."""
