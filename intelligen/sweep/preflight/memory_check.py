"""Memory check of a plan: whether what a trial holds at once fits here, seen by one update of its longest rows."""

import shlex
from collections.abc import Sequence

from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.resources import Resources
from intelligen.config.schema.sweep import Sweep
from intelligen.config.schema.training import Training
from intelligen.errors import MemoryShortageError
from intelligen.state.process_memory import shared_available_bytes
from intelligen.training.memory_measurement import own_peak
from intelligen.training.timing import Bench

_GIB = 2**30


class MemoryCheck:
    """Makes such an update of each kind of trial once, and keeps what is to be said of it.

    Args:
        sweep: Its settings.
        experiment: The name of its experiment; pre-trainings are of others.
        shares_host: Whether all its trials run on this machine, and so take from one memory.
        overrides: Of the experiment, as a command line has them beside its file.

    """

    def __init__(self, sweep: Sweep, *, experiment: str, shares_host: bool, overrides: Sequence[str] = ()) -> None:
        self._sweep, self._experiment, self._shares_host = sweep, experiment, shares_host
        self._overrides = overrides
        self._free_bytes = shared_available_bytes()
        self._shortages: dict[str, str | None] = {}
        self._warnings: dict[str, str] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line each: what, why, the fix."""
        return tuple(self._warnings.values())

    @property
    def short(self) -> bool:
        """Whether there is a trial of which an update does not fit."""
        return any(self._shortages.values())

    def require_fitting(self, trial: Trial, bench: Bench, resources: Resources) -> None:
        """Note what is to be said of a trial.

        Raises:
            MemoryShortageError: An update does not fit, so that there is nothing to time.

        """
        start = None if trial.start is None else ""
        alike = trial.model_copy(update={"training": _sizes(trial.training), "seed": 0, "start": start})
        kind = f"{alike.model_dump_json()}, {resources.workers}"
        if kind not in self._shortages:
            self._shortages[kind] = self._shortage(trial, bench, resources)
        if (shortage := self._shortages[kind]) is not None:
            raise MemoryShortageError(shortage)

    def _shortage(self, trial: Trial, bench: Bench, resources: Resources) -> str | None:
        """Why an update does not fit; none where it does."""
        at_once, what = resources.at_once * resources.workers, self._what(trial)
        try:
            peak = own_peak(trial, bench, workers=resources.workers)
        except MemoryShortageError as error:
            shows = f"; {self._command(trial)} shows how many do" if trial.experiment == self._experiment else ""
            self._warnings[what] = f"{what} holds more rows at once than fit here: {error}{shows}"
            return str(error)
        beside = bench.device.type == "cpu" and self._shares_host and at_once > 1
        if beside and at_once * peak > self._free_bytes:
            lowered = "concurrent_trials" if resources.at_once > 1 else "workers"
            self._warnings[what] = (
                f"{what} takes {peak / _GIB:.1f} GiB for its longest rows, and {at_once} processes at once do not fit"
                f" into the {self._free_bytes / _GIB:.1f} GiB that are free here; lower resources.{lowered}"
            )
        return None

    def _what(self, trial: Trial) -> str:
        if trial.start is not None:
            return f"a fine-tuning with {trial.strategy.name}"
        return f"a training with {trial.strategy.name}" if self._sweep.trains else f"the baseline of {trial.experiment}"

    def _command(self, trial: Trial) -> str:
        options = [] if trial.start is None else ["--strategy", trial.strategy.name]
        overrides = [word for text in self._overrides for word in ("-o", text)]
        return shlex.join(["intelligen", "memory", self._sweep.experiment, *options, *overrides])


def _sizes(training: Training) -> Training:
    """Of a trial's training what its memory depends on, in settings that else are the usual ones."""
    given = training.model_dump(include={"batch_tokens", "batch_rows", "micro_batch_tokens", "precision"})
    return Training.model_validate(given)
