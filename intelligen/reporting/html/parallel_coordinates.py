"""Parallel coordinates: a trial is a line over its parameters, and ends at its score."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from intelligen.analysis.study import SeedModel, StudyResults
from intelligen.config.document import Key
from intelligen.config.metric_direction import ranked
from intelligen.config.schema.space_forms import LogInt, LogUniform, Simplex
from intelligen.config.schema.space_parameters import Parameter, parameters
from intelligen.config.space.entries import Entry, entries_of, with_inner
from intelligen.reporting.html.figures import Figure, axes
from intelligen.reporting.html.plot_styles import Mark
from intelligen.reporting.html.shown_trials import count_of, shown_trials
from intelligen.state.trial_records import ParameterValue

MOST_LINES = 300
"""Of all figures together: each trial is a line with a text at every parameter."""
# So many of a strategy's best trials are highlighted.
_BEST_SHARE = 5
_LEAST_LINES = 10
_LONGEST_LABEL = 14


@dataclass(frozen=True)
class _Axis:
    """A parameter, or the objective: where its values lie between 0 and 1."""

    label: str
    low: float = 0.0
    high: float = 1.0
    logarithmic: bool = False
    choices: tuple[ParameterValue, ...] = ()

    def position(self, value: ParameterValue) -> float:
        if self.choices:
            return (self.choices.index(value) + 0.5) / len(self.choices)
        assert isinstance(value, int | float)
        low, high, number = (
            map(math.log, (self.low, self.high, value)) if self.logarithmic else (self.low, self.high, value)
        )
        return 0.5 if high == low else (number - low) / (high - low)

    def ticks(self) -> list[tuple[float, str]]:
        if self.choices:
            return [(self.position(choice), str(choice)[:_LONGEST_LABEL]) for choice in self.choices]
        return [(0.0, f"{self.low:.3g}"), (1.0, f"{self.high:.3g}")]


def parallel_figures(study: StudyResults, marks: Mapping[str, Mark]) -> Iterator[Figure]:
    """One figure per row, since each has parameters of its own."""
    logarithmic = logarithmic_places(study)
    mixed = mixtures(study)
    known = list(parameters(study.sweep.space))
    most = max(_LEAST_LINES, MOST_LINES // max(1, len(study.strategies)))
    for strategy in study.strategies:
        scored = [m for m in study.searched if m.record.row == strategy and m.value(study.metric) is not None]
        own = shown_trials(study, scored, most)
        drawn = [
            one for one in known if one.name != study.compared.word and any(one.name in m.record.params for m in own)
        ]
        if own and drawn:
            axes_drawn = [_axis(one, logarithmic) for one in drawn]
            values = [[_value(member, one, mixed.get(one.key)) for one in drawn] for member in own]
            figure = _figure(own, axes_drawn, values, study, marks[strategy])
            yield Figure(
                f"parallel-{strategy}",
                study.label(strategy),
                f"{count_of(own, scored)}; the best fifth is in bold. A parameter that a trial does not have breaks its"
                " line.",
                figure,
            )


def logarithmic_places(study: StudyResults) -> set[Key]:
    """Keys of the ranges in the sweep file that are searched by their logarithm."""
    entries = with_inner(entries_of(study.sweep.space, ("space",)))
    return {entry.draw for entry in entries if isinstance(entry.space, LogUniform | LogInt)}


def mixtures(study: StudyResults) -> dict[Key, Entry]:
    """The simplices of the space by where they are drawn."""
    entries = with_inner(entries_of(study.sweep.space, ("space",)))
    return {entry.draw: entry for entry in entries if isinstance(entry.space, Simplex)}


def weights(member: SeedModel, entry: Entry) -> dict[str, float]:
    """Part → weight, as the trial's settings have it: what is drawn for a simplex are not its weights."""
    found = member.record.config
    for key in entry.setting.split("."):
        found = found[key]
    assert isinstance(entry.space, Simplex)
    return {part: found[part] for part in entry.space.simplex}


def _value(member: SeedModel, parameter: Parameter, mixture: Entry | None) -> ParameterValue | None:
    """What the trial trained with; none where it does not have the parameter."""
    if parameter.name not in member.record.params:
        return None
    if mixture is not None:
        return weights(member, mixture)[parameter.name.rpartition(".")[2]]
    return member.record.params[parameter.name]


def _axis(parameter: Parameter, logarithmic: set[Key]) -> _Axis:
    label = parameter.name.rpartition("/")[2].removeprefix("finetuning.")
    return _Axis(label, *parameter.ends, logarithmic=parameter.key in logarithmic, choices=parameter.choices)


def _figure(
    own: Sequence[SeedModel],
    drawn: Sequence[_Axis],
    drawn_values: Sequence[Sequence[ParameterValue | None]],
    study: StudyResults,
    mark: Mark,
) -> go.Figure:
    values = {m.record.id: m.value(study.metric) or 0.0 for m in own}
    all_axes = [*drawn, _Axis(study.metric, min(values.values()), max(values.values()))]
    best_first = ranked(study.metric, values, value=values.__getitem__)
    bold = set(best_first[: -(-len(best_first) // _BEST_SHARE)])
    figure = axes(x="", y="")
    for member, found in zip(own, drawn_values, strict=True):
        trial = member.record.id
        positions = [None if value is None else axis.position(value) for axis, value in zip(drawn, found, strict=True)]
        figure.add_scatter(
            x=list(range(len(all_axes))),
            y=[*positions, all_axes[-1].position(values[trial])],
            mode="lines+markers",
            name=trial,
            text=[
                *(f"{axis.label} = {value}" for axis, value in zip(drawn, found, strict=True)),
                f"{values[trial]:.2f}",
            ],
            hovertemplate="%{text}<extra>%{fullData.name}</extra>",
            opacity=1.0 if trial in bold else 0.35,
            line={"color": mark.colour, "width": 3 if trial in bold else 1.5, "dash": "solid"},
            marker={"color": mark.colour, "symbol": mark.symbol, "size": 7},
        )
    _draw_axes(figure, all_axes)
    return figure


def _draw_axes(figure: go.Figure, all_axes: Sequence[_Axis]) -> None:
    for position, axis in enumerate(all_axes):
        figure.add_vline(x=position, line={"color": "#888888", "width": 1}, layer="below")
        for height, label in axis.ticks():
            figure.add_annotation(
                x=position, y=height, text=label, showarrow=False, xanchor="left", xshift=5, yshift=9, font={"size": 11}
            )
    figure.update_xaxes(
        tickvals=list(range(len(all_axes))),
        ticktext=[axis.label for axis in all_axes],
        tickangle=30,
        showgrid=False,
        range=[-0.2, len(all_axes) - 0.45],
    )
    figure.update_yaxes(visible=False, range=[-0.06, 1.12])
