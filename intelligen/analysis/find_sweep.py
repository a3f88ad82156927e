"""Finds a sweep, or one of its trials, by name below the runs directory."""

from pathlib import Path

from intelligen.config.document import nearest
from intelligen.config.load import load_sweep
from intelligen.errors import ConfigError
from intelligen.state import layout
from intelligen.state.lost_ledger import require_no_lost_ledger
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import TrialRecord


def find_sweep(store: Path, named: str) -> Path:
    """The directory of a sweep.

    Args:
        store: The runs directory.
        named: The sweep's name, or its file.

    Raises:
        ConfigError: There is no such sweep, or the file is wrong.
        StorageError: Its ledger is gone.

    """
    known = layout.sweep_names(layout.sweeps(store))
    name = named
    if named not in known and Path(named).suffix in (".yaml", ".yml"):
        name = load_sweep(Path(named))[0].name
    if name in known:
        return layout.sweep(store, name)
    require_no_lost_ledger(layout.sweep(store, name))
    fix = nearest(name, known) if known else "there is none yet; start one: intelligen run FILE"
    raise ConfigError(f"no sweep {name!r} in {layout.sweeps(store)}; {fix}")


def find_trial(store: Path, named: str, trial: str | None = None) -> tuple[SweepFiles, TrialRecord]:
    """A trial, and the files of its sweep.

    Args:
        store: The runs directory.
        named: As `sweep_and_trial` takes it.
        trial: Likewise.

    Raises:
        ConfigError: There is no such sweep or trial, or no trial is named.

    """
    sweep, trial = sweep_and_trial(named, trial)
    files = SweepFiles(find_sweep(store, sweep))
    if trial is None:
        raise ConfigError(f"say which trial of {sweep}: {', '.join(f'{sweep}/{one}' for one in files.ledger()[1])}")
    return files, files.trial(trial)


def sweep_and_trial(named: str, trial: str | None = None) -> tuple[str, str | None]:
    """The two parts of `SWEEP/TRIAL`, or a sweep and the trial that is named beside it.

    Args:
        named: `quickstart/t0001`, or a sweep's name or file alone.
        trial: The trial's name, where it is given separately.

    Raises:
        ConfigError: A trial is named twice.

    """
    sweep, slash, inner = named.rpartition("/")
    if not slash or Path(named).suffix in (".yaml", ".yml"):
        return named, trial
    if trial is not None:
        raise ConfigError(f"{named} names a trial already; leave out {trial}")
    return sweep, inner
