"""Finds a sweep, or one of its trials, by name below the runs directory."""

from collections.abc import Mapping
from pathlib import Path

from intelligen.config.document import nearest
from intelligen.config.load import load_sweep
from intelligen.errors import ConfigError, IntelligenError
from intelligen.state import layout
from intelligen.state.lost_ledger import require_no_lost_ledger
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import TrialRecord
from intelligen.state.trial_result import TRIAL


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
    fix = nearest(name, known) if known else "name its runs directory: --runs DIR; or start one: intelligen run FILE"
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
    sweep, trial = named_in(store, named, trial)
    files = SweepFiles(find_sweep(store, sweep))
    if trial is None:
        raise ConfigError(f"say which trial of {sweep}: {', '.join(f'{sweep}/{one}' for one in files.ledger()[1])}")
    return files, files.trial(trial)


def named_in(store: Path, named: str, trial: str | None = None) -> tuple[str, str | None]:
    """A sweep, and a trial of it where one is named, in any of the ways in which commands take them.

    Args:
        store: The runs directory.
        named: `quickstart`, `quickstart/t0001`, the directory of a trial, or `t0001`, where one sweep alone has it.
        trial: The trial beside a sweep, in the same ways.

    Raises:
        ConfigError: A trial is named twice, the two name different sweeps, or several sweeps have such a trial.

    """
    if trial is not None:
        inside = _in_directory(store, trial)
        if inside is None and "/" in trial:
            whose, _, inner = trial.rpartition("/")
            inside = whose, inner
        if inside is not None:
            whose, trial = inside
            if find_sweep(store, named).name != whose:
                raise ConfigError(f"{whose}/{trial} is no trial of {named}; name one of the two")
        return sweep_and_trial(named, trial)
    if (inside := _in_directory(store, named)) is not None:
        return inside
    known = layout.sweep_names(layout.sweeps(store))
    if named not in known and "/" not in named and Path(named).suffix not in (".yaml", ".yml"):
        having = [name for name in known if _has_trial(layout.sweep(store, name), named)]
        if len(having) > 1:
            raise ConfigError(f"{named} is a trial of {', '.join(having)}; write {having[0]}/{named}")
        if having:
            return having[0], named
    return sweep_and_trial(named)


def store_naming(store: Path, named: str) -> Path:
    """The runs directory that a trial's directory lies in; the given one where anything else is named."""
    directory = Path(named)
    if not (directory / TRIAL).exists() or _in_directory(store, named) is not None:
        return store
    return next(layout.stores_above(directory.resolve()), store)


def _in_directory(store: Path, named: str) -> tuple[str, str] | None:
    """Sweep and trial of a trial's directory below this runs directory; None of anything else."""
    directory = Path(named)
    if not (directory / TRIAL).exists():
        return None
    for name in layout.sweep_names(layout.sweeps(store)):
        sweep = layout.sweep(store, name)
        for record in _trials(sweep).values():
            if record.within(sweep).resolve() == directory.resolve():
                return name, record.id
    return None


def _has_trial(sweep: Path, named: str) -> bool:
    return named in _trials(sweep)


def _trials(sweep: Path) -> Mapping[str, TrialRecord]:
    """What a ledger holds; nothing where it cannot be read, which hides no other sweep."""
    try:
        return SweepFiles(sweep).ledger()[1]
    except IntelligenError:
        return {}


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
