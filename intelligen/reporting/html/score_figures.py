"""Figures of test scores: intervals, and measures of exposure bias."""

from collections.abc import Iterator, Mapping, Sequence
from operator import sub

from intelligen.analysis.decoded import Setting
from intelligen.analysis.study import StudyResults
from intelligen.analysis.system_scores import Score
from intelligen.evaluation.corpus_scores import LENGTHS
from intelligen.evaluation.exposure_bias import POSITIONS, PREFIXES
from intelligen.reporting.html.figures import Figure, IntervalBar, add_means, axes, intervals
from intelligen.reporting.html.plot_styles import Mark
from intelligen.tasks.base import AnyMetric

Marks = Mapping[str, Mark]
BySystem = Mapping[str, Mapping[str, Sequence[float]]]
"""System → place on the axis → the value of each seed."""

_HOW_ONE = "The score of one model each, with its 95 % interval over the rows of the test set."
_HOW_MEAN = "Mean over the seeds with its 95 % interval."


def how_measured(rows: Sequence[Score]) -> str:
    """What a score and its interval are: one model has no mean over seeds."""
    return _HOW_MEAN if any(len(row.seeds) > 1 for row in rows) else _HOW_ONE


def score_figures(study: StudyResults, rows: Sequence[Score], marks: Marks) -> Iterator[Figure]:
    """Of every test set the scores with their intervals; of the primary one a score by length.

    Args:
        study: The study.
        rows: Of all test sets, by the experiment's own search.
        marks: Of the systems.

    """
    for split in study.test_sets:
        if found := [row for row in rows if row.setting[0] == split]:
            yield _scores(study, split, found, marks)
    for metric in study.task.reported:
        by_length = _values(study, study.primary, [f"{metric.name}_by_length/{bucket}" for bucket in LENGTHS])
        if by_length:
            yield _lengths(study, metric, by_length, marks)
            return


def _lengths(study: StudyResults, metric: AnyMetric, by_length: BySystem, marks: Marks) -> Figure:
    lengths = axes(x="tokens of the reference", y=metric.title, small=True)
    for name, values in by_length.items():
        found = {score.partition("/")[2]: seeds for score, seeds in values.items()}
        add_means(lengths, marks[name], found, name=study.label(name))
    # Without it a bucket that only some systems have would be sorted behind those that all have.
    lengths.update_xaxes(type="category", categoryorder="array", categoryarray=list(LENGTHS))
    return Figure(
        "lengths",
        f"{metric.label} by length of the reference, {study.primary[0]}",
        "Errors accumulate along a sentence, so a remedy should gain most on the right.",
        lengths,
    )


def exposure_by_position(study: StudyResults, marks: Marks) -> Iterator[Figure]:
    """Of the primary test set: what a prefix of its own costs a model, and where in the sentence it does worse.

    Of what was not measured, as where models write nothing, there is no figure.
    """
    names = [f"{prefix:02}" for prefix in PREFIXES]
    switched = _pairs(study, "prefix_switch/{}_model", "prefix_switch/{}_reference", names)
    if any(switched.values()):
        yield _prefix_switch(study, switched, marks)
    gaps = _pairs(study, "teacher_forced_accuracy_at/{}", "free_running_accuracy_at/{}", POSITIONS)
    if any(gaps.values()):
        yield _gap_by_position(study, gaps, marks)


def _prefix_switch(study: StudyResults, losses: BySystem, marks: Marks) -> Figure:
    switch = axes(x="k, tokens of the model's own", y="nats per token", small=True)
    for name, values in losses.items():
        found = {str(int(prefix)): seeds for prefix, seeds in values.items()}
        add_means(switch, marks[name], found, name=study.label(name))
    switch.update_xaxes(type="category")
    return Figure(
        "prefix-switch",
        "Prefix switch, test set",
        "Loss of the reference's rest after k tokens of the model's own, less that after k of the reference's."
        " 0 = its own words do it no harm.",
        switch,
    )


def _gap_by_position(study: StudyResults, gaps: BySystem, marks: Marks) -> Figure:
    figure = axes(x="position in the sentence", y="accuracy lost", small=True)
    for name, values in gaps.items():
        add_means(figure, marks[name], values, name=study.label(name))
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=list(POSITIONS))
    return Figure(
        "positions",
        "Exposure gap by position, test set",
        "Teacher-forced accuracy less free-running accuracy.",
        figure,
    )


def _scores(study: StudyResults, split: str, rows: Sequence[Score], marks: Marks) -> Figure:
    metric = study.task.ranking
    spans = [
        IntervalBar(
            study.label(row.system),
            marks[row.system],
            row.mean.value,
            row.mean.low,
            row.mean.high,
            ", ".join(row.trials),
        )
        for row in rows
    ]
    key = "scores" if split == study.primary[0] else f"scores-{split}"
    return Figure(key, f"{metric.title}, {split}", how_measured(rows), intervals(metric.title, spans))


def _values(study: StudyResults, setting: Setting, metrics: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """System → metric → of each seed; metrics that a system lacks are left out."""
    found: dict[str, dict[str, list[float]]] = {}
    for system in study.systems:
        measured = [decoded.metrics for decoded in system.of(setting).values()]
        known = [metric for metric in metrics if measured and all(metric in values for values in measured)]
        if known:
            found[system.name] = {metric: [values[metric] for values in measured] for metric in known}
    return found


def _pairs(study: StudyResults, ours: str, theirs: str, names: Sequence[str]) -> BySystem:
    """System → bucket → of each seed the one metric less the other, where both are known."""
    both = [form.format(name) for name in names for form in (ours, theirs)]
    return {
        system: {
            name: list(map(sub, values[ours.format(name)], values[theirs.format(name)]))
            for name in names
            if ours.format(name) in values and theirs.format(name) in values
        }
        for system, values in _values(study, study.primary, both).items()
    }
