"""Footnotes of the tables of results: a short one below them, and the full one to unfold."""

from collections.abc import Sequence

from intelligen.analysis.result_rows import ResultRow
from intelligen.analysis.study import StudyResults

_DIFFERENCE = " Δ is to the row's own control, with the interval that the verdict is read from."
_COSTS = " Costs are over all trials, the stopped and the failed included."
_VERDICTS = (
    "Δ is over the seeds that a row and its control both have. Interval, p and verdict belong together: in at most 5"
    " of 100 studies is any verdict of all {rows} wrong. An equivalent row's interval is that of two one-sided tests."
    " Only the first table, of the test set and search of the answer, has verdicts. Effect size is Hedges' g: Δ over"
    " its standard deviation between seeds."
)
_SEARCHES = (
    "Each row was searched several times: intervals, verdicts and effect sizes are over searches, with the seeds of"
    " each averaged."
)
_TRACED = (
    "The seeds say which trials a row comes from: all trials are listed below, with their runs in MLflow. Epoch time,"
    " memory and device-hours are over all trials of a {row}, in search and confirmation; a device is a GPU, or a"
    " worker's processors. Memory is the GPU's, or resident memory of processes without one."
)
_VARIANTS = "Epoch, losses and validation scores are of the selected weights, means over the seeds of a row."
_TOKENS = (
    "Perplexity is exp(valid loss), per piece of the vocabulary. Training FLOPs are estimated as 6 · parameters ·"
    " target tokens of these trainings alone (Kaplan et al. 2020), without what they start from."
)
_BY_TIME = (
    "Training FLOPs by time are training time × devices × device_flops (Vaswani et al. 2017), of these trainings alone."
)


def short_footnote(study: StudyResults, rows: Sequence[ResultRow]) -> str:
    """What the columns are, in two or three sentences."""
    label = study.task.ranking.label
    if has_several_seeds(rows):
        score = f"{label} is the mean over seeds, with its 95 % interval over seeds × rows."
    else:
        score = f"{label} is of one model each, with its 95 % interval over the rows of the test set."
    return score + (_DIFFERENCE if _has_differences(rows) else "") + _COSTS


def full_footnote(study: StudyResults, rows: Sequence[ResultRow]) -> str:
    """Everything else that a reader may ask of them."""
    metric, *further = study.task.reported
    compared = study.compared
    parts = [_VERDICTS.format(rows=compared.words)] if _has_differences(rows) else []
    parts += [_SEARCHES] if study.units.are_searches else []
    if metric.implementation:
        parts.append(f"{metric.label} is {metric.implementation}'s.")
    also = " is the mean over seeds too, and" if has_several_seeds(rows) else ""
    parts += [f"{other.label}{also} ranks nothing." for other in further]
    parts.append(_TRACED.format(row=compared.word))
    if compared.variants:
        parts.append(_VARIANTS)
        parts += [_TOKENS] if study.task.settings.predicts_tokens else []
        parts += [_BY_TIME] if study.sweep.device_flops is not None else []
    return " ".join(parts)


def has_several_seeds(rows: Sequence[ResultRow]) -> bool:
    """Whether any score is a mean over seeds."""
    return any(len(row.score.seeds) > 1 for row in rows)


def _has_differences(rows: Sequence[ResultRow]) -> bool:
    return any(row.score.difference is not None for row in rows)
