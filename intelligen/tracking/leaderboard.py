"""The table that a sweep fills: of each strategy its best trial by validation, its costs over all its trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
    groups: dict[tuple[str, str], list[TrialRecord]] = {}
    for record in trials.values():
        groups.setdefault((record.kind, record.strategy), []).append(record)
    rows = []
    for (kind, strategy), records in sorted(groups.items(), key=lambda group: group[0][0] != "baseline"):
        row = _row("baseline" if kind == "baseline" else strategy, records, sweep_directory, metric)
        if row is not None:
            rows.append(row)
    return rows


def _row(name: str, records: list[TrialRecord], sweep_directory: Path, metric: str) -> Row | None:
    histories = {record.id: reports_of(sweep_directory, record) for record in records}
    values = {
        record.id: value
        for record in records
        if record.state in USABLE
        and (value := _selected_value(sweep_directory / record.directory, histories[record.id], metric)) is not None
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
        cost_device_s=sum(cost_device_s(report.metrics) for report in reports),
        memory_kind=kind,
        memory_avg_mib=_mean(measured, f"{kind}/memory_avg_mib"),
        memory_peak_mib=max(metrics[f"{kind}/memory_peak_mib"] for metrics in measured),
    )


def _selected_value(directory: Path, reports: Sequence[Report], metric: str) -> float | None:
    """The objective of the weights that would be tested: selected, or of the best epoch where a trial was stopped."""
    result = read_result(directory)
    return result.metrics[metric] if result is not None else best_value(reports, metric)


def cost_device_s(metrics: Mapping[str, float]) -> float:
    """Device-seconds of an epoch; histories older than this measure do not say how many devices there were."""
    known = metrics.get("cost/device_s")
    return metrics.get("time/epoch_s", 0.0) + metrics.get("time/validation_s", 0.0) if known is None else known


def _mean(measured: Sequence[Mapping[str, float]], name: str) -> float:
    return sum(metrics[name] for metrics in measured) / len(measured)
