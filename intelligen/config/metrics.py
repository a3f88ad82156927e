"""Which way a metric points."""


def higher_is_better(metric: str) -> bool:
    """Losses are minimised, scores maximised."""
    return not metric.endswith("loss")
