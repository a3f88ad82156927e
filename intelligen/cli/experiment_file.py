"""EXPERIMENT argument: an experiment file with its overrides, and where its trainings lie."""

import os
import shlex
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from intelligen.addresses import DEFAULT_RUNS, RUNS_VARIABLE
from intelligen.config.files.suggested_fixes import fixes_in_initial, fixes_of_strategy
from intelligen.config.initial_place import placing_initial
from intelligen.config.kind_of_file import settings_in
from intelligen.config.load import load_experiment
from intelligen.config.named_experiments import initial_experiment
from intelligen.config.schema.experiment import Experiment, Trial, baseline_trial, finetuning_trial
from intelligen.config.schema.strategies import ALIASES, STRATEGIES
from intelligen.errors import ConfigError, UnavailableError
from intelligen.reporting.terminal.progress_bars import counting
from intelligen.state import layout
from intelligen.state.trial_result import read_result

if TYPE_CHECKING:
    import torch

    from intelligen.data.prepared_data import Prepared

STRATEGY_HELP = (
    "standard, auxiliary, recurrent, generative_position, seqgan, intelligen (std, aux, rec, gen, slow, intelli),"
    " r_drop, generative_risk, generative_self_critical, generative_offpolicy,"
    " or a control: standard_matched, seqgan_constant, seqgan_random; or a strategy of an installed package"
)
_OF_FINETUNING = ("strategy", "finetuning")


@dataclass(frozen=True)
class ExperimentFile:
    """An experiment as a command names it."""

    path: Path
    overrides: tuple[str, ...]
    runs: Path
    strategy: str | None = None
    """Another strategy than its own."""

    def settings(self) -> Experiment:
        """The experiment; another strategy comes before the overrides, which may be of its settings.

        Raises:
            ConfigError: The file, an override or the strategy is wrong.

        """
        if settings_in(self.path) is not Experiment:
            raise ConfigError(f"{self.path}: a sweep file; give the experiment file that it names under `experiment`")
        if self.strategy is None:
            return load_experiment(self.path, self.overrides)
        twice = [text for text in self.overrides if text.partition("=")[0] in ("strategy", "strategy.name")]
        if twice:
            raise ConfigError(
                f"-o {twice[0]}: --strategy {self.strategy} names a strategy already; give one of the two"
            )
        with fixes_of_strategy():
            return load_experiment(self.path, (f"strategy.name={_full_name(self.strategy)}", *self.overrides))

    def placing_weights(self) -> AbstractContextManager[None]:
        """Meanwhile errors of the weights that it starts from say at which of its lines they are named."""
        return placing_initial(self.path, self.overrides)

    def require_no_finetuning(self, why: str) -> None:
        """Refuse overrides that a baseline has no use for.

        Args:
            why: What the message says after the override.

        Raises:
            ConfigError: There is one.

        """
        for text in self.overrides:
            if _is_of_finetuning(text):
                raise ConfigError(f"-o {text}: {why}")

    def command(self, verb: str) -> str:
        """A command line that runs another verb on it, as a shell takes it."""
        strategy = () if self.strategy is None or verb == "train" else ("--strategy", self.strategy)
        used = [text for text in self.overrides if verb != "train" or not _is_of_finetuning(text)]
        usual = Path(os.environ.get(RUNS_VARIABLE, DEFAULT_RUNS))
        runs = () if self.runs == usual else ("--runs", str(self.runs))
        overrides = [word for text in used for word in ("-o", text)]
        return shlex.join(["intelligen", verb, str(self.path), *strategy, *overrides, *runs])


@dataclass(frozen=True)
class Training:
    """A trial, and its directory."""

    trial: Trial
    directory: Path

    def require_result(self, command: str) -> None:
        """Refuse to go on without it.

        Raises:
            UnavailableError: It was not trained to its end; the command does that.

        """
        if read_result(self.directory) is None:
            raise UnavailableError(f"{self.directory}: its training has not finished; run: {command}")


def baseline_training(file: ExperimentFile, settings: Experiment, prepared: "Prepared") -> Training:
    """Of the experiment's baseline.

    Args:
        file: Whose `train` makes what is missing.
        settings: What it holds.
        prepared: The experiment's data.

    Raises:
        UnavailableError: The training that it starts from has not finished.

    """
    from intelligen.training.initial_weights import initial_weights

    first = first_training(file, settings, prepared)
    if first is not None:
        first.require_result(file.command("train"))
    run = None if first is None else first.directory
    with file.placing_weights():
        initial = initial_weights(settings, prepared=prepared, store=file.runs, run=run)
    trial = baseline_trial(settings, prepared=prepared.identity, initial=initial)
    return Training(trial, layout.baseline(file.runs, trial.identity))


def first_training(file: ExperimentFile, settings: Experiment, prepared: "Prepared") -> Training | None:
    """Of the experiment whose weights this one starts from; none where it names none.

    Args:
        file: This one's.
        settings: What it holds.
        prepared: Its data.

    Raises:
        ConfigError: This one's model has no such part, or nothing of it would be trained.
        DataError: The weights have another shape or vocabulary than this one's model, or will have.

    """
    from intelligen.training.initial_weights import require_fitting

    named = initial_experiment(settings)
    if named is None:
        return None
    with fixes_in_initial(settings):
        its_data = data_to_train_on(named, file.runs)
    trial = baseline_trial(named, prepared=its_data.identity)
    with file.placing_weights():
        require_fitting(settings, prepared=prepared, pretraining=trial, its_data=its_data)
    return Training(trial, layout.baseline(file.runs, trial.identity))


def finetuning(settings: Experiment, baseline: Training, *, runs: Path) -> Training:
    """Of its strategy's fine-tuning, which starts from that baseline."""
    start = baseline.trial
    trial = finetuning_trial(settings, prepared=start.prepared, start=start.identity, initial=start.initial)
    return Training(trial, layout.finetuned(runs, trial.strategy.name, trial.identity))


def prepared_data(settings: Experiment, runs: Path) -> "Prepared":
    """The experiment's data, found or made, with progress on a terminal."""
    from intelligen.data.preparation import prepare

    with counting() as on_progress:
        return prepare(settings.data, runs, columns=settings.task.columns, on_progress=on_progress)


def data_to_train_on(settings: Experiment, runs: Path) -> "Prepared":
    """The experiment's data, whose results its task can score.

    Raises:
        ConfigError: The task lacks a setting without which these data cannot be scored.
        UnavailableError: What a metric needs is not on this machine.

    """
    from intelligen.tasks import build_task

    prepared = prepared_data(settings, runs)
    build_task(settings.task).require_scorable(prepared)
    return prepared


def named_device(name: str) -> "torch.device":
    """What `--device` says.

    Raises:
        ConfigError: There is no device of such a name.
        UnavailableError: This machine lacks it.

    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device: torch.device | None = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ConfigError(f"--device: unknown device {name!r}; use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UnavailableError(f"--device: no {name} here, this machine has {torch.cuda.device_count()} GPUs; use cpu")
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def _full_name(strategy: str) -> str:
    full, names = ALIASES.get(strategy, strategy), STRATEGIES.names()
    if full not in names:
        known = ", ".join([*names, *ALIASES])
        raise ConfigError(f"--strategy: unknown strategy {strategy!r}; there are {known}")
    return full


def _is_of_finetuning(override: str) -> bool:
    return override.partition("=")[0].partition(".")[0] in _OF_FINETUNING
