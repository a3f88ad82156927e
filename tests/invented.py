"""Invented figures of a study: what the search drew, what validation said, what a model of some quality translates."""

import math
import random
from collections.abc import Sequence
from typing import Any

from conftest import WORDS

from intelligen.state.history import Report

MIXTURE = ("auxiliary", "recurrent", "generative")


def drawn(strategy: str, number: int, rate: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the search calls it, and which settings it changes."""
    name = "finetuning.optimizer.learning_rate"
    params: dict[str, Any] = {name: rate, "strategy": strategy}
    changes: dict[str, Any] = {name: rate, "strategy.name": strategy}
    match strategy:
        case "standard":
            params["standard/finetuning.label_smoothing"] = changes["finetuning.label_smoothing"] = 0.05 * (number % 5)
        case "standard_matched":
            ratio = (2.0, 4.0)[number % 2]
            params["standard_matched/updates_ratio"] = changes["strategy.updates_ratio"] = ratio
        case "intelligen":
            first = 0.2 + 0.15 * number
            weights = dict(zip(MIXTURE, (first, 0.6 * (1 - first), 0.4 * (1 - first)), strict=True))
            params |= {
                "intelligen/policy": "static",
                "intelligen/static/weights.auxiliary": 0.5,
                "intelligen/static/weights.recurrent": 0.5,
            }
            changes |= {"strategy.policy.name": "static", "strategy.policy.weights": weights}
    return params, changes


def report(epoch: int, quality: float, *, slow: bool) -> Report:
    learnt = quality * (1 - math.exp(-epoch))
    metrics = {
        "train/loss": 3.0 - learnt,
        "valid/bleu": 100 * learnt**2,
        "valid/chrf": 100 * learnt,
        "valid/loss": 3.0 - 2 * learnt,
        **{f"valid/{name}": value for name, value in exposure(learnt).items()},
        "time/epoch_s": 20.0 if slow else 10.0,
        "time/validation_s": 2.0,
        "cost/device_s": 22.0 if slow else 12.0,
        "throughput/target_tokens_per_s": 500.0,
        "gpu/count": 0.0,
        "cpu/memory_avg_mib": 300.0 + epoch,
        "cpu/memory_peak_mib": 350.0 + epoch,
    }
    return Report(epoch, 10 * epoch, 5000 * epoch, 1_700_000_000_000 + epoch, metrics)


def exposure(quality: float) -> dict[str, float]:
    buckets = ("01", "02", "03-04", "05-08")
    found = {
        "exposure_gap": 0.3 - 0.2 * quality,
        "prefix_switch_gap": 0.9 - 0.5 * quality,
        "repetition_pct": 8 - 6 * quality,
        "length_ratio": 1.2 - 0.2 * quality,
    }
    for k, prefix in enumerate(("01", "02", "04")):
        found |= {f"prefix_switch/{prefix}_model": 2.5 - quality + 0.1 * k, f"prefix_switch/{prefix}_reference": 1.5}
    for k, bucket in enumerate(buckets):
        found |= {
            f"teacher_forced_accuracy_at/{bucket}": 0.9,
            f"free_running_accuracy_at/{bucket}": 0.9 - 0.1 * k * (1 - quality),
        }
    return found


def spoilt(references: Sequence[str], quality: float, rng: random.Random) -> list[str]:
    """The references, some of their words replaced."""
    return [
        " ".join(word if rng.random() < quality else rng.choice(WORDS) for word in reference.split())
        for reference in references
    ]
