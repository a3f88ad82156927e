"""plan, doctor: what a sweep would do and what it needs, before anything is trained."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from intelligen.addresses import tracking_address
from intelligen.analysis.eta import duration
from intelligen.cli.json_output import print_document
from intelligen.cli.options import json_option, local_option, override_option, runs_option, tracking_option
from intelligen.config.files.several_values import INTO_EXPERIMENT
from intelligen.config.initial_place import placing_initial
from intelligen.config.load import load_sweep
from intelligen.config.schema.space_forms import Space
from intelligen.config.schema.stages_after_search import Confirmation
from intelligen.errors import UnavailableError
from intelligen.reporting.terminal.progress_bars import counting
from intelligen.sweep.cluster.find_cluster import find_cluster
from intelligen.sweep.launch_header import stages_line

if TYPE_CHECKING:
    from intelligen.config.schema.sweep import Sweep
    from intelligen.sweep.preflight.plan import Plan, SampledTrial
    from intelligen.training.timing import TimeRange

_WORST_FINDING = 69


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@override_option
@runs_option
@click.option(
    "--calibrate/--no-calibrate", default=True, show_default=True, help="Time some updates; needs the data prepared."
)
@local_option
@json_option
def plan(file: Path, overrides: tuple[str, ...], runs: Path, calibrate: bool, local: bool, as_json: bool) -> None:
    """Show what the sweep in FILE would do here, and what it would cost.

    Prints settings, sample trials, machines, time and device-hours, and warnings. Trains nothing, but prepares the data
    as the sweep itself would. Exit code 69: it cannot run here.
    """
    from intelligen.sweep.launch_request import request_of_file
    from intelligen.sweep.preflight.plan import make_plan

    sweep, experiment = load_sweep(file, overrides)
    request = request_of_file(sweep, experiment, runs=runs, tracking_uri=None)
    with placing_initial(file, overrides):
        found = make_plan(
            sweep,
            experiment,
            store=request.store,
            calibrate=calibrate,
            prepare=lambda: request.prepare(counting),
            cluster=find_cluster(local=local),
            overrides=[text.removeprefix(INTO_EXPERIMENT) for text in overrides if text.startswith(INTO_EXPERIMENT)],
        )
    if as_json:
        print_document(found.document())
    else:
        for line in plan_lines(found):
            click.echo(line)
    if found.refusal is not None:
        raise UnavailableError(found.refusal)


@click.command()
@runs_option
@tracking_option
@local_option
@json_option
def doctor(runs: Path, tracking_uri: str | None, local: bool, as_json: bool) -> int:
    """Check what sweeps need, and say how to fix each problem.

    Checks packages, storage, MLflow, GPUs, disk, clock, tokens, and every node of the cluster that sweeps would join,
    and prints a line for each. Leaves nothing behind. Exit code 69: something must be fixed first.
    """
    from intelligen.sweep.preflight.doctor import CheckStatus, Finding, run_checks

    findings: list[Finding] = []
    uri, cluster = tracking_address(tracking_uri), find_cluster(local=local)
    for finding in run_checks(runs.absolute(), tracking_uri=uri, cluster=cluster):
        findings.append(finding)
        if not as_json:
            fix = f"; {finding.fix}" if finding.fix else ""
            click.echo(f"{finding.verdict:<4}  {finding.check:<12}  {finding.found}{fix}")
    failed = any(finding.verdict is CheckStatus.FAIL for finding in findings)
    if as_json:
        print_document({"format": 1, "healthy": not failed, "findings": [vars(finding) for finding in findings]})
    return _WORST_FINDING if failed else 0


def plan_lines(plan: "Plan") -> Iterator[str]:
    """A plan in lines for people."""
    sweep, resources = plan.sweep, plan.sweep.resources
    budget = ", ".join(f"{name} {value}" for name, value in sweep.budget.model_dump(exclude_none=True).items())
    yield f"sweep       {sweep.name}: {sweep.question}" if sweep.question else f"sweep       {sweep.name}"
    yield f"experiment  {plan.experiment.name}; seed {plan.experiment.seed}"
    if sweep.space:
        yield f"search      {sweep.search.sampler}, seed {sweep.search.seed}; scheduler {sweep.scheduler.name}"
        if (count := sweep.search.replicates) > 1:
            yield f"searches    {count}, one after the other, each with this budget and seeds of its own"
    points = f"one trial at each of the {sweep.total_trials()} points" if sweep.space else "one trial of each row"
    yield f"budget      {budget or points}"
    yield f"trains      {stages_line(sweep, plan.experiment)}"
    yield f"objective   {sweep.objective.metric}, {sweep.objective.direction}d; the test sets are scored at the end"
    if sweep.confirm is not None:
        how = _confirmed(sweep, sweep.confirm, plan.experiment.seed)
        yield f"confirm     the best of each {sweep.row_parameter} {how}"
    if own := sweep.own_controls():
        how = "standard_matched at the points of their strategies' trials, for as long as these take"
        yield f"controls    {', '.join(own)}: {how}"
    for line in plan.power:
        yield f"power       {line}"
    if rows := sweep.variants():
        yield f"rows        differences are against {sweep.control}"
        yield from (f"  {row.id}: {_settings(row.settings)}" for row in rows)
    if sweep.space:
        yield "space"
        yield from _space_lines(sweep.space)
    yield (
        f"a trial     {_devices(resources.workers, resources.cpus_per_worker, resources.gpus)};"
        f" {resources.at_once} at once; {plan.place} has {_counted(plan.cpus, 'processor')} and"
        f" {_counted(plan.gpus, 'GPU')},"
        f" enough for {plan.concurrent_fit} at once"
    )
    yield f"devices     {plan.devices}"
    for line in plan.data or (f"not checked: {plan.no_cost}",):
        yield f"data        {line}"
    yield "sample trials, drawn at random"
    for trial in plan.trials:
        yield f"  {_trial(trial)}"
    yield from _cost_lines(plan)
    for warning in plan.warnings:
        yield f"warning     {warning}"


def _settings(settings: "Mapping[str, Any]") -> str:
    return ", ".join(f"{key} {json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()) or "as it is"


def _confirmed(sweep: "Sweep", asked: Confirmation, searched: int) -> str:
    searches = sweep.search.all_replicates(searched)
    if len(searches) > 1:
        seeds = "; ".join(", ".join(map(str, asked.after(one.seed))) for one in searches)
        return f"in each search is trained again with that search's seeds ({seeds}) and then tested"
    every = asked.after(searched)
    seeds = ", ".join(map(str, every[: asked.at_least]))
    if asked.until is None:
        return f"is trained again with the seeds {seeds} and then tested"
    return (
        f"is trained again with the seeds {seeds} and tested, then with one more seed at a time up to {every[-1]},"
        f" until it is decided within {asked.difference:g} or unlikely to be"
    )


def _space_lines(space: "Mapping[str, Space]", indent: str = "  ") -> Iterator[str]:
    """A space as its file has it: an option's own parameters are below it."""
    for key, form in space.items():
        options = getattr(form, "choice", None)
        if not isinstance(options, dict):
            (shown,) = form.model_dump(mode="json").items()
            yield f"{indent}{key}: {shown[0]} {shown[1]}"
            continue
        yield f"{indent}{key}: one of"
        for option, inner in options.items():
            yield f"{indent}  {option}"
            yield from _space_lines(inner, f"{indent}    ")


