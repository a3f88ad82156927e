"""Directory of the trial that a replay trains again, by the names of sweep and trial."""

from pathlib import Path

from intelligen.analysis.find_sweep import find_trial
from intelligen.analysis.status import runner
from intelligen.errors import BusyError
from intelligen.state.trial_records import TrialState
from intelligen.state.trial_result import TRIAL


def trial_directory(store: Path, sweep: str, trial: str | None) -> Path:
    """The directory of a sweep's trial; without its name, `sweep` is that directory itself.

    Raises:
        BusyError: The trial is under way.
        ConfigError: There is no such sweep or trial.

    """
    if trial is None and (Path(sweep) / TRIAL).exists():
        return Path(sweep).resolve()
    files, record = find_trial(store, sweep, trial)
    owner = runner(files) if record.state is TrialState.RUNNING else None
    if owner is not None:
        raise BusyError(f"{files.directory}: {record.id} is being trained by {owner}; wait until it has ended")
    return record.within(files.directory).resolve()
