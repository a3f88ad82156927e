"""Tables of the page: every cell has a text for people and a value to sort by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from intelligen.analysis.best_settings import SweepSettings
from intelligen.analysis.result_rows import ResultRow, result_records
from intelligen.analysis.study import SeedModel, StudyResults
from intelligen.config.experiment_lines import settings_words
from intelligen.evaluation import Interval
from intelligen.evaluation.decision_procedure import Comparison
from intelligen.reporting.html.shown_trials import shown_trials
from intelligen.reporting.readable_columns import (
    COSTS,
    NOTE,
    UNKNOWN,
    Column,
    Record,
    published_columns,
    readable_columns,
)
from intelligen.state.trial_records import TrialState
from intelligen.tasks.base import AnyMetric

MOST_TRIALS = 1000
"""Of the table of trials: a row takes some 600 bytes of the page."""


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
    """Small text below the text."""


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


def spread(found: Interval | Comparison, value: float, form: str, *, sign: str = "") -> Cell:
    """A cell of a number in Python's format above its interval, sorted by the number."""
    return replace(number(value, f"{{:{sign}{form}}}"), below=f"[{found.low:{form}}, {found.high:{form}}]")


def result_table(
    rows: Sequence[ResultRow], caption: str, *, study: StudyResults, with_costs: bool, with_settings: bool = True
) -> Table:
    """One test set by one search. A row's seeds say which trials, or which baselines, it comes from."""
    if study.compared.variants:
        return _variant_table(study, rows, caption, with_costs=with_costs, with_settings=with_settings)
    metric, *further = study.task.reported
    compared = study.compared
    headings = [
        *(compared.heading, f"{metric.title} [95 %]", *(other.title for other in further)),
        *("control", "Δ to it", "verdict", "effect size", "seeds"),
    ]
    if with_costs:
        headings += ["epoch time", "avg memory", "max memory", "device-hours"]
    cells = [_cells(row, further, with_costs=with_costs) for row in rows]
    if with_costs:
        published, records = published_columns(study.task.reported, compared), result_records(study, rows)
        headings += [column.heading for column in published]
        for own, record in zip(cells, records, strict=True):
            own += [_cell(column, record) for column in published]
    return _known(Table(caption, headings, cells))


def _known(table: Table) -> Table:
    """Without the columns in which nothing is known of any row, as those of differences where nothing is confirmed."""
    if not table.rows:
        return table
    shown = [place for place, column in enumerate(zip(*table.rows, strict=True)) if any(cell.value for cell in column)]
    return replace(
        table, headings=[table.headings[n] for n in shown], rows=[[row[n] for n in shown] for row in table.rows]
    )


def _variant_table(
    study: StudyResults, rows: Sequence[ResultRow], caption: str, *, with_costs: bool, with_settings: bool
) -> Table:
    """The same of variants of an experiment; the first table has those without scores too."""
    records = result_records(study, rows) if with_costs else [row.values() for row in rows]
    compared = study.compared if with_settings else study.compared.without_settings()
    columns = readable_columns(records, study.task.reported, compared)
    shown = [column for column in columns if with_costs or column not in COSTS]
    return Table(
        caption, [column.heading for column in shown], [[_cell(column, one) for column in shown] for one in records]
    )


def _cell(column: Column, record: Record) -> Cell:
    value, text = record.get(column.name), column.text(record)
    if column.name == NOTE:
        return long("" if value is None else text)
    return word(text) if column.is_word else Cell(text, "" if value is None else repr(value), is_number=True)


def _cells(row: ResultRow, further: Sequence[AnyMetric], *, with_costs: bool) -> list[Cell]:
    values = row.values()
    cells = [
        word(values["strategy"]),
        spread(row.score.mean, row.score.mean.value, row.score.metric.format),
        *(number(values[other.name], f"{{:{other.format}}}") for other in further),
        _name(values["control"]),
        _difference(row),
        _verdict(values["verdict"], values["p_value"]),
        number(values["effect_size"]),
        Cell(", ".join(map(str, row.score.seeds)), str(values["seeds"]), is_number=True),
    ]
    if with_costs:
        kind = (values["memory_kind"] or "").upper()
        cells += [
            number(values["epoch_s"], "{:.1f} s"),
            replace(number(values["memory_avg_mib"], "{:,.0f} MiB"), below=kind),
            replace(number(values["memory_peak_mib"], "{:,.0f} MiB"), below=kind),
            number(values["device_hours"], "{:.3g}"),
        ]
    return cells


def _verdict(verdict: str | None, p_value: float | None) -> Cell:
    """What was found, above its p; why one is refused is said in the answer, above the table."""
    cell = _name(verdict)
    return cell if p_value is None else replace(cell, below=f"p {p_value:.4f}")


def _name(text: str | None) -> Cell:
    """A cell of a word; a dash where it is not known."""
    return word(text) if text else Cell(UNKNOWN, "", is_number=False)


def _difference(row: ResultRow) -> Cell:
    """Δ above its interval, and above its seeds where the control lacks some of the row's."""
    found = row.score.difference
    if found is None:
        return number(None)
    cell = spread(found, found.delta, row.score.metric.format, sign="+")
    seeds = () if row.score.own is None else row.score.own.seeds
    if seeds == row.score.seeds:
        return cell
    return replace(cell, below=f"{cell.below} seeds {', '.join(map(str, seeds))}")


def table_trials(study: StudyResults) -> list[SeedModel]:
    """Those that the table of trials has: where there are too many, the notable ones first."""
    searched = study.searched
    apart = [m for m in study.members if m.record.kind != "trial" or m.decoded or m.record.state is TrialState.RUNNING]
    failed = [member for member in reversed(searched) if member.record.state is TrialState.FAILED]
    return shown_trials(study, study.members, MOST_TRIALS, apart, failed)


def trial_table(study: StudyResults) -> Table:
    """The trials, the runs that show each in MLflow, and where its files lie."""
    (split, search), metric = study.primary, study.task.ranking
    headings = [
        "trial",
        "stage",
        study.compared.heading,
        "seed",
        "state",
        "settings",
        study.metric,
        f"{metric.title} of {split}" + (f", {search}" if study.task.settings.writes_text else ""),
        "epochs",
        "device-seconds",
        "repeats",
        "why it ended",
        "MLflow run",
        "directory",
    ]
    shown, count = table_trials(study), len(study.members)
    settings = SweepSettings(study.sweep, study.fingerprint["experiment"])
    counted = f"{count} trials" if len(shown) == count else f"{len(shown):,} of {count:,} trials"
    rows = [
        [
            word(member.record.id),
            word(member.record.kind),
            word(study.label(member.record.table_row)),
            number(member.record.seed, "{}"),
            word(member.record.state),
            long(settings_words(settings.of(member.record)) if member.record.kind == "trial" else ""),
            number(member.value(study.metric), study.form(study.metric)),
            number(_tested(study, member), f"{{:{metric.format}}}"),
            number(len(member.reports), "{}"),
            number(member.device_s, "{:,.1f}"),
            word(member.record.confirms or ""),
            long(member.record.stop_reason or ""),
            word(study.runs.trials.get(member.record.id, UNKNOWN)),
            word(member.record.directory),
        ]
        for member in shown
    ]
    return Table(f"{counted}, in the order in which they were started", headings, rows)


def _tested(study: StudyResults, member: SeedModel) -> float | None:
    decoded = member.decoded.get(study.primary)
    return None if decoded is None else decoded.score(study.task.ranking.name)
