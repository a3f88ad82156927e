"""Results of a sweep, for its table: the best of each row, and its Pareto front."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.strategy_table import StrategySummary
from intelligen.config.schema.sweep import Sweep
from intelligen.state.trial_records import TrialRecord

if TYPE_CHECKING:
    from intelligen.analysis.best_settings import BestSettings
    from intelligen.analysis.verdicts import RowVerdict
    from intelligen.tasks.base import AnyMetric, AnyTask

Front = Sequence[tuple[TrialRecord, Sequence[float]]]
"""Trials that no other betters in every objective, each with its objectives."""


LOSS_FORM = ".3f"


@dataclass(frozen=True)
class TableWords:
    """How a table of results names its rows, and writes their scores."""

    compared: ComparedRows = field(default_factory=ComparedRows)
    forms: Mapping[str, str] = field(default_factory=dict)
    """Score without its split (`bleu`, `loss`) → Python's format."""
    counted: str = "target tokens"
    """What trainings are measured by: the targets of the task's losses."""

    @classmethod
    def of(cls, sweep: Sweep, task: "AnyTask") -> "TableWords":
        """Those of a sweep."""
        forms = {name: task.form(name) for name in (*(metric.name for metric in task.metrics), "loss")}
        return cls(ComparedRows.of(sweep), forms, task.settings.counted)

    def text(self, score: str, value: float) -> str:
        """A value of a score: `test/bleu`, `valid/loss`, …"""
        name = score.partition("/")[2]
        return f"{value:{self.forms.get(name, LOSS_FORM if name == 'loss' else '.2f')}}"

    def place(self, row: str) -> list[str]:
        """A row's label, and its value on each axis."""
        return [self.compared.label(row), *(self.compared.place(row, axis) for axis in self.compared.axes)]

    @property
    def headings(self) -> list[str]:
        """Above these."""
        return [self.compared.heading, *self.compared.axes]


@dataclass(frozen=True)
class SweepResults:
    """What the table of a sweep shows."""

    title: str
    """The sweep's question or name, without secrets."""
    metrics: Sequence[str]
    """The objectives'; by the first the best trial of a row is chosen."""
    scores: Sequence[str]
    """Of test sets, which are shown: `bleu`, …"""
    rows: Sequence[StrategySummary]
    """One per row."""
    front: Front
    """Empty with one objective."""
    words: TableWords = field(default_factory=TableWords)
    records: Sequence[Mapping[str, Any]] = ()
    """Of variants of an experiment: their results as exports have them."""
    reported: "Sequence[AnyMetric]" = ()
    """The metrics of these."""
    verdicts: "Sequence[RowVerdict]" = ()
    """Of a study that has ended."""
    best: "Sequence[BestSettings]" = ()
    """The best trial of each row that was searched."""
    settings_use: str = ""
    """Where their settings can be pasted."""
    notes: Sequence[str] = ()
    """What a reader of the table must know: a row that did not learn, or has no scores."""
