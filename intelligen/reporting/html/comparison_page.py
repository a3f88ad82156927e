"""Page that compares several sweeps: each keeps its control; differences that forbid a comparison are listed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from intelligen.analysis.best_settings import BestSettings, settings_use, study_settings
from intelligen.analysis.conclusion import Conclusion
from intelligen.analysis.result_rows import ResultRow, primary, result_records
from intelligen.analysis.study import BASELINE, StudyResults
from intelligen.config.schema.rows import ROW
from intelligen.reporting.html.figures import Figure, IntervalBar, intervals
from intelligen.reporting.html.page import Heading, Section, render
from intelligen.reporting.html.page_tables import Table, number, result_table, word
from intelligen.reporting.html.plot_styles import Mark, marks
from intelligen.reporting.html.score_figures import how_measured


@dataclass(frozen=True)
class Compared:
    """One sweep of several."""

    study: StudyResults
    rows: Sequence[ResultRow]
    answer: Conclusion

    @property
    def name(self) -> str:
        """The sweep's."""
        return self.study.sweep.name

    @property
    def records(self) -> list[dict[str, Any]]:
        """Everything of its rows under the names that the exports have."""
        best = {one.row: one.columns() for one in self.best}
        nothing = {"best_trial": None, "best_settings": None}
        records = result_records(self.study, self.rows)
        return [record | best.get(record[self.study.compared.word], nothing) for record in records]

    @property
    def best(self) -> list[BestSettings]:
        """The best trial of each row, with its settings."""
        return study_settings(self.study)

    @property
    def how_to_use(self) -> str:
        """Where these settings can be pasted."""
        return settings_use(self.study)

    @property
    def primary(self) -> list[ResultRow]:
        """The rows from which its conclusion is drawn."""
        return primary(self.study, self.rows)


def incomparable(compared: Sequence[Compared]) -> list[str]:
    """Why numbers of different sweeps must not be compared, one line each; empty where they may be."""
    return [line for one, other in pairwise(compared) for line in _differences(one, other)]


def comparison_page(compared: Sequence[Compared]) -> str:
    """The page of several sweeps."""
    systems = tuple(dict.fromkeys(one.study.label(row.score.system) for one in compared for row in one.primary))
    drawn = marks([name for name in systems if name != BASELINE])
    warnings = incomparable(compared)
    text = (
        "Each sweep's own results; Δ is to the row's control of the same sweep. Between sweeps nothing is tested."
        if not warnings
        else "Numbers of these sweeps are not comparable:"
    )
    figures = [_scores(compared, drawn)] if systems else []
    sections = [
        Section(
            "results", "Results", text=text, notes=warnings, tables=[page_comparison_table(compared)], figures=figures
        ),
        *(
            Section(f"sweep-{one.name}", one.name, text=one.study.sweep.question, tables=[_own(one)])
            for one in compared
        ),
    ]
    heading = Heading("Comparison of sweeps", " · ".join(one.name for one in compared))
    return render(heading, {one.name: one.answer for one in compared}, sections, drawn)


def _word(compared: Sequence[Compared]) -> str:
    """Of a row of any of them."""
    words = {one.study.compared.heading for one in compared}
    return words.pop() if len(words) == 1 else ROW


def _differences(one: Compared, other: Compared) -> Iterator[str]:
    pair = f"{one.name} and {other.name}"
    if one.study.fingerprint["prepared"] != other.study.fingerprint["prepared"]:
        named = ", ".join(compared.study.fingerprint["prepared"] for compared in (one, other))
        yield f"{pair} have different data or vocabularies ({named})"
    if one.study.primary[0] != other.study.primary[0]:
        named = " and ".join(compared.study.primary[0] for compared in (one, other))
        yield f"{pair} have different test sets: {named}"
    searches = [compared.study.fingerprint["experiment"]["decoding"]["test"] for compared in (one, other)]
    if searches[0] != searches[1]:
        yield f"{pair} have different searches: {' and '.join(map(_search_settings, searches))}"
    metrics = [compared.study.task.ranking for compared in (one, other)]
    if metrics[0].name != metrics[1].name:
        yield f"{pair} rank by different metrics: {' and '.join(metric.label for metric in metrics)}"
        return
    signatures = [{row.score.signature for row in compared.primary} for compared in (one, other)]
    if signatures[0] != signatures[1]:
        told = " and ".join(" ".join(sorted(each)) for each in signatures)
        yield f"{pair} have {metrics[0].label} with different signatures: {told}"


def _search_settings(search: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in search.items())


def page_comparison_table(compared: Sequence[Compared]) -> Table:
    """A row per sweep and system, of each sweep's primary test set and search."""
    # Settings are of one sweep, whose own page has them.
    tables = [
        (one, result_table(one.primary, "", study=one.study, with_costs=True, with_settings=False)) for one in compared
    ]
    # Sweeps that rank by other metrics have other columns; what one of them lacks is not known of it.
    headings = list(dict.fromkeys(heading for _, table in tables for heading in table.headings[1:]))
    rows = []
    for one, table in tables:
        for row in table.rows:
            cells = dict(zip(table.headings[1:], row[1:], strict=True))
            rows.append([row[0], word(one.name), *(cells.get(heading, number(None)) for heading in headings)])
    return Table("All sweeps, each by its own test search", [_word(compared), "sweep", *headings], rows)


def _own(one: Compared) -> Table:
    facts = {
        one.study.compared.words: one.study.compared.listed(one.study.strategies),
        "trials": len(one.study.members),
        "seeds": ", ".join(str(seed) for seed in sorted({m.record.seed for m in one.study.members})),
        "git commit": one.study.fingerprint.get("git_commit") or "not known",
        "prepared data": one.study.fingerprint["prepared"],
        "directory": one.study.directory,
    }
    return Table("What was run", ["what", "which"], [[word(name), word(value)] for name, value in facts.items()])


def _scores(compared: Sequence[Compared], drawn: Mapping[str, Mark]) -> Figure:
    spans = [
        IntervalBar(
            f"{one.study.label(row.score.system)}, {one.name}",
            drawn[one.study.label(row.score.system)],
            row.score.mean.value,
            row.score.mean.low,
            row.score.mean.high,
            ", ".join(row.score.trials),
        )
        for one in compared
        for row in one.primary
    ]
    title = " or ".join(dict.fromkeys(one.study.task.ranking.title for one in compared))
    how = how_measured([row.score for one in compared for row in one.primary])
    return Figure("scores", title, how, intervals(title, spans))
