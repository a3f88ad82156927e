"""The page's tables: every cell has a text for people and a value to sort by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from intelligen.reporting.report.rows import Row
from intelligen.reporting.report.scores import CONTROL
from intelligen.reporting.study import StudyResults

UNKNOWN = "–"


@dataclass(frozen=True)
class Cell:
    """One cell."""

    text: str
    value: str
    """A number or a word; empty where nothing is known."""
    is_number: bool
    is_long: bool = False
    """Whether it may take several lines."""
    below: str = ""
    """What stands below the text, in small."""


@dataclass(frozen=True)
class Table:
    """A table with its heading."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def word(text: object) -> Cell:
    """A cell of text."""
    return Cell(str(text), str(text), is_number=False)


def long(text: str) -> Cell:
    """A cell of text that may take several lines."""
    return Cell(text, text, is_number=False, is_long=True)


def number(value: float | None, form: str = "{:.2f}") -> Cell:
    """A cell of a number; a dash where it is not known."""
    return Cell(UNKNOWN, "", is_number=True) if value is None else Cell(form.format(value), repr(value), is_number=True)


def spread(value: float | None, low: float | None, high: float | None, form: str = "{:.2f}") -> Cell:
    """A cell of a number above its interval, sorted by the number."""
    cell = number(value, form)
    return cell if value is None else replace(cell, below=f"[{low:.2f}, {high:.2f}]")


def result_table(rows: Sequence[Row], caption: str, *, with_costs: bool) -> Table:
    """One test set by one search. A row's seeds say which trials, or which baselines, it comes from."""
    headings = ["strategy", "BLEU [95 %]", f"Δ to {CONTROL} [95 %]", "p (Holm)", "effect size", "seeds", "seeds needed"]
    if with_costs:
        headings += ["epoch time", "avg memory", "max memory", "device-hours", "BLEU per device-hour"]
    return Table(caption, headings, [_cells(row, with_costs=with_costs) for row in rows])


def _cells(row: Row, *, with_costs: bool) -> list[Cell]:
    values = row.values()
    cells = [
        word(values["strategy"]),
        spread(values["bleu"], values["bleu_low"], values["bleu_high"]),
        _difference(row),
        number(values["p_holm"], "{:.4f}"),
        number(values["effect_size"]),
        Cell(", ".join(map(str, row.score.seeds)), str(values["seeds"]), is_number=True),
        number(values["seeds_needed"], "{}"),
    ]
    if with_costs:
        kind = (values["memory_kind"] or "").upper()
        cells += [
            number(values["epoch_s"], "{:.1f} s"),
            replace(number(values["memory_avg_mib"], "{:,.0f} MiB"), below=kind),
            replace(number(values["memory_peak_mib"], "{:,.0f} MiB"), below=kind),
            number(values["device_hours"], "{:.3g}"),
            number(values["bleu_per_device_hour"], "{:,.1f}"),
        ]
    return cells


def _difference(row: Row) -> Cell:
    """Δ above its interval, and above its seeds where the control lacks some of the row's."""
    values = row.values()
    cell = spread(values["delta"], values["delta_low"], values["delta_high"], "{:+.2f}")
    if row.score.difference is None or row.score.shared == row.score.seeds:
        return cell
    return replace(cell, below=f"{cell.below} seeds {', '.join(map(str, row.score.shared))}")


def trial_table(study: StudyResults) -> Table:
    """Every trial, the runs that show it in MLflow, and where its files lie."""
    split, search = study.primary
    headings = [
        "trial",
        "stage",
        "strategy",
        "seed",
        "state",
        study.metric,
        f"BLEU of {split}, {search}",
        "epochs",
        "device-seconds",
        "repeats",
        "why it ended",
        "MLflow run",
        "directory",
    ]
    rows = [
        [
            word(member.record.id),
            word(member.record.kind),
            word(member.record.strategy),
            number(member.record.seed, "{}"),
            word(member.record.state),
            number(member.value(study.metric)),
            number(member.decoded[study.primary].bleu.value if study.primary in member.decoded else None),
            number(len(member.reports), "{}"),
            number(member.device_s, "{:,.1f}"),
            word(member.record.confirms or ""),
            long(member.record.stop_reason or ""),
            word(study.runs.trials.get(member.record.id, UNKNOWN)),
            word(member.record.directory),
        ]
        for member in study.members
    ]
    return Table(f"{len(rows)} trials, in the order in which they were started", headings, rows)
