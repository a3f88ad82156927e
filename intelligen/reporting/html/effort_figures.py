"""Figures of search effort: the best of so many trials, and importance of parameters."""

import math
from collections.abc import Iterator, Mapping, Sequence

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from intelligen.analysis.costs import SECONDS_PER_HOUR
from intelligen.analysis.search_analysis import LEAST_TRIALS, Curve, expected_best, importance
from intelligen.analysis.study import SeedModel, StudyResults
from intelligen.config.metric_direction import direction, higher_is_better
from intelligen.config.schema.space_parameters import Parameter, parameters
from intelligen.reporting.html.figures import Figure, add_line, axes, whole_steps
from intelligen.reporting.html.parallel_coordinates import logarithmic_places, mixtures
from intelligen.reporting.html.plot_styles import Mark
from intelligen.reporting.html.shown_trials import evenly
from intelligen.state.trial_records import TrialState

Marks = Mapping[str, Mark]

MOST_MEASURED = 3000
"""Trials of all rows from which importance is computed: Optuna copies each twice, and so many are enough."""
_EFFORTS = ("trials", "device_hours", "target_tokens")


def expected_best_figures(study: StudyResults, marks: Marks) -> Iterator[Figure]:
    """The best value to be expected after so much search, by each kind of effort."""
    curves = {name: curve for name in study.strategies if (curve := _curve(study, name)) is not None}
    labels = dict(zip(_EFFORTS, ("trials", "device-hours", study.task.settings.counted), strict=True))
    for effort, label in labels.items():
        figure = axes(x=label, y=f"expected best {study.metric}", small=True)
        for name, curve in curves.items():
            x = curve.trials if effort == "trials" else curve.costs[effort]
            text = [
                f"{count} trials, ± {spread:.2f}" for count, spread in zip(curve.trials, curve.deviation, strict=True)
            ]
            add_line(figure, marks[name], list(zip(x, curve.expected, strict=True)), name=study.label(name), text=text)
        if effort == "trials" and curves:
            figure.update_xaxes(tickformat="d", dtick=whole_steps(max(curve.trials[-1] for curve in curves.values())))
        if curves:
            yield Figure(
                f"expected-{effort.replace('_', '-')}",
                f"Expected best by {label.removeprefix('target ')}",
                "If the search had stopped there (Dodge et al. 2019); each line ends at what the search spent.",
                figure,
            )


def _curve(study: StudyResults, strategy: str) -> Curve | None:
    own = [member for member in study.searched if member.record.row == strategy]
    values = [value for member in own if (value := member.value(study.metric)) is not None and math.isfinite(value)]
    if not values:
        return None
    costs = {
        "device_hours": [member.device_s / SECONDS_PER_HOUR for member in own],
        "target_tokens": [float(member.target_tokens) for member in own],
    }
    return expected_best(values, costs, higher_is_better=higher_is_better(study.metric))


def importance_figures(study: StudyResults, marks: Marks) -> Iterator[Figure]:
    """Of each strategy with trials enough, how much each parameter decided which of them were the best."""
    mixed_keys = mixtures(study)
    mixed = {parameter.name for parameter in parameters(study.sweep.space) if parameter.key in mixed_keys}
    most = max(LEAST_TRIALS, MOST_MEASURED // max(1, len(study.strategies)))
    for name in study.strategies:
        completed = _completed(study, name)
        own = evenly(completed, most)
        shares = importance(_as_optuna(study, own))
        if not shares:
            continue
        figure = axes(x="share", y="")
        least_first = list(reversed(shares.items()))
        figure.add_bar(
            x=[share for _, share in least_first],
            y=[f"{parameter} (as drawn)" if parameter in mixed else parameter for parameter, _ in least_first],
            orientation="h",
            marker={"color": marks[name].colour},
            hovertemplate="%{y}: %{x:.2f}<extra></extra>",
        )
        figure.update_layout(height=120 + 26 * len(shares))
        count = f"{len(own)} trials" if len(own) == len(completed) else f"{len(own):,} of {len(completed):,} trials"
        yield Figure(
            f"importance-{name}",
            f"Importance, {study.label(name)}",
            f"PED-ANOVA over {count}: how strongly a parameter decides whether a trial is among the best.",
            figure,
        )


def importance_note(study: StudyResults) -> str:
    """Why some rows have no figure."""
    ran = {name: len(_completed(study, name)) for name in study.strategies}
    few = [f"{study.label(name)} ({count})" for name, count in ran.items() if count < LEAST_TRIALS]
    return f"Too few finished trials, {LEAST_TRIALS} are needed: {', '.join(few)}." if few else ""


def _completed(study: StudyResults, strategy: str) -> list[SeedModel]:
    """Trials that finished with the values that they began with: a population's may have got others by an exploit."""
    return [
        member
        for member in study.searched
        if member.record.row == strategy and member.record.state is TrialState.COMPLETE and not member.record.exploits
    ]


def _as_optuna(study: StudyResults, members: Sequence[SeedModel]) -> optuna.Study:
    """Trials that finished as a study in memory: the search's own may lie in a database that is gone."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logarithmic = logarithmic_places(study)
    known = {one.name: _distribution(one, one.key in logarithmic) for one in parameters(study.sweep.space)}
    found = optuna.create_study(direction=direction(study.metric))
    for member in members:
        value = member.value(study.metric)
        if value is not None:
            # The row is the same in all.
            params = {
                name: drawn
                for name, drawn in member.record.params.items()
                if name in known and name != study.compared.word
            }
            distributions = {name: known[name] for name in params}
            found.add_trial(optuna.trial.create_trial(value=value, params=params, distributions=distributions))
    return found


def _distribution(parameter: Parameter, is_logarithmic: bool) -> BaseDistribution:
    if parameter.choices:
        return CategoricalDistribution(parameter.choices)
    low, high = parameter.ends
    if parameter.whole:
        return IntDistribution(int(low), int(high), log=is_logarithmic)
    return FloatDistribution(low, high, log=is_logarithmic)
