"""Table of what decides nothing: other metrics beside each row's own control, and what its outputs are like."""

from collections.abc import Sequence

from intelligen.analysis.other_metrics import DESCRIBED, LEARNED_LABEL
from intelligen.analysis.result_rows import ResultRow
from intelligen.analysis.study import StudyResults
from intelligen.evaluation.learned_metric import LEARNED
from intelligen.reporting.html.page_tables import Table, number, word


def outputs_table(study: StudyResults, rows: Sequence[ResultRow], caption: str) -> list[Table]:
    """One table, of the rows of the primary comparison; none where there is nothing of it."""
    names = list(dict.fromkeys(name for row in rows for name in row.score.beside_mean))
    others = list(dict.fromkeys(other.label for row in rows for other in row.score.others))
    if not names:
        return []
    labels = study.task.labels | DESCRIBED | {LEARNED: LEARNED_LABEL}
    headings = [study.compared.heading, *(labels[name] for name in names), *(f"Δ {label}" for label in others)]
    cells = []
    for row in rows:
        deltas = {other.label: other for other in row.score.others}
        means = [number(row.score.beside_mean.get(name), f"{{:{study.task.form(name)}}}") for name in names]
        changes = [
            number(None) if (found := deltas.get(label)) is None else number(found.delta, f"{{:+{found.form}}}")
            for label in others
        ]
        cells.append([word(study.label(row.score.system)), *means, *changes])
    return [Table(caption, headings, cells)]
