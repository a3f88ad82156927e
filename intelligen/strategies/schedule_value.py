"""Value of a probability schedule at an update."""

import math
from typing import assert_never

from intelligen.config.schema.probability_schedule import ProbabilitySchedule
from intelligen.strategies.base import UpdateContext


def probability_at(schedule: ProbabilitySchedule, step: UpdateContext) -> float:
    """The schedule: end + (start − end)·f(i), where f falls from 1 to 0 over the updates i = 0, 1, …"""
    end = schedule.start if schedule.end is None else schedule.end
    return end + (schedule.start - end) * _share_left(schedule, step)


def _share_left(schedule: ProbabilitySchedule, step: UpdateContext) -> float:
    i, k = step.update - 1, schedule.k or 1.0
    match schedule.shape:
        case "constant":
            return 1.0
        case "linear":
            return 1.0 - step.progress
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * step.progress))
        case "exponential":
            return k**i
        case "inverse_sigmoid":
            # k / (k + exp(i/k)) with the exponent of a number below 1, which cannot overflow.
            decayed = k * math.exp(-i / k)
            return decayed / (decayed + 1)
        case shape:
            assert_never(shape)
