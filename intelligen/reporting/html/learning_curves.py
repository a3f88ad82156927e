"""Learning curves: validation after each epoch, of every model that the test sets compare."""

from collections.abc import Iterator, Mapping

from intelligen.analysis.study import BASELINE, SeedModel, StudyResults, System
from intelligen.reporting.html.figures import Figure, add_band, add_line, add_means, axes, whole_steps
from intelligen.reporting.html.plot_styles import Mark

Marks = Mapping[str, Mark]

_EXPOSURE = {
    "valid/exposure_gap": ("Exposure gap", "Teacher-forced accuracy less free-running accuracy."),
    "valid/prefix_switch_gap": ("Prefix-switch gap", "Loss added by a prefix of the model's own, in nats per token."),
    "valid/repetition_pct": ("Repetition", "4-grams that occur earlier in the same hypothesis, in per cent."),
    "valid/length_ratio": (
        "Length ratio",
        "Tokens of the hypotheses over those of the references; away from 1: drift.",
    ),
}


def learning_curves(study: StudyResults, marks: Marks) -> Figure:
    """The objective by tokens or rows trained on, a line per model."""
    figure = axes(x=f"{study.task.settings.counted} trained on", y=study.metric)
    for system in _finetuned(study):
        for member in system.members:
            points = [(report.target_tokens, report.metrics[study.metric]) for report in member.reports]
            trial = f"{member.record.id}, seed {member.record.seed}"
            text = [f"{trial}, epoch {report.epoch}" for report in member.reports]
            add_line(figure, marks[system.name], points, name=study.label(system.name), text=text, opacity=0.85)
    start = [member.value(study.metric) for member in _baseline(study)]
    known = [value for value in start if value is not None]
    if known:
        figure.add_hline(
            y=sum(known) / len(known), line={"color": marks[BASELINE].colour, "dash": marks[BASELINE].dash}
        )
    return Figure(
        "learning",
        f"{study.metric} while training",
        "Validation after each epoch, one line per model. The dotted line is the common start, the baseline.",
        figure,
    )


def epoch_curves(study: StudyResults, marks: Marks) -> Iterator[Figure]:
    """Loss, then each reported metric of the validation set by epoch: a line per variant, its seeds as a band."""
    titles = {"loss": "Loss"} | {metric.name: metric.title for metric in study.task.reported}
    for name, title in titles.items() if study.compared.variants else ():
        figure = axes(x="epoch", y=f"valid {title[:1].lower() + title[1:] if name == 'loss' else title}")
        for system in study.systems:
            found = _by_epoch(system, f"valid/{name}")
            if any(len(values) > 1 for values in found.values()):
                band = [(float(epoch), min(values), max(values)) for epoch, values in found.items()]
                add_band(figure, marks[system.name], band, name=study.label(system.name))
            if found:
                means = [(epoch, sum(values) / len(values)) for epoch, values in found.items()]
                add_line(figure, marks[system.name], means, name=study.label(system.name))
        if figure.data:
            figure.update_xaxes(tickformat="d", dtick=whole_steps(max(max(line.x) for line in figure.data)))
            how = "Validation after each epoch: the mean over a row's seeds, and from the least to the most of them."
            yield Figure(f"{name.replace('_', '-')}-by-epoch", f"{title} by epoch", how, figure)


def exposure_curves(study: StudyResults, marks: Marks) -> Iterator[Figure]:
    """What exposure bias looks like on the validation set while a model trains: means, with bars over the seeds."""
    for metric, (title, caption) in _EXPOSURE.items():
        figure = axes(x="epoch", y=title.lower(), small=True)
        for system in _finetuned(study):
            if found := _by_epoch(system, metric):
                add_means(figure, marks[system.name], found, name=study.label(system.name))
        if figure.data:
            figure.update_xaxes(tickformat="d", dtick=whole_steps(max(max(line.x) for line in figure.data)))
            yield Figure(metric.replace("/", "-"), title, caption, figure)


def _by_epoch(system: System, metric: str) -> dict[int, list[float]]:
    """Epoch → the metric of each seed that came so far."""
    found: dict[int, list[float]] = {}
    for member in system.members:
        for report in member.reports:
            if metric in report.metrics:
                found.setdefault(report.epoch, []).append(report.metrics[metric])
    return dict(sorted(found.items()))


def _finetuned(study: StudyResults) -> list[System]:
    return [system for system in study.systems if system.name != BASELINE]


def _baseline(study: StudyResults) -> tuple[SeedModel, ...]:
    return next((system.members for system in study.systems if system.name == BASELINE), ())
