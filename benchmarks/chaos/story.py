"""What a sweep left behind, without names, times and memory: the same for the same sweep, killed or not."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

Value = tuple[str, int, float]
"""Metric, step, value."""
Row = tuple[str, str, int, float]
"""Parameters of a trial, metric, step, value."""
MEASURED = ("time/", "throughput/", "cost/", "cpu/", "gpu/", "system/", "trial/")
"""Metrics that no two runs share."""


@dataclass(frozen=True)
class Story:
    """A sweep's trials are told apart by their parameters, which a tool may give to other names after a kill."""

    trials: Counter[str] = field(default_factory=Counter)
    """Parameters → trials that have them."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """Parameters → hash of the trial's last weights (ours: of its best and its selected ones too)."""
    runs: Counter[str] = field(default_factory=Counter)
    """Parameters → MLflow's runs."""
    unended: int = 0
    """Runs that MLflow shows as RUNNING."""
    rows: Counter[Row] = field(default_factory=Counter)
    """MLflow's history, measured times apart."""
    epochs: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Parameters and epoch → how often the epoch was trained to its end."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else is to be the same."""
    faults: Sequence[str] = ()
    """What is wrong by itself."""

    def differences(self, undisturbed: "Story") -> list[str]:
        """Everything in which it is not the undisturbed story, one line each."""
        compared: dict[str, tuple[Mapping[Any, Any], Mapping[Any, Any]]] = {
            "trials": (self.trials, undisturbed.trials),
            "weights": (self.weights, undisturbed.weights),
            "MLflow runs": (self.runs, undisturbed.runs),
            "MLflow rows": (self.rows, undisturbed.rows),
            "details": (self.details, undisturbed.details),
        }
        found = [
            f"{name}: {_shown(mine.get(key))} instead of {_shown(theirs.get(key))}: {_shown(key)}"
            for name, (mine, theirs) in compared.items()
            for key in sorted(mine.keys() | theirs.keys(), key=str)
            if mine.get(key) != theirs.get(key)
        ]
        return [*found, *self.faults]


def params_key(params: Mapping[str, Any]) -> str:
    """Parameters as one word."""
    return json.dumps(dict(params), sort_keys=True)


def weights_hash(*states: Mapping[str, Tensor]) -> str:
    """Of the bytes of all tensors, in the order of their names."""
    found = hashlib.sha256()
    for state in states:
        for name in sorted(state):
            found.update(name.encode() + state[name].detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 300 else f"{text[:300]}…"
