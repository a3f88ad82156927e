"""Verdicts of a study's rows, from its primary comparison."""

from collections.abc import Iterable

from intelligen.analysis.comparisons import REFUSED
from intelligen.analysis.result_rows import ResultRow
from intelligen.analysis.study import StudyResults
from intelligen.analysis.verdicts import RowVerdict
from intelligen.evaluation.decision_procedure import Verdict

_RELATIONS = {Verdict.BETTER: "better than", Verdict.WORSE: "worse than", Verdict.EQUIVALENT: "equivalent to"}


def row_verdicts(study: StudyResults, rows: Iterable[ResultRow]) -> list[RowVerdict]:
    """Of every row of the primary comparison that was asked about.

    Args:
        study: The study.
        rows: Its primary results.

    """
    return [
        RowVerdict(
            row=row.score.system,
            verdict=values["verdict"],
            control=values["control"],
            delta=values["delta"],
            delta_low=values["delta_low"],
            delta_high=values["delta_high"],
            words=_words(study, row),
        )
        for row in rows
        if (values := row.values())["verdict"] is not None
    ]


def _words(study: StudyResults, row: ResultRow) -> str:
    own, metric = row.score.own, row.score.metric
    assert own is not None
    control = study.label(own.control)
    found = own.decided
    if found is None:
        return f"{REFUSED}, beside {control}: {own.refusal}"
    bounds = f"{metric.change(found.low)} to {metric.change(found.high)}"
    relation = _RELATIONS.get(found.verdict, f"{found.verdict} beside")
    over = f", over {study.units.counted(own.seeds)}" if study.units.are_searches else ""
    return f"{relation} {control}: {metric.change(found.delta)} {metric.label} ({bounds}){over}"
