"""Divergence: a training fails where anything that it measures is NaN or infinite."""

import math
from collections.abc import Mapping

from intelligen.errors import IntelligenError


class DivergedError(IntelligenError):
    """Something that was measured in training or validation is NaN or infinite, or fp16 skips all its updates."""

    exit_code = 3


def not_finite(metrics: Mapping[str, float]) -> str | None:
    """The first metric that is NaN or infinite, such as `train/loss is nan`; none where all are finite."""
    return next((f"{name} is {value}" for name, value in metrics.items() if not math.isfinite(value)), None)
