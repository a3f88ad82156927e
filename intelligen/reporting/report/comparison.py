"""Several sweeps side by side: each keeps its own control, and what makes their numbers incomparable is said."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from intelligen.reporting.report.answer import Answer
from intelligen.reporting.report.drawing import Figure, Span, intervals
from intelligen.reporting.report.marks import Mark, marks
from intelligen.reporting.report.page import Heading, Section, render
from intelligen.reporting.report.rows import Row, primary
from intelligen.reporting.report.scores import CONTROL
from intelligen.reporting.report.tables import Table, result_table, word
from intelligen.reporting.study import BASELINE, StudyResults


@dataclass(frozen=True)
class Compared:
    """One sweep of several."""

    study: StudyResults
    rows: Sequence[Row]
    answer: Answer

    @property
    def name(self) -> str:
        """The sweep's."""
        return self.study.sweep.name

    @property
    def primary(self) -> list[Row]:
        """What its answer rests on."""
        return primary(self.study, self.rows)


def incomparable(compared: Sequence[Compared]) -> list[str]:
    """Why numbers of different sweeps must not be compared, one line each; empty where they may be."""
    return [line for one, other in pairwise(compared) for line in _differences(one, other)]


def comparison_page(compared: Sequence[Compared]) -> str:
    """The page of several sweeps."""
    systems = tuple(dict.fromkeys(row.score.system for one in compared for row in one.primary))
    drawn = marks([name for name in systems if name != BASELINE])
    warnings = incomparable(compared)
    text = (
        f"Each sweep's own results; Δ is to {CONTROL} of the same sweep. Between sweeps nothing is tested."
        if not warnings
        else "Numbers of these sweeps do not compare:"
    )
    figures = [_scores(compared, drawn)] if systems else []
    sections = [
        Section("results", "Results", text=text, notes=warnings, tables=[comparison_table(compared)], figures=figures),
        *(
            Section(f"sweep-{one.name}", one.name, text=one.study.sweep.question, tables=[_own(one)])
            for one in compared
        ),
    ]
    heading = Heading("Comparison of sweeps", " · ".join(one.name for one in compared))
    return render(heading, {one.name: one.answer for one in compared}, sections, drawn)


def _differences(one: Compared, other: Compared) -> Iterator[str]:
    pair = f"{one.name} and {other.name}"
    if one.study.header["prepared"] != other.study.header["prepared"]:
        named = ", ".join(compared.study.header["prepared"] for compared in (one, other))
        yield f"{pair} have other data or vocabularies ({named})"
    if one.study.primary[0] != other.study.primary[0]:
        named = " and ".join(compared.study.primary[0] for compared in (one, other))
        yield f"{pair} are tested otherwise: {named}"
    searches = [compared.study.header["experiment"]["decoding"]["test"] for compared in (one, other)]
    if searches[0] != searches[1]:
        yield f"{pair} search otherwise: {' and '.join(map(_told, searches))}"
    signatures = [{row.score.signature for row in compared.primary} for compared in (one, other)]
    if signatures[0] != signatures[1]:
        yield f"{pair} have BLEU of other signatures: {' and '.join(' '.join(sorted(each)) for each in signatures)}"


def _told(search: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in search.items())


def comparison_table(compared: Sequence[Compared]) -> Table:
    """A row per sweep and system, of each sweep's primary test set and search."""
    tables = [(one, result_table(one.primary, "", with_costs=True)) for one in compared]
    rows = [[row[0], word(one.name), *row[1:]] for one, table in tables for row in table.rows]
    headings = tables[0][1].headings
    return Table("All sweeps, each by its own test search", [headings[0], "sweep", *headings[1:]], rows)


def _own(one: Compared) -> Table:
    facts = {
        "strategies": ", ".join(one.study.strategies),
        "trials": len(one.study.members),
        "seeds": ", ".join(str(seed) for seed in sorted({m.record.seed for m in one.study.members})),
        "git commit": one.study.header.get("git_commit") or "not known",
        "prepared data": one.study.header["prepared"],
        "directory": one.study.directory,
    }
    return Table("What was run", ["what", "which"], [[word(name), word(value)] for name, value in facts.items()])


def _scores(compared: Sequence[Compared], drawn: Mapping[str, Mark]) -> Figure:
    spans = [
        Span(
            f"{row.score.system}, {one.name}",
            drawn[row.score.system],
            row.score.bleu.value,
            row.score.bleu.low,
            row.score.bleu.high,
            ", ".join(row.score.trials),
        )
        for one in compared
        for row in one.primary
    ]
    return Figure("scores", "BLEU", "Mean over the seeds with its 95 % interval.", intervals("BLEU", spans))
