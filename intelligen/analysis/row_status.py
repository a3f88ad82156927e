"""Status of the rows of a sweep's table: how far each is, its best trial, and what it has cost."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from intelligen.analysis.best_settings import BestSettings, SweepSettings
from intelligen.analysis.strategy_table import device_seconds
from intelligen.analysis.sweep_results import TableWords
from intelligen.config.metric_direction import best
from intelligen.config.schema.tasks import task_settings
from intelligen.state.history import Report
from intelligen.state.sweep_files import STATES, SweepFiles
from intelligen.state.trial_records import TrialRecord, TrialState

Histories = Mapping[str, Sequence[Report]]
"""Trial → its reports."""


@dataclass(frozen=True)
class BestTrial:
    """The best of some trials so far, by the objective on the validation set."""

    value: float
    trial: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What an experiment file says beside the sweep's own to train it."""


@dataclass(frozen=True)
class StrategyStatus:
    """One strategy, or the baseline."""

    strategy: str
    trials: dict[str, int]
    """State → count; of the baseline, of all seeds'."""
    confirmed: dict[str, int]
    """State → count of the trainings that repeat its best trial with other seeds."""
    best: BestTrial | None
    """Of its trials in the search."""
    device_s: float
    """Device-seconds of all epochs of all its trials, repetitions included."""
    target_tokens: int | None
    """Targets of losses that all of these have trained on: tokens, or rows where the task writes no text.

    None of a pre-training whose task counts the others, so that the figures cannot be compared.

    """


def count_states(files: SweepFiles, records: Sequence[TrialRecord]) -> dict[str, int]:
    """State → how many of these trials are in it."""
    found = Counter(files.state(record) for record in records)
    return {state: found[state] for state in STATES}


def row_statuses(
    files: SweepFiles, trials: Mapping[str, TrialRecord], histories: Histories, metric: str, counted: str
) -> list[StrategyStatus]:
    """The rows in the order in which they first ran."""
    groups: dict[str, list[TrialRecord]] = {}
    for record in trials.values():
        groups.setdefault(record.table_row, []).append(record)
    return [
        StrategyStatus(
            strategy=name,
            trials=count_states(files, [record for record in records if record.kind != "confirm"]),
            confirmed=count_states(files, [record for record in records if record.kind == "confirm"]),
            best=_best(files, [record for record in records if record.kind != "confirm"], histories, metric),
            device_s=device_seconds(report for record in records for report in histories[record.id]),
            target_tokens=_targets(records, histories, counted),
        )
        for name, records in groups.items()
    ]


def with_settings(row: StrategyStatus, trials: Mapping[str, TrialRecord], settings: SweepSettings) -> StrategyStatus:
    """The same with the settings of its best trial."""
    if row.best is None:
        return row
    return replace(row, best=replace(row.best, settings=settings.of(trials[row.best.trial])))


def shown_settings(
    rows: Sequence[StrategyStatus],
    trials: Mapping[str, TrialRecord],
    settings: SweepSettings,
    metric: str,
    words: TableWords,
) -> Iterator[BestSettings]:
    """The settings of the best trial of each row, for people."""
    for row in rows:
        if row.best is not None and trials[row.best.trial].kind == "trial":
            score = f"{metric} {words.text(metric, row.best.value)}"
            yield settings.best(trials[row.best.trial], label=words.compared.label(row.strategy), score=score)


def _targets(records: Sequence[TrialRecord], histories: Histories, counted: str) -> int | None:
    if any(task_settings(record.config).counted != counted for record in records):
        return None
    return sum(histories[record.id][-1].target_tokens for record in records if histories[record.id])


def _best(files: SweepFiles, records: Sequence[TrialRecord], histories: Histories, metric: str) -> BestTrial | None:
    """The best of the trials that did not fail, by selected weights where it finished, else by its best epoch."""
    found: list[BestTrial] = []
    for record in records:
        if record.state is TrialState.FAILED:
            continue
        result = files.result(record)
        measured = [result.metrics] if result else [report.metrics for report in histories[record.id]]
        values = [metrics[metric] for metrics in measured if metric in metrics]
        found += [BestTrial(value, record.id) for value in values if math.isfinite(value)]
    return best(metric, found, value=lambda one: one.value)
