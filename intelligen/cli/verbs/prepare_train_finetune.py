"""prepare, train, finetune: one model of an experiment is trained, without Ray."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from intelligen.cli.experiment_file import (
    STRATEGY_HELP,
    ExperimentFile,
    Training,
    baseline_training,
    data_to_train_on,
    finetuning,
    first_training,
    named_device,
    prepared_data,
)
from intelligen.cli.json_output import print_document
from intelligen.cli.options import device_option, experiment_argument, json_option, override_option, runs_option
from intelligen.cli.shell_completion import strategies
from intelligen.config.files.suggested_fixes import fixes_in_initial
from intelligen.config.named_experiments import initial_experiment
from intelligen.config.schema.compute import Compute
from intelligen.reporting.terminal.progress_bars import TrainingProgress
from intelligen.state.file_lock import trial_lock
from intelligen.state.trial_result import Result, read_result

SHOWN = ("loss", "exposure_gap", "prefix_switch_gap")
"""Beside the metrics of the task."""
RESUMES = "run the same command again; training resumes from its last checkpoint"


@click.command()
@experiment_argument
@override_option
@runs_option
@json_option
def prepare(experiment: Path, overrides: tuple[str, ...], runs: Path, as_json: bool) -> None:
    """Read, filter and tokenise an experiment's data, and summarise them.

    Those of the experiment that it starts from, where its `initial` names one, come first.
    """
    from intelligen.data.data_summary import describe
    from intelligen.tasks import build_task

    file = ExperimentFile(experiment, overrides, runs)
    settings = file.settings()
    first = initial_experiment(settings)
    documents: list[dict[str, Any]] = []
    for one in (settings,) if first is None else (first, settings):
        if first is not None and not as_json:
            click.echo(f"data of {one.name}")
        with fixes_in_initial(settings) if one is first else file.placing_weights():
            prepared = prepared_data(one, runs)
        task = build_task(one.task)
        lines = [*describe(prepared), *task.preparation_lines(prepared)]
        for line in () if as_json else lines:
            click.echo(line)
        task.require_scorable(prepared)
        documents.append(
            {"experiment": one.name, "prepared": prepared.identity, "splits": list(prepared.splits), "lines": lines}
        )
    if as_json:
        print_document({"format": 1, "data": documents})


@click.command()
@experiment_argument
@override_option
@runs_option
@device_option
@json_option
def train(experiment: Path, overrides: tuple[str, ...], runs: Path, device: str, as_json: bool) -> None:
    """Train an experiment's baseline by teacher forcing, from random weights or those that `initial` names.

    Where `initial` names another experiment, that one's baseline is trained first, unless it has been already.
    """
    file = ExperimentFile(experiment, overrides, runs)
    settings = file.settings()
    file.require_no_finetuning("train makes the baseline, which has no such setting; give it to finetune")
    with file.placing_weights():
        prepared = data_to_train_on(settings, runs)
    first = first_training(file, settings, prepared)
    if first is not None:
        ended = read_result(first.directory) is not None
        how = f"has been trained: {first.directory}" if ended else "is trained first"
        click.echo(f"{first.trial.experiment}, from which {settings.name} starts, {how}", err=as_json)
        if not ended:
            _show_first(_fit(first, settings.compute, runs, device, stderr=as_json), stderr=as_json)
    _tell(_fit(baseline_training(file, settings, prepared), settings.compute, runs, device, stderr=as_json), as_json)


@click.command()
@experiment_argument
@click.option("--strategy", shell_complete=strategies, help=f"{STRATEGY_HELP}; the experiment's own where not given.")
@override_option
@runs_option
@device_option
@json_option
def finetune(
    experiment: Path, strategy: str | None, overrides: tuple[str, ...], runs: Path, device: str, as_json: bool
) -> None:
    """Fine-tune the baseline with a training strategy."""
    from intelligen.training.reproducibility_manifest import require_same_data

    file = ExperimentFile(experiment, overrides, runs, strategy)
    settings = file.settings()
    with file.placing_weights():
        prepared = data_to_train_on(settings, runs)
    baseline = baseline_training(file, settings, prepared)
    baseline.require_result(file.command("train"))
    require_same_data(baseline.directory, prepared)
    _tell(_fit(finetuning(settings, baseline, runs=runs), settings.compute, runs, device, stderr=as_json), as_json)


@dataclass(frozen=True)
class _Fitted:
    """What came of a training."""

    directory: Path
    result: Result
    shown: Sequence[str]
    """Of its metrics."""


def _tell(fitted: _Fitted, as_json: bool) -> None:
    """Print it, as JSON if asked for; the keys are documented in docs/commands.md."""
    result = fitted.result
    if as_json:
        ended = {"selected": result.selected, "stop_reason": result.stop_reason, "metrics": dict(result.metrics)}
        print_document({"format": 1, "directory": str(fitted.directory), **ended})
        return
    for line in _lines(fitted):
        click.echo(line)


def _show_first(fitted: _Fitted, *, stderr: bool) -> None:
    for line in _lines(fitted):
        click.echo(line, err=stderr)


def _lines(fitted: _Fitted) -> Iterator[str]:
    metrics = fitted.result.metrics
    yield f"{fitted.directory}: {fitted.result.selected}; {fitted.result.stop_reason}"
    yield "  ".join(f"{name} {metrics[name]:.4g}" for name in fitted.shown if name in metrics)


def _fit(training: Training, compute: Compute, runs: Path, device: str, *, stderr: bool) -> _Fitted:
    from intelligen.tasks import build_task
    from intelligen.training.fit import fit
    from intelligen.training.matmul_choice import chosen_matmul
    from intelligen.training.runtime import Runtime

    trial, where = training.trial, named_device(device)
    metrics = build_task(trial.task).metrics
    with trial_lock(training.directory), TrainingProgress(metrics, stderr=stderr) as progress:
        runtime = Runtime(
            store=runs,
            directory=training.directory,
            device=where,
            matmul=chosen_matmul(compute, trial.model, trial.training, device=where),
            report=progress.report,
            noted=progress.noted,
            updated=progress.updated,
        )
        try:
            result = fit(trial, runtime)
        except KeyboardInterrupt as interrupt:
            raise click.exceptions.Abort(RESUMES) from interrupt
    names = [f"valid/{name}" for name in (*(metric.name for metric in metrics), *SHOWN)]
    return _Fitted(training.directory, result, names)
