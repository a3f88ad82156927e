"""MODEL argument: a trained model as SWEEP/TRIAL, as a directory, or as an experiment file."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from intelligen.analysis.find_sweep import find_trial
from intelligen.cli import shell_completion
from intelligen.cli.experiment_file import (
    ExperimentFile,
    baseline_training,
    finetuning,
    named_device,
    prepared_data,
)
from intelligen.cli.options import Command, device_option, override_option, runs_option
from intelligen.config.schema.decoding import Decoding, DecodingSearch
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.stages_after_search import SearchName, search_named
from intelligen.errors import ConfigError
from intelligen.state import layout
from intelligen.state.trial_result import read_trial

if TYPE_CHECKING:
    from intelligen.training.trained_model import TrainedModel

_SETTINGS = (".yaml", ".yml")


def model_options(command: Command) -> Command:
    """MODEL, and what says which one an experiment file means."""
    command = override_option(runs_option(device_option(command)))
    strategy = "With an experiment file: the model fine-tuned with this strategy; the baseline by default."
    command = click.option("--strategy", shell_complete=shell_completion.strategies, help=strategy)(command)
    return click.argument("model", metavar="MODEL", shell_complete=shell_completion.models)(command)


def load_model(
    model: str, *, strategy: str | None, overrides: tuple[str, ...], runs: Path, device: str
) -> "TrainedModel":
    """The model that the command line names.

    Raises:
        ConfigError: There is no such model, or an option would not be used.
        DataError: The directory is no trial's.
        UnavailableError: The experiment's model has not been trained yet.

    """
    from intelligen.training.trained_model import TrainedModel

    if Path(model).is_file() or Path(model).suffix in _SETTINGS:
        directory = _trained_by(ExperimentFile(Path(model), overrides, runs, strategy))
    else:
        unused = [] if strategy is None else [f"--strategy {strategy}"]
        unused += [f"-o {text}" for text in overrides]
        if unused:
            raise ConfigError(
                f"{unused[0]}: {model} has been trained with settings of its own; --strategy and -o are for an"
                " experiment file"
            )
        directory = _trial_directory(model, runs)
    store = layout.store_with(read_trial(directory).prepared, above=directory, default=runs)
    return TrainedModel.load(directory, store=store, device=named_device(device))


def chosen_search(name: SearchName | None, beam_size: int | None, decoding: Decoding) -> DecodingSearch:
    """What `--search` and `--beam-size` say, with the trial's own settings of that search.

    Raises:
        ConfigError: They contradict each other.

    """
    if beam_size is None:
        return decoding.test if name is None else search_named(name, decoding)
    if name not in (None, "beam"):
        raise ConfigError(f"--beam-size: {name} search has no beam; use --search beam")
    return search_named("beam", decoding).model_copy(update={"size": beam_size})


def search_of_test(name: SearchName | None, beam_size: int | None, trial: Trial) -> DecodingSearch:
    """The same for the scores of a test set.

    Raises:
        ConfigError: They contradict each other, or the model writes no text.

    """
    if not trial.task.writes_text and (name is not None or beam_size is not None):
        option = "--search" if name is not None else "--beam-size"
        raise ConfigError(f"{option}: {trial.task.name} writes no text, so nothing is searched for; leave it out")
    return chosen_search(name, beam_size, trial.decoding)


def _trained_by(file: ExperimentFile) -> Path:
    settings = file.settings()
    if file.strategy is None:
        file.require_no_finetuning(
            "without --strategy this is the baseline, which has no such setting; name the strategy with --strategy NAME"
        )
    with file.placing_weights():
        prepared = prepared_data(settings, file.runs)
    baseline = baseline_training(file, settings, prepared)
    if file.strategy is None:
        baseline.require_result(file.command("train"))
        return baseline.directory
    training = finetuning(settings, baseline, runs=file.runs)
    training.require_result(file.command("finetune"))
    return training.directory


def _trial_directory(model: str, runs: Path) -> Path:
    if Path(model).is_dir():
        return Path(model)
    try:
        files, record = find_trial(runs.absolute(), model)
    except ConfigError as error:
        raise ConfigError(f"{error} (MODEL is SWEEP/TRIAL, a trial's directory or an experiment file)") from None
    return record.within(files.directory).resolve()
