"""Suggestion of `precision: bf16`: where its updates are measured to be faster by more than a fifth, on processors."""

from typing import Final

import torch

from intelligen.config.schema.experiment import Trial
from intelligen.training.timing import Bench, TimeRange, time_epoch

WORTH: Final = 1.2
"""So many times as fast an update must be at least: other digits and a coarser sum have to pay."""
_INSTRUCTIONS: Final = ("amx_bf16", "avx512_bf16")


def bf16_suggestion(trial: Trial, bench: Bench, epoch: TimeRange) -> str | None:
    """One line on what bf16 would gain; none where it gains less, is there already, or the processor lacks it.

    The slower of its updates are held against the faster ones of fp32.

    Args:
        trial: Whose updates are timed again, in bf16.
        bench: Where.
        epoch: Seconds of an epoch of the trial as it is.

    """
    training = trial.training
    if bench.device.type != "cpu" or training.precision != "fp32" or not has_bf16_products():
        return None
    changed = trial.model_copy(update={"training": training.model_copy(update={"precision": "bf16"})})
    ratio = epoch.low / time_epoch(changed, bench).high
    if ratio < WORTH:
        return None
    return (
        f"precision: bf16 makes updates at least {ratio:.1f} times as fast here as fp32, with coarser arithmetic and"
        " other digits; where scores may change, set training.precision and finetuning.precision to bf16"
    )


def has_bf16_products() -> bool:
    """Whether this machine's processor multiplies matrices in bf16 itself, as torch sees it."""
    known = torch.cpu.get_capabilities()
    return any(known.get(name) for name in _INSTRUCTIONS)
