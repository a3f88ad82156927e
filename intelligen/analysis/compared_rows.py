"""What a sweep's table compares, in its own words: strategies, or variants of the experiment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from intelligen.analysis.row_settings import SETTING, row_settings
from intelligen.config.schema.declarations import MATCHED, STANDARD
from intelligen.config.schema.missing_controls import is_control, missing_controls
from intelligen.config.schema.own_controls import own_control, trained_by
from intelligen.config.schema.published import Published
from intelligen.config.schema.rows import LABEL, ROW, STRATEGY, Row, Rows
from intelligen.config.schema.strategies import declared
from intelligen.config.schema.sweep import Sweep

ITEM = "item"
"""Above the labels of rows that are crossed from axes, as tables of experiments have it."""
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
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Row → dotted key → value, of what listed variants differ in; empty where no experiment was given."""

    @classmethod
    def of(cls, sweep: Sweep, experiment: Mapping[str, Any] | None = None) -> "ComparedRows":
        """Those of a sweep.

        Args:
            sweep: Whose rows they are.
            experiment: What its ledger's fingerprint says that they vary; not given = tables show no settings.

        """
        rows = sweep.variants()
        settings = {} if experiment is None else row_settings(rows, experiment)
        return cls(sweep.row_parameter, sweep.control, {row.id: row for row in rows}, sweep.published, settings)

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

    def documented(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Fields of a JSON document, of which `strategy` names a row: of a variant, `row`, `label` and `axes` do."""
        if not self.variants:
            return dict(fields)
        whole: dict[str, Any] = {}
        for key, value in fields.items():
            whole |= self._named(value) if key == STRATEGY else {key: value}
        return whole

    def _named(self, name: str) -> dict[str, Any]:
        axes = dict(self.variants[name].axes) if name in self.variants else {}
        return {ROW: name, LABEL: self.label(name), "axes": axes}

    @property
    def words(self) -> str:
        """Of several rows."""
        return "strategies" if self.word == STRATEGY else f"{self.word}s"

    @property
    def heading(self) -> str:
        """Above the column of their labels: combinations of axes are items."""
        return ITEM if self.axes else self.word

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes that variants are crossed from; each is a column."""
        return tuple(dict.fromkeys(axis for row in self.variants.values() for axis in row.axes))

    def place(self, name: str, axis: str) -> str:
        """A row's value on an axis; empty of what is no row."""
        return self.variants[name].axes[axis] if name in self.variants else ""

    @property
    def setting_keys(self) -> tuple[str, ...]:
        """The settings that variants differ in; each is a column."""
        return tuple(self.settings.get(self.control, ()))

    def without_settings(self) -> "ComparedRows":
        """The same for tables that have no room for them."""
        return replace(self, settings={})

    def named(self, name: str) -> dict[str, Any]:
        """What a row is, under the names that the exports have; of what is no variant only its name is known."""
        if not self.variants:
            return {self.word: name}
        settings = self.settings.get(name, {})
        return {
            self.word: name,
            "label": self.label(name),
            **{f"{AXIS}{axis}": self.place(name, axis) for axis in self.axes},
            **{f"{SETTING}{key}": settings.get(key) for key in self.setting_keys},
        }

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
        further = () if self.variants else declared(trained_by(name)).controls
        return (self.control, *(one for one in further if one != self.control))

    def asked(self, names: Sequence[str]) -> tuple[str, ...]:
        """The rows of which something is asked, and which are decided together: all of these but the controls."""
        return tuple(name for name in names if name != self.control and not self.controls_for_something(name))

    def own_control(self, name: str, names: Sequence[str]) -> str:
        """What a row that is asked about is held against first: its control of equal cost where there is one."""
        if self.variants or self.control != STANDARD or MATCHED not in declared(name).controls:
            return self.control
        return next((one for one in (own_control(name), MATCHED) if one in names), self.control)

    def lacks_matched(self, name: str, control: str) -> bool:
        """Whether a costly strategy is held against a control that was not trained for as long as such a one."""
        costly = not self.variants and MATCHED in declared(name).controls
        return costly and trained_by(control) != MATCHED

    def further_controls(self, name: str, names: Sequence[str]) -> tuple[str, ...]:
        """Its others among these, `standard` first."""
        own = self.own_control(name, names)
        return tuple(one for one in self.controls_of(name) if one != own and one in names)

    def missing_controls(self, names: Sequence[str]) -> list[str]:
        """One clause for each control that these rows need and that is not among them."""
        if not self.variants:
            return missing_controls(names)
        return [] if self.control in names else [f"the control {self.label(self.control)} has no result"]

    def controls_for_something(self, name: str) -> bool:
        """Whether a gain of this row is due to what it controls for: some strategies are controls, no variant is."""
        return not self.variants and is_control(name)
