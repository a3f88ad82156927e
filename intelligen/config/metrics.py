"""Which way a metric points."""


def higher_is_better(metric: str) -> bool:
    """Losses, times and costs are minimised, scores maximised."""
    return not metric.endswith("loss") and not metric.startswith(("time/", "cost/"))
