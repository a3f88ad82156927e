"""What a sweep's table compares, in its own words: strategies, or variants of the experiment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from intelligen.config.schema import control_strategies
from intelligen.config.schema.declarations import STANDARD
from intelligen.config.schema.published import Published
from intelligen.config.schema.rows import ROW, STRATEGY, Row, Rows
from intelligen.config.schema.strategies import declared
from intelligen.config.schema.sweep import Sweep

ROW_LABEL, AXIS = "row_label", "axis/"
"""The tag of a row's label; and what is before the name of an axis, in exports and tags."""


PUBLISHED = "published/"
"""Before the name of a result that others report, in exports."""


@dataclass(frozen=True)
class ComparedRows:
    """The rows of a sweep: what they are called, and which of them others are held against."""

    word: str = STRATEGY
    """Of one row, above its column: `strategy` or `row`."""
    control: str = STANDARD
    """The row that differences are against."""
    variants: Mapping[str, Row] = field(default_factory=dict)
    """By id, in the file's order; empty where rows are strategies."""
    published: Published | None = None
    """Figures of others for them."""

    @classmethod
    def of(cls, sweep: Sweep) -> "ComparedRows":
        """Those of a sweep."""
        return cls(sweep.row_parameter, sweep.control, {row.id: row for row in sweep.variants()}, sweep.published)

    @classmethod
    def recorded(cls, fingerprint: Mapping[str, Any]) -> "ComparedRows":
        """Those that a ledger's fingerprint has."""
        given = fingerprint.get("sweep", {}).get("rows")
        if not given:
            return cls()
        rows = Rows.model_validate(given)
        return cls(rows.parameter, rows.control, {row.id: row for row in rows.variants_of_experiment()})

    def tags(self, name: str) -> dict[str, str]:
        """`row`, `row_label` and `axis/NAME` of a variant; nothing of a strategy."""
        if name not in self.variants:
            return {}
        row = self.variants[name]
        return {ROW: row.id, ROW_LABEL: row.label, **{f"{AXIS}{axis}": value for axis, value in row.axes.items()}}

    @property
    def words(self) -> str:
        """Of several rows."""
        return "strategies" if self.word == STRATEGY else f"{self.word}s"

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes that variants are crossed from; each is a column."""
        return tuple(dict.fromkeys(axis for row in self.variants.values() for axis in row.axes))

    def place(self, name: str, axis: str) -> str:
        """A row's value on an axis; empty of what is no row."""
        return self.variants[name].axes[axis] if name in self.variants else ""

    def label(self, name: str) -> str:
        """What people read for a row; of what is no variant its name."""
        return self.variants[name].label if name in self.variants else name

    def position(self, name: str) -> int:
        """By which tables are sorted: a variant's place in the file, whichever ran first; the same of all else."""
        return list(self.variants).index(name) if name in self.variants else -1

    def listed(self, names: Iterable[str]) -> str:
        """Several rows by their labels."""
        return ", ".join(map(self.label, names))

    def published_for(self, name: str) -> dict[str, float]:
        """`published/accuracy` and the like: figures of others for a row, under the names that the exports have."""
        figures = {} if self.published is None else self.published.rows.get(name, {})
        return {f"{PUBLISHED}{measure}": figure for measure, figure in figures.items()}

    def controls_of(self, name: str) -> tuple[str, ...]:
        """The rows that a gain of this one is held against, the sweep's control first; none of the control itself.

        Strategies declare further ones; variants have the one.
        """
        if name == self.control:
            return ()
        further = () if self.variants else declared(name).controls
        return (self.control, *(one for one in further if one != self.control))

    def missing_controls(self, names: Sequence[str]) -> list[str]:
        """One clause for each control that these rows need and that is not among them."""
        if not self.variants:
            return control_strategies.missing_controls(names)
        return [] if self.control in names else [f"the control {self.label(self.control)} has no result"]

    def controls_for_something(self, name: str) -> bool:
        """Whether a gain of this row is due to what it controls for: some strategies are controls, no variant is."""
        return not self.variants and control_strategies.is_control(name)
