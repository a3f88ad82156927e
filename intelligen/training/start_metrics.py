"""Start metrics: of the weights that fine-tunings start from, validated once by a process for all that share them."""

import json
from collections.abc import Callable

from intelligen.training.reproducibility_manifest import read_manifests
from intelligen.training.training_setup import Setup

_known: dict[str, dict[str, float]] = {}
"""All that the metrics follow from → the metrics, of the trials that this process has begun."""


def start_metrics(setup: Setup, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Metrics of the weights that a trial starts from, as `measure` finds them, or found them for an earlier trial.

    A sweep's trials differ in how they train, and all of them start from the same weights. The process keeps what it
    has measured, and each trial's checkpoints have their own copy, so nothing else is kept. Several processes of a
    trial measure together, every time. A plugin's trial measures too: what its code does to a model is not known.
    """
    if setup.runtime.world_size > 1 or setup.trial.plugins():
        return measure()
    key = _follows_from(setup)
    if key not in _known:
        metrics = measure()
        if key != _follows_from(setup):  # memory was short, and later trials are to find that out too
            return metrics
        _known[key] = metrics
    return dict(_known[key])


def _follows_from(setup: Setup) -> str:
    """Everything that a validation before the first update follows from."""
    trial, manifest = setup.trial, read_manifests(setup.runtime.directory)[0]
    return json.dumps(
        {
            "settings": trial.model_dump(mode="json", exclude={"training": True, "strategy": True}),
            "compile": trial.training.compile,
            "circumstances": manifest.model_dump(mode="json", exclude={"settings", "micro_batch_tokens"}),
            "batch_tokens": setup.memory.evaluation_tokens(0),
        },
        sort_keys=True,
    )
