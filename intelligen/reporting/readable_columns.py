"""Columns that people read of a sweep's results: their headings and forms, for page, LaTeX and Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from intelligen.analysis.compared_rows import AXIS, PUBLISHED, ComparedRows
from intelligen.analysis.row_settings import SETTING, setting_headings, setting_text
from intelligen.config.schema.rows import ROW

if TYPE_CHECKING:
    from intelligen.tasks.base import AnyMetric

Record = Mapping[str, Any]
"""Column → value; None where nothing is known."""
UNKNOWN, NOTE = "–", "note"


@dataclass(frozen=True)
class Column:
    """One column."""

    name: str
    """In the records."""
    heading: str
    form: str = "{}"
    """For `str.format`: the value, and the record's others by their names."""
    is_word: bool = False
    always: bool = False
    """Whether it is shown where nothing is known."""

    def text(self, record: Record) -> str:
        """A record's cell."""
        return UNKNOWN if record.get(self.name) is None else self.form.format(record[self.name], **record)


@dataclass(frozen=True)
class SettingColumn(Column):
    """A setting that variants differ in: rows that have the control's value leave it blank."""

    control: str = ""
    """The row that always has it."""
    usual: object = None
    """Its value."""

    def text(self, record: Record) -> str:
        """A record's cell."""
        value = record.get(self.name)
        if value == self.usual and record.get(ROW) != self.control:
            return ""
        return UNKNOWN if value is None else setting_text(value)


_BY_TIME = "training FLOPs by time"
_PUBLISHED_TITLES = {
    "loss": "test loss",
    "valid/loss": "valid loss",
    "valid/perplexity_per_piece": "valid perplexity per piece",
    "training_flops": "training FLOPs",
    "training_flops_by_time": _BY_TIME,
}
_PUBLISHED_FORMS = {
    "parameters": "{:,.0f}",
    **dict.fromkeys(("training_flops", "training_flops_by_time"), "{:.2g}"),
    "valid/perplexity_per_piece": "{:.2f}",
}
COSTS = (
    Column("epoch_s", "epoch (s)", "{:.1f}"),
    Column("memory_avg_mib", "avg memory (MiB)", "{:.0f}"),
    Column("memory_peak_mib", "max memory (MiB)", "{:.0f}"),
    Column("device_hours", "device-hours", "{:.3g}"),
)
_CERTAINTY = (
    Column("effect_size", "effect size", "{:.2f}"),
    Column("seeds", "seeds"),
    Column("replicates", "searches"),
)


def readable_columns(records: Sequence[Record], metrics: "Sequence[AnyMetric]", compared: ComparedRows) -> list[Column]:
    """The columns of which something is known.

    Args:
        records: The rows.
        metrics: Of their scores; the first one ranks.
        compared: What the rows are.

    """
    # Models that write no text have no search, and many metrics no signature.
    known = {name for record in records for name, value in record.items() if value not in (None, "")}
    own = _of_variants(records, metrics, compared) if compared.variants else _of_strategies(metrics)
    columns = [*own, *published_columns(metrics, compared)]
    columns.sort(key=lambda column: column.name == NOTE)  # last, since it is long
    return [column for column in columns if column.always or column.name in known]


def notes_below(records: Sequence[Record], metrics: "Sequence[AnyMetric]", compared: ComparedRows) -> list[str]:
    """What is to be known of the whole table: blank cells, published figures, and how all scores were computed."""
    notes = [f"Blank: as {compared.label(compared.control)}."] if compared.setting_keys else []
    if compared.published is not None:
        notes.append(f"Published: {' '.join(compared.published.note.split())}")
    signatures = _signatures(records)
    if compared.variants and len(signatures) == 1:
        notes.append(f"{metrics[0].label} signature: {signatures[0]}")
    return notes


def _signatures(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(record["signature"] for record in records if record.get("signature")))