def _cost_lines(plan: "Plan") -> Iterator[str]:
    if plan.cost is None:
        yield f"time        not estimated: {plan.no_cost or 'the budget is not a number of trials'}"
        return
    cost = plan.cost
    baseline = "is there already" if not cost.baseline_s.high else _time(cost.baseline_s)
    confirmation = f"; confirmation {_time(cost.confirm_s)}" if cost.confirm_s.high else ""
    hours, stages = cost.device_hours, (cost.baseline_s, cost.search_s, cost.confirm_s)
    total = f"{duration(sum(one.low for one in stages))} to {duration(sum(one.high for one in stages))}"
    yield f"time        baseline {baseline}; search {_time(cost.search_s)}{confirmation}; in all {total}"
    yield f"cost        {hours.low:.2g} to {hours.high:.2g} device-hours"
    yield f"            from {plan.based_on}; left out: {'; '.join(plan.leaves_out)}"


def _trial(trial: "SampledTrial") -> str:
    shown = (
        f"{key}={value:.3g}" if isinstance(value, float) else f"{key}={value}" for key, value in trial.settings.items()
    )
    settings = ", ".join(shown)
    if trial.refused is not None:
        return f"{settings}: would fail: {trial.refused}"
    return settings if trial.seconds is None else f"{settings}: {_time(trial.seconds)}"


def _devices(workers: int, cpus: int, gpus: int) -> str:
    each = f"{_counted(gpus, 'GPU')} and {_counted(cpus, 'processor')}" if gpus else _counted(cpus, "processor")
    return f"{_counted(workers, 'worker')} × {each}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _time(span: "TimeRange") -> str:
    return f"{duration(span.low)} to {duration(span.high)}"
