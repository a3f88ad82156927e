"""Table of strategies: the best trial of each by validation, its costs over all its trials."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from intelligen.config.metric_direction import best as best_of
from intelligen.config.schema.replicates import begins_a_search
from intelligen.state.cached_histories import TrialHistories
from intelligen.state.history import Report
from intelligen.state.trial_records import TrialRecord, TrialState
from intelligen.state.trial_result import Result, read_result

USABLE = (TrialState.COMPLETE, TrialState.PRUNED)
SELECTED = "selected/"
"""Before the name of a score of the weights that would be tested, in MLflow and in Optuna's study."""


@dataclass(frozen=True)
class Effort:
    """Time and memory of some epochs."""

    epoch_s: float
    """Mean."""
    cost_device_s: float
    """Sum; a device is a GPU, or a worker's processors."""
    memory_kind: str
    """`gpu`, or `cpu` where the last epoch ran without one: figures of two kinds of memory do not mix."""
    memory_avg_mib: float
    """Mean over the epochs of this kind."""
    memory_peak_mib: float
    """Largest of any epoch of this kind."""


@dataclass(frozen=True)
class StrategySummary:
    """One row, or the baseline."""

    row: str
    best: TrialRecord
    best_value: float
    """The objective of its selected weights, on the validation set."""
    trials: int
    ended: Mapping[TrialState, int]
    effort: Effort | None
    """Over all epochs of all its trials; None where it has none: a baseline that is a model as it was loaded."""
    repeated: tuple[TrialRecord, ...] = ()
    """The best trial's settings, trained with seeds that the search has not seen; of the baseline, those seeds'."""

    @property
    def over_seeds(self) -> bool:
        """Whether the test scores are of repetitions, not of the best trial."""
        return bool(self.repeated)

    def scores(self, name: str) -> list[float]:
        """A test score (`test/bleu`) of each model that has it: of the best trial, or of its repetitions."""
        tested = self.repeated or (self.best,)
        return [record.scores[name] for record in tested if name in record.scores]

    def mean_scores(self) -> dict[str, float]:
        """Each test score as the mean over its models; bounds of intervals of one model are no such score."""
        names = dict.fromkeys(name for record in self.repeated or (self.best,) for name in record.scores)
        if self.over_seeds:
            names = {name: None for name in names if not _is_bound(name, names)}
        return {name: fmean(self.scores(name)) for name in names}


def effort_of(reports: Sequence[Report]) -> Effort | None:
    """Time and memory of these epochs; None of no epoch."""
    if not reports:
        return None
    # A sweep may be resumed on another machine.
    kind = "gpu" if reports[-1].metrics["gpu/count"] else "cpu"
    measured = [report.metrics for report in reports if f"{kind}/memory_avg_mib" in report.metrics]
    return Effort(
        epoch_s=_mean(measured, "time/epoch_s"),
        cost_device_s=device_seconds(reports),
        memory_kind=kind,
        memory_avg_mib=_mean(measured, f"{kind}/memory_avg_mib"),
        memory_peak_mib=max(metrics[f"{kind}/memory_peak_mib"] for metrics in measured),
    )


def best_report(reports: Sequence[Report], metric: str) -> Report | None:
    """The epoch with the best finite value of a metric, the earliest of equals; none before the first has ended."""
    known = [report for report in reports if math.isfinite(report.metrics.get(metric, math.nan))]
    return best_of(metric, known, value=lambda report: report.metrics[metric])


def best_value(reports: Sequence[Report], metric: str) -> float | None:
    """The objective of the best epoch; none before the first has ended."""
    best = best_report(reports, metric)
    return None if best is None else best.metrics[metric]


def selected_scores(result: Result | None, reports: Sequence[Report], metric: str) -> dict[str, float]:
    """Validation scores of the weights that would be tested: `valid/bleu`, …; empty before the first epoch has ended.

    Args:
        result: The trial's, which has the scores of the selected weights; none where the trial was stopped.
        reports: Its history: of a stopped trial the weights of the best epoch count.
        metric: The objective, by which an epoch is the best.

    """
    if result is not None:
        return dict(result.metrics)
    best = best_report(reports, metric)
    return {} if best is None else {name: value for name, value in best.metrics.items() if name.startswith("valid/")}


def best_by_row(sweep_directory: Path, trials: Mapping[str, TrialRecord], *, metric: str) -> dict[str, TrialRecord]:
    """Of each row the trial that is best on validation; failed trials do not count."""
    return {
        one.row: one.best for one in strategy_table(sweep_directory, trials, metric=metric) if one.best.kind == "trial"
    }


def strategy_table(sweep_directory: Path, trials: Mapping[str, TrialRecord], *, metric: str) -> list[StrategySummary]:
    """The baseline's row, then the others in the order in which they first ran."""
    groups: dict[str, list[TrialRecord]] = {"baseline": []}
    repeated: dict[str, list[TrialRecord]] = {}
    for record in (one for one in trials.values() if one.kind != "start"):
        # A search starts from a baseline with its seed; the others are those of the seeds that confirm what it found.
        own = not groups["baseline"] or begins_a_search(record.seed, first=groups["baseline"][0].seed)
        again = record.kind == "confirm" or (record.kind == "baseline" and not own)
        (repeated if again else groups).setdefault(record.table_row, []).append(record)
    rows, sources = [], TrialHistories(sweep_directory)
    for name, records in groups.items():
        row = _row(name, records, sources, sweep_directory, metric)
        if row is not None:
            rows.append(replace(row, repeated=tuple(repeated.get(name, ()))))
    return rows


def _row(
    name: str, records: list[TrialRecord], sources: TrialHistories, sweep_directory: Path, metric: str
) -> StrategySummary | None:
    histories = {record.id: sources.whole(record) for record in records}
    values = {
        record.id: value
        for record in records
        if record.state in USABLE
        and (value := selected_value(record.within(sweep_directory), histories[record.id], metric)) is not None
    }
    best_id = best_of(metric, values, value=values.__getitem__)
    if best_id is None:
        return None
    return StrategySummary(
        row=name,
        best=next(record for record in records if record.id == best_id),
        best_value=values[best_id],
        trials=len(records),
        ended={state: sum(record.state is state for record in records) for state in TrialState},
        effort=effort_of([report for history in histories.values() for report in history]),
    )


def selected_value(directory: Path, reports: Sequence[Report], metric: str) -> float | None:
    """The objective of the weights that would be tested; none before the first epoch has ended."""
    return selected_scores(read_result(directory), reports, metric).get(metric)


def device_seconds(reports: Iterable[Report]) -> float:
    """Device-seconds of all these epochs together."""
    return sum(_device_seconds(report.metrics) for report in reports)


def _device_seconds(metrics: Mapping[str, float]) -> float:
    """Of an epoch; histories older than this measure do not say how many devices there were."""
    known = metrics.get("cost/device_s")
    return metrics.get("time/epoch_s", 0.0) + metrics.get("time/validation_s", 0.0) if known is None else known


def _is_bound(name: str, names: Mapping[str, None]) -> bool:
    """Whether it is `test/bleu_low` or `test/bleu_high` beside `test/bleu`."""
    score, _, end = name.rpartition("_")
    return end in ("low", "high") and score in names


def _mean(measured: Sequence[Mapping[str, float]], name: str) -> float:
    return sum(metrics[name] for metrics in measured) / len(measured)
