"""A trial is trained again from its lock, in a directory of its own and as far as it came, and compared."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from typing import NoReturn

import torch

from intelligen import layout
from intelligen.config.experiment import Trial
from intelligen.config.mixture import Bandit, Intelligen
from intelligen.data.manifest import MANIFEST
from intelligen.errors import CannotCreateError, UnavailableError
from intelligen.training.checkpoint import ADOPTED
from intelligen.training.circumstances import LOCK, Lock, changes, read_locks, take_lock
from intelligen.training.comparing import LOSS_TOLERANCE, Comparison, compare
from intelligen.training.divergence import DivergedError
from intelligen.training.fit import fit_turn
from intelligen.training.history import HISTORY_FILE, Report, read_history
from intelligen.training.local_group import in_group
from intelligen.training.result import read_result, read_trial
from intelligen.training.runtime import Runtime, threads_used
from intelligen.training.scored import current_score_files, read_scores, scored_split
from intelligen.training.testing import TrainedModel
from intelligen.training.turn import Turn


@dataclass(frozen=True)
class Recorded:
    """A trial that can be replayed here."""

    directory: Path
    store: Path
    trial: Trial
    lock: Lock
    epochs: int
    """How far it came."""
    ended: bool
    """Whether it ran its course: somebody stopped it otherwise."""
    changes: tuple[str, ...]
    """What is not as it was when the trial began, or did not stay so: then another outcome says nothing of it."""

    @classmethod
    def read(cls, directory: Path, *, store: Path) -> "Recorded":
        """Look whether all is there that a replay takes.

        Raises:
            DataError: It is no trial's directory.
            StorageError: Something is damaged.
            UnavailableError: Something is not there; the message says what, and the mend.

        """
        trial = read_trial(directory)
        if (directory / ADOPTED).exists():
            _refuse(directory, "it went on from another trial's weights, in a population", "replay one that did not")
        locks = read_locks(directory)
        if 0 not in locks:
            _refuse(directory, f"it has no {LOCK}", "replay one that this version has trained")
        reports = read_history(directory / HISTORY_FILE)
        if not reports:
            _refuse(directory, "none of its epochs has ended", "run its training first")
        lock = locks[0]
        _require_material(directory, trial, lock, store=store)
        return cls(
            directory=directory,
            store=store,
            trial=trial,
            lock=lock,
            epochs=reports[-1].epoch,
            ended=read_result(directory) is not None,
            changes=(*_changes_since(trial, lock, store=store), *_changes_within(locks)),
        )

    @property
    def inexact(self) -> str | None:
        """Why bits are not to be expected, and what is judged then; none where they are."""
        strategy = self.trial.strategy
        judged = f"losses are to agree within {LOSS_TOLERANCE:.0%}, and nothing else is judged"
        if self.lock.device != "cpu":
            return f"it trained on a GPU, whose sums have no fixed order: {judged}"
        if isinstance(strategy, Intelligen) and isinstance(strategy.policy, Bandit) and strategy.policy.per == "second":
            return f"its bandit follows the clock (policy.per: second): {judged}"
        return None


@dataclass(frozen=True)
class Replay:
    """What came of a replay."""

    recorded: Recorded
    directory: Path
    """Of its own files."""
    comparisons: tuple[Comparison, ...]
    diverged: str | None = None
    """Where it did, which the trial had not."""

    @property
    def identical(self) -> bool:
        """Whether all that is judged agrees."""
        return all(one.agrees is not False for one in self.comparisons)


def replay(
    recorded: Recorded,
    into: Path,
    *,
    report: Callable[[Report], None] = lambda report: None,
    updated: Callable[[int, int], None] = lambda update, total: None,
) -> Replay:
    """Train a trial again, decode again what it decoded, and compare.

    Args:
        recorded: The trial.
        into: An empty directory.
        report: Called after every epoch, where one process trains.
        updated: Called after every update with its number and the total, likewise.

    Raises:
        StorageError: It cannot be written, or the prepared data cannot be read.

    """
    lock, diverged = recorded.lock, None
    place = Runtime(recorded.store, into, device=_device(lock))
    try:
        if _processes(lock) == 1:
            _train(recorded, replace(place, report=report, updated=updated))
        else:
            in_group(partial(_train, recorded, place), processes=_processes(lock))
        _decode(recorded, place)
    except DivergedError as error:
        diverged = str(error)
    return Replay(recorded, into, tuple(compare(recorded.directory, into, exact=recorded.inexact is None)), diverged)


class _StoppedError(Exception):
    """It has come as far as the trial that was stopped there."""


def _train(recorded: Recorded, place: Runtime) -> None:
    def told(report: Report) -> None:
        place.report(report)
        if not recorded.ended and report.epoch == recorded.epochs:
            raise _StoppedError

    with threads_used(recorded.lock.threads), suppress(_StoppedError):
        fit_turn(recorded.trial, replace(place, report=told), Turn(recorded.trial, recorded.epochs))


def _decode(recorded: Recorded, place: Runtime) -> None:
    """The splits that the trial's weights have decoded, by the same searches."""
    files = current_score_files(recorded.directory)
    if not files:
        return
    with threads_used(recorded.lock.threads):
        trained = TrainedModel.load(place.directory, store=place.store, device=place.device)
        for path in files:
            trained.score(scored_split(path), search=read_scores(path).search)


def _require_material(directory: Path, trial: Trial, lock: Lock, *, store: Path) -> None:
    prepared, start = layout.prepared(store, trial.prepared), trial.start
    if not (prepared / MANIFEST).exists():
        _refuse(directory, f"its data are gone from {prepared}", "make them again: intelligen prepare EXPERIMENT")
    if start is not None and read_result(place := layout.baseline(store, start)) is None:
        gone = f"the baseline that it starts from is gone from {place}"
        _refuse(directory, gone, "train it again: intelligen train EXPERIMENT")
    if lock.device != "cpu" and not torch.cuda.is_available():
        _refuse(directory, f"it trained on {lock.device}, and this machine has no GPU", "replay it where there is one")


def _refuse(directory: Path, why: str, mend: str) -> NoReturn:
    raise UnavailableError(f"{directory}: cannot be replayed: {why}; {mend}")


def _changes_since(trial: Trial, lock: Lock, *, store: Path) -> Iterator[str]:
    """Between the trial's beginning and now; it is replayed with as many threads and, on processors, processes."""
    now = take_lock(trial, store=store, device=_device(lock), threads=lock.threads, processes=_processes(lock))
    yield from map(str, changes(lock, now))


def _changes_within(locks: Mapping[int, Lock]) -> Iterator[str]:
    """Between the attempts of a trial that was resumed."""
    for (_, before), (update, after) in pairwise(locks.items()):
        yield from (f"from update {update}: {change}" for change in changes(before, after))


def _device(lock: Lock) -> torch.device:
    return torch.device("cpu") if lock.device == "cpu" else torch.device("cuda", 0)


def _processes(lock: Lock) -> int:
    """Bits depend on their number, and only on processors are bits to be expected."""
    return lock.processes if lock.device == "cpu" else 1


def new_directory(store: Path, directory: Path) -> Path:
    """Of a replay: `replays/t0003-1` and so on.

    Raises:
        CannotCreateError: It cannot be created.

    """
    for number in count(1):
        place = layout.replay(store, directory.name, number)
        try:
            place.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise CannotCreateError(f"{place}: cannot create: {error.strerror}; name another --runs") from error
        return place
    raise AssertionError("numbers do not end")
