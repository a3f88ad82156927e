"""Warm start: finished trials of another search teach the sampler, given points run first."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from intelligen.analysis.trial_outcome import read_outcome
from intelligen.config.schema.space_parameters import parameters
from intelligen.config.schema.sweep import Sweep
from intelligen.config.space.points_table import Point, read_points
from intelligen.errors import ConfigError
from intelligen.state import layout
from intelligen.state.launch_file import read_launch
from intelligen.state.ledger import read_ledger
from intelligen.state.trial_records import TrialState, WarmStartRecord
from intelligen.sweep.search.define_by_run import known_point
from intelligen.sweep.search.optuna_study import WARM_START, is_own

POINT = "point"
"""The user attribute of a trial that runs a point: its index among them."""
POINTS = "points"
"""The study's attribute that holds them; it is written last, so it says that the rest is there."""
PointRows = Sequence[Mapping[str, Any]]
"""Of a zip: the values behind each number."""


@dataclass(frozen=True)
class _Finished:
    """A finished trial of another search."""

    source: str
    """Where it comes from: `SWEEP/t0003`, `FILE:LINE`."""
    params: Mapping[str, Any]
    values: tuple[float, ...] = ()
    """The objectives; empty where it was stopped early."""
    curve: Mapping[int, float] = field(default_factory=dict)


def warm_start(study: optuna.Study, sweep: Sweep, *, sweeps: Path) -> None:
    """Give a new study what the sweep's `search.warm_start` names; one that has it already stays as it is.

    Args:
        study: The sweep's.
        sweep: Whose space and objectives the trials must have.
        sweeps: The folder of all sweeps.

    Raises:
        ConfigError: There is no such sweep, or what is given does not lie in this space.

    """
    given = sweep.search.warm_start
    if given is None or POINTS in study.user_attrs:
        return
    rows = read_points(Path(given.csv), sweep) if given.csv is not None else []
    trials = [_row_as_trial(row, given.csv or "", sweep) for row in rows if row.values]
    if given.sweep is not None:
        trials += _trials_of_sweep(sweeps, given.sweep, sweep)
    known = {trial.user_attrs.get(WARM_START) for trial in study.get_trials(deepcopy=False)}
    study.add_trials(trial for trial in trials if trial.user_attrs[WARM_START] not in known)
    accepted = {parameter.name: parameter.accepted for parameter in parameters(sweep.searched)}
    points = [{name: accepted[name](value) for name, value in point.items()} for point in given.points or ()]
    study.set_user_attr(POINTS, points + [dict(row.params) for row in rows if not row.values])


def learnt(study: optuna.Study) -> WarmStartRecord:
    """What a study holds that has been given a warm start."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if not is_own(trial)]
    return WarmStartRecord(
        [
            asdict(
                _Finished(
                    trial.user_attrs[WARM_START], trial.params, tuple(trial.values or ()), trial.intermediate_values
                )
            )
            for trial in trials
        ],
        study.user_attrs.get(POINTS, []),
    )


def learnt_trials(learnt: WarmStartRecord | None, sweep: Sweep) -> list[FrozenTrial]:
    """The trials of another search that a study was given, in its order."""
    return [
        _as_trial(
            _Finished(
                trial["source"],
                trial["params"],
                tuple(trial["values"]),
                {int(epoch): value for epoch, value in trial["curve"].items()},
            ),
            sweep,
        )
        for trial in (learnt.trials if learnt is not None else ())
    ]


def untried_point(
    study: optuna.Study, tried: Collection[int], *, parameter: str, allowed: Sequence[str]
) -> tuple[int, dict[str, Any]] | None:
    """The first point that has not run, and its index; None where all have.

    Args:
        study: The sweep's.
        tried: Indices of those that have run.
        parameter: What chooses a row.
        allowed: Rows that may have another trial; empty where any may.

    """
    points: list[dict[str, Any]] = study.user_attrs.get(POINTS, [])
    for row, point in enumerate(points):
        if row not in tried and (not allowed or point.get(parameter, allowed[0]) in allowed):
            return row, point
    return None


def _row_as_trial(row: Point, file: str, sweep: Sweep) -> FrozenTrial:
    source = f"{file}:{row.line}"
    try:
        return _as_trial(_Finished(source, row.params, row.values), sweep)
    except ValueError as error:
        raise ConfigError(
            f"{source}: a row with objectives must have all parameters of its point: {error}; complete it, or empty the"
            " objectives so that it runs"
        ) from None


def _trials_of_sweep(sweeps: Path, name: str, sweep: Sweep) -> list[FrozenTrial]:
    there = layout.sweep_names(sweeps)
    if name not in there:
        raise ConfigError(f"search.warm_start.sweep: no sweep {name} in {sweeps}; there are: {', '.join(there)}")
    finished = list(_finished(sweeps / name, sweep))
    fitting = []
    for one in finished:
        try:
            fitting.append(_as_trial(one, sweep))
        except ValueError:
            continue  # another space had other parameters, or other bounds
    if not fitting:
        raise ConfigError(
            f"search.warm_start.sweep: none of the {len(finished)} finished trials of {name} lies in this space;"
            " leave it out"
        )
    return fitting


def _finished(directory: Path, sweep: Sweep) -> Iterator[_Finished]:
    metrics = [objective.metric for objective in sweep.all_objectives()]
    fingerprint, trials, _ = read_ledger(directory)
    now = _zips(sweep)
    then = _zips(read_launch(directory, fingerprint).sweep) if now else {}
    for record in trials.values():
        if not record.suggested or record.state not in (TrialState.COMPLETE, TrialState.PRUNED):
            continue
        if record.exploits:
            continue  # what it came to is due to a schedule, and to other trials' weights: it is no point of a space
        outcome = read_outcome(record.within(directory), objectives=metrics, crashed=False)
        source = f"{directory.name}/{record.id}"
        params = _renumbered(record.params, then=then, now=now)
        if outcome.state is TrialState.COMPLETE:
            yield _Finished(source, params, outcome.values, outcome.curve)
        elif len(metrics) == 1:  # of several objectives Optuna keeps no curves, and a stopped trial has nothing else
            yield _Finished(source, params, curve=outcome.curve)


def _zips(sweep: Sweep) -> dict[str, PointRows]:
    return {parameter.name: parameter.rows for parameter in parameters(sweep.searched) if parameter.rows}


def _renumbered(
    params: Mapping[str, Any], *, then: Mapping[str, PointRows], now: Mapping[str, PointRows]
) -> dict[str, Any]:
    """With the numbers that rows of equal values have in this space; a row that is not here has none."""
    numbers = dict(params)
    for name in now.keys() & params.keys():
        row = then[name][params[name]] if name in then else None
        numbers[name] = now[name].index(row) if row in now[name] else None
    return numbers


def _as_trial(finished: _Finished, sweep: Sweep) -> FrozenTrial:
    """A trial of this space.

    Raises:
        ValueError: It lacks a parameter of this space, or has another value than this space allows.

    """
    params, distributions = known_point(sweep.searched, finished.params)
    return create_trial(
        state=OptunaState.COMPLETE if finished.values else OptunaState.PRUNED,
        values=list(finished.values) or None,
        params=params,
        distributions=distributions,
        intermediate_values=dict(finished.curve) if len(sweep.all_objectives()) == 1 else {},
        user_attrs={WARM_START: finished.source},
    )
