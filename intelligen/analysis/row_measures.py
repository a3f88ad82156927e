"""Measures of a row's models: selected epochs, their losses and scores, size and training cost."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import NamedTuple

import torch

from intelligen.analysis.strategy_table import best_report, device_seconds, selected_scores
from intelligen.config.schema.experiment import stored_trial
from intelligen.data.prepared_data import Prepared
from intelligen.data.pretrained_shape import shape_alone
from intelligen.state.history import Report
from intelligen.state.trial_records import TrialRecord
from intelligen.state.trial_result import Result
from intelligen.tasks import build_task

FLOPS_PER_PARAMETER_AND_TOKEN = 6
"""Kaplan et al. (2020), section 2.1: 2 forwards and 4 backwards; attention and the embeddings' look-up aside."""


class TrainedTrial(NamedTuple):
    """A trial with what its directory says of it."""

    record: TrialRecord
    reports: Sequence[Report]
    result: Result | None


@dataclass(frozen=True)
class RowMeasures:
    """What the models of a row came to, as means over its seeds."""

    epochs: tuple[str, ...]
    """Of the selected weights, seed by seed: `3`, or `average to 5`; `0` of a model as it was loaded."""
    trained_epochs: int
    """Most that a model was trained."""
    train_loss: float | None
    """Of the selected epoch; of averaged weights, of the last one in the average."""
    valid: Mapping[str, float]
    """Of the selected weights, by the task's names: `loss`, `accuracy`, …"""
    test: Mapping[str, float] = field(default_factory=dict)
    """The same on the test set in the domain, where it was scored."""
    target_tokens: float = 0.0
    """Trained on."""
    training_device_s: float = 0.0
    """Seconds of training × devices, without validation."""

    @property
    def epoch(self) -> str:
        """Of all seeds; one where they agree."""
        return ", ".join(self.epochs if len(set(self.epochs)) > 1 else self.epochs[:1])

    @property
    def perplexity(self) -> float | None:
        """exp(validation loss): per piece of the vocabulary, so that vocabularies do not compare."""
        return math.exp(self.valid["loss"]) if "loss" in self.valid else None

    def flops(self, parameters: int) -> float:
        """Training cost by 6 · parameters · target tokens, of these trainings alone, without what they start from."""
        return FLOPS_PER_PARAMETER_AND_TOKEN * parameters * self.target_tokens

    def flops_by_time(self, device_flops: float) -> float:
        """Training cost by training time · devices · FLOPS that a device sustains, of these trainings alone.

        So do Vaswani et al. (2017), Table 2, estimate it (section 6.1, footnote 5).
        """
        return self.training_device_s * device_flops


def measure(models: Sequence[TrainedTrial], *, metric: str, split: str = "test") -> RowMeasures | None:
    """The measures of a row.

    Args:
        models: One per seed.
        metric: The sweep's objective.
        split: The primary test set.

    Returns:
        None before an epoch has ended, unless none is to be trained.

    """
    selected = [(one, *_selected_epoch(one, metric)) for one in models if one.reports or one.result]
    if not selected:
        return None
    losses = [report.metrics["train/loss"] for *_, report in selected if report and "train/loss" in report.metrics]
    valid = [selected_scores(one.result, one.reports, metric) for one, *_ in selected]
    return RowMeasures(
        epochs=tuple(words for _, words, _ in selected),
        trained_epochs=max(len(one.reports) for one, *_ in selected),
        train_loss=fmean(losses) if losses else None,
        valid=_means(valid, "valid"),
        test=_means([one.record.scores for one, *_ in selected], split),
        target_tokens=fmean(one.reports[-1].target_tokens if one.reports else 0 for one, *_ in selected),
        training_device_s=fmean(sum(map(_training_device_s, one.reports)) for one, *_ in selected),
    )


def parameters_of(record: TrialRecord, prepared: Prepared) -> int:
    """Weights of a trial's network; no memory is taken for them."""
    trial = stored_trial(json.dumps(record.config))
    with shape_alone(trial.model, prepared) as model, torch.random.fork_rng(devices=[]), torch.device("meta"):
        network = build_task(trial.task).build_model(model, prepared, seed=trial.seed)
    return sum(weight.numel() for weight in network.parameters())


def _selected_epoch(one: TrainedTrial, metric: str) -> tuple[str, Report | None]:
    """The epoch in words, and its report: the one that has the scores of the selected weights."""
    if not one.reports:
        return "0", None
    if one.result is None:
        best = best_report(one.reports, metric) or one.reports[-1]
        return str(best.epoch), best
    selected = one.result.metrics
    for report in one.reports:
        if all(report.metrics[name] == value for name, value in selected.items() if name in report.metrics):
            return str(report.epoch), report
    last = one.reports[-1]
    return f"average to {last.epoch}", last


def _training_device_s(report: Report) -> float:
    """Of an epoch: the share of its cost that is not validation's."""
    epoch_s = report.metrics["time/epoch_s"]
    return device_seconds([report]) * epoch_s / (epoch_s + report.metrics["time/validation_s"])


def _means(found: Iterable[Mapping[str, float]], group: str) -> dict[str, float]:
    """Of the scores of a group that all have, without the group in their names."""
    scores = list(found)
    names = [name for name in scores[0] if name.startswith(f"{group}/") and all(name in one for one in scores)]
    return {name.removeprefix(f"{group}/"): fmean(one[name] for one in scores) for name in names}
