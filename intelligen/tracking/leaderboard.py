"""The table that a sweep fills: of each strategy its best trial by validation, its costs over all its trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from intelligen.config.metrics import higher_is_better
from intelligen.tracking.records import TrialRecord, TrialState
from intelligen.training.history import HISTORY_FILE, Report, read_history
from intelligen.training.result import read_result

USABLE = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Row:
    """One strategy, or the baseline."""

    strategy: str
    best: TrialRecord
    best_value: float
    """The objective of its selected weights, on the validation set."""
    trials: int
    ended: Mapping[TrialState, int]
    epoch_s: float
    """Mean over all epochs of all its trials."""
    cost_device_s: float
    """Sum over all epochs of all its trials; a device is a GPU, or a worker's processors."""
    memory_kind: str
    """`gpu`, or `cpu` where trials ran without one."""
    memory_avg_mib: float
    """Mean over all epochs of all its trials."""
    memory_peak_mib: float
    """Largest of any epoch of any trial."""
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
            names = {name: None for name in names if not name.endswith(("/bleu_low", "/bleu_high"))}
        return {name: fmean(self.scores(name)) for name in names}


def reports_of(sweep_directory: Path, record: TrialRecord) -> list[Report]:
    """A trial's history."""
    return read_history(sweep_directory / record.directory / HISTORY_FILE)


def best_value(reports: Sequence[Report], metric: str) -> float | None:
    """The objective of the best epoch; none before the first has ended."""
    values = [report.metrics[metric] for report in reports]
    if not values:
        return None
    return max(values) if higher_is_better(metric) else min(values)


def best_by_strategy(
    sweep_directory: Path, trials: Mapping[str, TrialRecord], *, metric: str
) -> dict[str, TrialRecord]:
    """Of each strategy the trial that is best on validation; failed trials do not count."""
    return {
        row.strategy: row.best
        for row in leaderboard(sweep_directory, trials, metric=metric)
        if row.best.kind == "trial"
    }


def leaderboard(sweep_directory: Path, trials: Mapping[str, TrialRecord], *, metric: str) -> list[Row]:
    """The baseline's row, then the strategies' in the order in which they first ran."""
    groups: dict[str, list[TrialRecord]] = {"baseline": []}
    repeated: dict[str, list[TrialRecord]] = {}
    for record in trials.values():
        row_name = "baseline" if record.kind == "baseline" else record.strategy
        # The search starts from the first baseline; the others are those of the seeds that confirm what it found.
        again = record.kind == "confirm" or (record.kind == "baseline" and bool(groups["baseline"]))
        (repeated if again else groups).setdefault(row_name, []).append(record)
    rows = []
    for name, records in groups.items():
        row = _row(name, records, sweep_directory, metric)
        if row is not None:
            rows.append(replace(row, repeated=tuple(repeated.get(name, ()))))
    return rows


def _row(name: str, records: list[TrialRecord], sweep_directory: Path, metric: str) -> Row | None:
    histories = {record.id: reports_of(sweep_directory, record) for record in records}
    values = {
        record.id: value
        for record in records
        if record.state in USABLE
        and (value := selected_value(sweep_directory / record.directory, histories[record.id], metric)) is not None
    }
    if not values:
        return None
    choose = max if higher_is_better(metric) else min
    best_id = choose(values, key=values.__getitem__)
    reports = [report for history in histories.values() for report in history]
    # A sweep may be resumed on another machine: figures of two kinds of memory do not mix.
    kind = "gpu" if reports[-1].metrics["gpu/count"] else "cpu"
    measured = [report.metrics for report in reports if f"{kind}/memory_avg_mib" in report.metrics]
    return Row(
        strategy=name,
        best=next(record for record in records if record.id == best_id),
        best_value=values[best_id],
        trials=len(records),
        ended={state: sum(record.state is state for record in records) for state in TrialState},
        epoch_s=_mean(measured, "time/epoch_s"),
        cost_device_s=sum(device_seconds(report.metrics) for report in reports),
        memory_kind=kind,
        memory_avg_mib=_mean(measured, f"{kind}/memory_avg_mib"),
        memory_peak_mib=max(metrics[f"{kind}/memory_peak_mib"] for metrics in measured),
    )


def selected_value(directory: Path, reports: Sequence[Report], metric: str) -> float | None:
    """The objective of the weights that would be tested: selected, or of the best epoch where a trial was stopped."""
    result = read_result(directory)
    return result.metrics[metric] if result is not None else best_value(reports, metric)


def device_seconds(metrics: Mapping[str, float]) -> float:
    """Device-seconds of an epoch; histories older than this measure do not say how many devices there were."""
    known = metrics.get("cost/device_s")
    return metrics.get("time/epoch_s", 0.0) + metrics.get("time/validation_s", 0.0) if known is None else known


def _mean(measured: Sequence[Mapping[str, float]], name: str) -> float:
    return sum(metrics[name] for metrics in measured) / len(measured)