def published_columns(metrics: "Sequence[AnyMetric]", compared: ComparedRows) -> list[Column]:
    """Figures of others, under the headings of ours."""
    if compared.published is None:
        return []
    titles, forms = dict(_PUBLISHED_TITLES), dict(_PUBLISHED_FORMS)
    for one in metrics:
        titles |= {one.name: one.title, f"valid/{one.name}": f"valid {one.title}"}
        forms |= dict.fromkeys((one.name, f"valid/{one.name}"), f"{{:{one.format}}}")
    return [
        Column(f"{PUBLISHED}{name}", f"published {titles.get(name, name)}", forms.get(name, "{:g}"))
        for name in compared.published.measures()
    ]


def _of_strategies(metrics: "Sequence[AnyMetric]") -> Iterator[Column]:
    ranking, *further = metrics
    yield from (
        Column(name, name.replace("_", " "), is_word=True) for name in ("sweep", "strategy", "test_set", "search")
    )
    yield _interval(ranking, ranking.title)
    yield from (Column(other.name, other.title, f"{{:{other.format}}}") for other in further)
    yield Column("control", "its control", is_word=True)
    yield _difference(ranking, "difference to it")
    yield Column("p_value", "p", "{:.4f}")
    yield Column("verdict", "verdict", is_word=True)
    yield from (*_CERTAINTY, *COSTS)


def _of_variants(records: Sequence[Record], metrics: "Sequence[AnyMetric]", compared: ComparedRows) -> Iterator[Column]:
    """As tables of experiments have them: what a row is, how it was trained, what it scores, how sure that is."""
    ranking, *further = metrics
    yield Column("sweep", "sweep", is_word=True)
    yield Column("label", compared.heading, is_word=True)
    yield from (Column(f"{AXIS}{axis}", axis, is_word=True) for axis in compared.axes)
    yield from _settings(compared)
    if len({record.get("test_set") for record in records}) > 1:
        yield Column("test_set", "test set", is_word=True)
    if len({record.get("search") for record in records}) > 1:
        yield Column("search", "search", is_word=True)
    yield Column("epoch", "epoch")
    yield Column("train/loss", "train loss", "{:.3f}")
    yield Column("valid/loss", "valid loss", "{:.3f}")
    yield Column("valid/perplexity_per_piece", "valid perplexity per piece", "{:.2f}")
    yield from (Column(f"valid/{one.name}", f"valid {one.title}", f"{{:{one.format}}}") for one in metrics)
    yield Column("loss", "test loss", "{:.3f}")
    yield _interval(ranking, f"test {ranking.title} [95 %]")
    yield from (Column(other.name, f"test {other.title}", f"{{:{other.format}}}") for other in further)
    yield _difference(ranking, f"Δ to {compared.label(compared.control)} [95 %]", always=True)
    yield Column("p_value", "p", "{:.4f}", always=True)
    yield Column("verdict", "verdict", is_word=True)
    yield from _CERTAINTY
    # The same number in every row says nothing of them.
    if len({record.get("parameters") for record in records}) > 1:
        yield Column("parameters", "parameters", "{:,}")
        yield Column("training_flops", "training FLOPs", "{:.2g}")
    yield Column("training_flops_by_time", _BY_TIME, "{:.2g}")
    yield from COSTS
    # Of one that all have, a note says it (`notes_below`).
    if len(_signatures(records)) > 1:
        yield Column("signature", f"{ranking.label} signature", is_word=True)
    yield Column(NOTE, NOTE, is_word=True)


def _settings(compared: ComparedRows) -> Iterator[Column]:
    usual = compared.settings.get(compared.control, {})
    for key, heading in setting_headings(compared.setting_keys).items():
        is_word = any(isinstance(values[key], str | bool) for values in compared.settings.values())
        yield SettingColumn(f"{SETTING}{key}", heading, is_word=is_word, control=compared.control, usual=usual[key])


def _interval(metric: "AnyMetric", heading: str) -> Column:
    name, form = metric.name, metric.format
    return Column(name, heading, f"{{:{form}}} [{{{name}_low:{form}}}, {{{name}_high:{form}}}]")


def _difference(metric: "AnyMetric", heading: str, *, always: bool = False) -> Column:
    form = metric.format
    return Column("delta", heading, f"{{:+{form}}} [{{delta_low:{form}}}, {{delta_high:{form}}}]", always=always)
