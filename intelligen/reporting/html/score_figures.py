"""Figures of test scores: intervals, and measures of exposure bias."""

from collections.abc import Iterator, Mapping, Sequence

from intelligen.analysis.study import Setting, StudyResults
from intelligen.analysis.system_scores import Score
from intelligen.evaluation.corpus_scores import LENGTHS
from intelligen.evaluation.exposure_bias import POSITIONS, PREFIXES
from intelligen.reporting.html.figures import Figure, IntervalBar, add_line, axes, intervals
from intelligen.reporting.html.plot_styles import Mark
from intelligen.tasks.base import AnyMetric

Marks = Mapping[str, Mark]

_HOW = "Mean over the seeds with its 95 % interval."
_HOW_DECIDED = "Mean over the seeds with the interval that the verdict is read from, for all comparisons together."


def score_figures(study: StudyResults, rows: Sequence[Score], marks: Marks) -> Iterator[Figure]:
    """Of the primary test set: scores and differences with their intervals, a score by length."""
    yield _scores(study, rows, marks)
    yield from _differences(study, rows, marks)
    for metric in study.task.reported:
        by_length = _means(study, study.primary, [f"{metric.name}_by_length/{bucket}" for bucket in LENGTHS])
        if by_length:
            yield _lengths(study, metric, by_length, marks)
            return


def _lengths(
    study: StudyResults, metric: AnyMetric, by_length: Mapping[str, Mapping[str, float]], marks: Marks
) -> Figure:
    lengths = axes(x="tokens of the reference", y=metric.title)
    for name, values in by_length.items():
        points = [(score.partition("/")[2], value) for score, value in values.items()]
        add_line(lengths, marks[name], points, name=study.label(name))
    # Without it a bucket that only some systems have would be sorted behind those that all have.
    lengths.update_xaxes(type="category", categoryorder="array", categoryarray=list(LENGTHS))
    return Figure(
        "lengths",
        f"{metric.label} by length of the reference",
        "Mean over the seeds. Errors accumulate along a sentence, so a remedy should gain most on the right.",
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


def _prefix_switch(study: StudyResults, losses: Mapping[str, Mapping[str, float]], marks: Marks) -> Figure:
    switch = axes(x="k, tokens of the model's own", y="nats per token", small=True)
    for name, values in losses.items():
        points = [(str(int(prefix)), value) for prefix, value in values.items()]
        add_line(switch, marks[name], points, name=study.label(name))
    switch.update_xaxes(type="category")
    return Figure(
        "prefix-switch",
        "Prefix switch, test set",
        "Loss of the reference's rest after k tokens of the model's own, less that after k of the reference's."
        " 0 = its own words do it no harm.",
        switch,
    )


def _gap_by_position(study: StudyResults, gaps: Mapping[str, Mapping[str, float]], marks: Marks) -> Figure:
    figure = axes(x="position in the sentence", y="accuracy lost", small=True)
    for name, values in gaps.items():
        add_line(figure, marks[name], list(values.items()), name=study.label(name))
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=list(POSITIONS))
    return Figure(
        "positions",
        "Exposure gap by position, test set",
        "Teacher-forced accuracy less free-running accuracy.",
        figure,
    )


def _scores(study: StudyResults, rows: Sequence[Score], marks: Marks) -> Figure:
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
    return Figure("scores", metric.title, _HOW, intervals(metric.title, spans))


def _differences(study: StudyResults, rows: Sequence[Score], marks: Marks) -> Iterator[Figure]:
    spans = [
        IntervalBar(
            study.label(row.system), marks[row.system], found.delta, found.low, found.high, ", ".join(row.trials)
        )
        for row in rows
        if (found := row.difference) is not None
    ]
    if spans:
        title = f"Δ {study.task.ranking.title} to its control"
        figure = intervals(title, spans)
        figure.add_vline(x=0, line={"color": "#888888", "width": 1, "dash": "dot"})
        yield Figure("differences", title, _HOW_DECIDED, figure)


def _means(study: StudyResults, setting: Setting, metrics: Sequence[str]) -> dict[str, dict[str, float]]:
    """System → metric → mean over its seeds; metrics that a system lacks are left out."""
    found: dict[str, dict[str, float]] = {}
    for system in study.systems:
        measured = [decoded.metrics for decoded in system.of(setting).values()]
        known = [metric for metric in metrics if measured and all(metric in values for values in measured)]
        if known:
            found[system.name] = {
                metric: sum(values[metric] for values in measured) / len(measured) for metric in known
            }
    return found


def _pairs(study: StudyResults, ours: str, theirs: str, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """System → bucket → the one metric less the other, where both are known."""
    both = [form.format(name) for name in names for form in (ours, theirs)]
    return {
        system: {
            name: values[ours.format(name)] - values[theirs.format(name)]
            for name in names
            if ours.format(name) in values and theirs.format(name) in values
        }
        for system, values in _means(study, study.primary, both).items()
    }
