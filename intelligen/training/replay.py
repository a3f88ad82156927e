"""Replay of a trial: trained again from its reproducibility manifest, elsewhere, and compared."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from typing import NoReturn

import torch

from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.config.schema.pretrained_source import open_as_resolved
from intelligen.config.schema.strategy_mixture import Bandit, Intelligen
from intelligen.data.data_manifest import MANIFEST
from intelligen.errors import CannotCreateError, UnavailableError
from intelligen.models.matmul import offers
from intelligen.state import layout
from intelligen.state.history import HISTORY_FILE, Report, read_history
from intelligen.state.memory_bounds import MEMORY_FILE, MemoryBounds
from intelligen.state.pretrained_place import placed
from intelligen.state.trial_result import read_result, read_trial
from intelligen.training.checkpoint import ADOPTED
from intelligen.training.divergence import DivergedError
from intelligen.training.fit import fit_interval
from intelligen.training.local_processes import in_group
from intelligen.training.replay_diff import LOSS_TOLERANCE, ReplayDiff, diff_trainings
from intelligen.training.reproducibility_manifest import (
    MANIFEST_FILE,
    ReproducibilityManifest,
    changes,
    read_manifests,
    take_manifest,
)
from intelligen.training.runtime import Runtime, threads_used
from intelligen.training.scores_file import current_score_files, read_scores, scored_split
from intelligen.training.train_interval import TrainInterval
from intelligen.training.trained_model import TrainedModel
from intelligen.training.weights_store import stored_weights

SMALLER_PARTS = "memory: it does not suffice here for the parts in which the trial was trained; they were made smaller"


@dataclass(frozen=True)
class Recorded:
    """A trial that can be replayed here."""

    directory: Path
    store: Path
    trial: Trial
    manifest: ReproducibilityManifest
    epochs: int
    """How far it came."""
    ended: bool
    """Whether it finished; else it was stopped."""
    changes: tuple[str, ...]
    """What is not as it was when the trial began, or did not stay so: then another outcome says nothing of it. A
    replay may find more."""

    @classmethod
    def read(cls, directory: Path, *, store: Path) -> "Recorded":
        """Read a trial, and make sure that a replay has all that it needs.

        Raises:
            ChangedError: Its pre-trained model has changed.
            DataError: It is no trial's directory, or its pre-trained model is gone.
            StorageError: Something is damaged.
            UnavailableError: Something is not there; the message says what, and the fix.

        """
        trial = read_trial(directory)
        if (directory / ADOPTED).exists():
            _refuse(directory, "it went on from another trial's weights, in a population", "replay one that did not")
        manifests = read_manifests(directory)
        if 0 not in manifests:
            _refuse(directory, f"it has no {MANIFEST_FILE}", "replay one that this version has trained")
        reports = read_history(directory / HISTORY_FILE)
        if not reports:
            _refuse(directory, "none of its epochs has ended", "run its training first")
        manifest = manifests[0]
        _require_material(directory, trial, manifest, store=store)
        return cls(
            directory=directory,
            store=store,
            trial=trial,
            manifest=manifest,
            epochs=reports[-1].epoch,
            ended=read_result(directory) is not None,
            changes=(
                *_changes_since(trial, manifest, store=store),
                *_changes_within(manifests),
                *_other_parts(manifests, MemoryBounds.read(directory)),
            ),
        )

    @property
    def inexact(self) -> str | None:
        """Why equal bits are not expected, and what is compared instead; None where they are."""
        strategy = self.trial.strategy
        compared = f"losses are to agree within {LOSS_TOLERANCE:.0%}, and nothing else is judged"
        if self.manifest.device != "cpu":
            return f"it trained on a GPU, whose sums have no fixed order: {compared}"
        if isinstance(strategy, Intelligen) and isinstance(strategy.policy, Bandit) and strategy.policy.per == "second":
            return f"its bandit follows the clock (policy.per: second): {compared}"
        return None


@dataclass(frozen=True)
class Replay:
    """Result of a replay: its directory, and what agrees and differs."""

    recorded: Recorded
    directory: Path
    """Of its own files."""
    comparisons: tuple[ReplayDiff, ...]
    diverged: str | None = None
    """Where it did, which the trial had not."""

    @property
    def identical(self) -> bool:
        """Whether all that is compared agrees."""
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
    manifest, diverged = recorded.manifest, None
    runtime = Runtime(recorded.store, into, device=_device(manifest), matmul=manifest.matmul)
    bounds = MemoryBounds.read(recorded.directory)
    if bounds.entries:
        bounds.write(into)  # so that the same updates are made in the same parts
    try:
        if _processes(manifest) == 1:
            _train(recorded, replace(runtime, report=report, updated=updated))
        else:
            in_group(partial(_train, recorded, runtime), processes=_processes(manifest))
        _decode(recorded, runtime)
    except DivergedError as error:
        diverged = str(error)
    if MemoryBounds.read(into) != bounds:
        recorded = replace(recorded, changes=(*recorded.changes, SMALLER_PARTS))
    return Replay(
        recorded, into, tuple(diff_trainings(recorded.directory, into, exact=recorded.inexact is None)), diverged
    )


class _StoppedError(Exception):
    """It has come as far as the trial that was stopped there."""


def _train(recorded: Recorded, runtime: Runtime) -> None:
    def checked(report: Report) -> None:
        runtime.report(report)
        if not recorded.ended and report.epoch == recorded.epochs:
            raise _StoppedError

    with threads_used(recorded.manifest.threads), suppress(_StoppedError):
        fit_interval(recorded.trial, replace(runtime, report=checked), TrainInterval(recorded.trial, recorded.epochs))


def _decode(recorded: Recorded, runtime: Runtime) -> None:
    """The splits that the trial's weights have decoded, by the same searches."""
    files = current_score_files(recorded.directory)
    if not files:
        return
    with threads_used(recorded.manifest.threads):
        trained = TrainedModel.load(runtime.directory, store=runtime.store, device=runtime.device)
        for path in files:
            trained.score(scored_split(path), search=read_scores(path).search)


def _require_material(directory: Path, trial: Trial, manifest: ReproducibilityManifest, *, store: Path) -> None:
    prepared, start = layout.prepared(store, trial.prepared), trial.start
    if not (prepared / MANIFEST).exists():
        _refuse(directory, f"its data are gone from {prepared}", "make them again: intelligen prepare EXPERIMENT")
    if start is not None and read_result(baseline := layout.baseline(store, start)) is None:
        gone = f"the baseline that it starts from is gone from {baseline}"
        _refuse(directory, gone, "train it again: intelligen train EXPERIMENT")
    if trial.initial is not None:
        stored_weights(store, trial.initial)
    if isinstance(model := placed(trial.model, store), Pretrained):
        open_as_resolved(model.found)
    if manifest.device != "cpu" and not torch.cuda.is_available():
        _refuse(
            directory, f"it trained on {manifest.device}, and this machine has no GPU", "replay it where there is one"
        )


def _refuse(directory: Path, why: str, fix: str) -> NoReturn:
    raise UnavailableError(f"{directory}: cannot be replayed: {why}; {fix}")


def _changes_since(trial: Trial, manifest: ReproducibilityManifest, *, store: Path) -> Iterator[str]:
    """Between the trial's beginning and now; it is replayed with as many threads and, on processors, processes."""
    now = take_manifest(
        trial,
        store=store,
        device=_device(manifest),
        threads=manifest.threads,
        processes=_processes(manifest),
        matmul=manifest.matmul if offers(manifest.matmul) else "mkl",
        micro_batch_tokens=manifest.micro_batch_tokens,
    )
    yield from map(str, changes(manifest, now))


def _changes_within(manifests: Mapping[int, ReproducibilityManifest]) -> Iterator[str]:
    """Between the attempts of a trial that was resumed; a replay takes its memory's bounds from memory.json."""
    for (_, before), (update, after) in pairwise(manifests.items()):
        found = (change for change in changes(before, after) if change.key != "micro_batch_tokens")
        yield from (f"from update {update}: {change}" for change in found)


def _other_parts(manifests: Mapping[int, ReproducibilityManifest], bounds: MemoryBounds) -> Iterator[str]:
    """Of updates whose parts the manifests know, and memory.json no longer does."""
    for update, manifest in manifests.items():
        known, now = manifest.micro_batch_tokens, bounds.micro_batch_tokens(update + 1)
        if known is not None and known != now:
            yield f"from update {update}: {MEMORY_FILE}: micro_batch_tokens: {known} → {now or 'none'}"


def _device(manifest: ReproducibilityManifest) -> torch.device:
    return torch.device("cpu") if manifest.device == "cpu" else torch.device("cuda", 0)


def _processes(manifest: ReproducibilityManifest) -> int:
    """Bits depend on their number, and only on processors are bits to be expected."""
    return manifest.processes if manifest.device == "cpu" else 1


def new_directory(store: Path, directory: Path) -> Path:
    """A new directory for a replay: `replays/t0003-1` and so on.

    Raises:
        CannotCreateError: It cannot be created.

    """
    for number in count(1):
        made = layout.replay(store, directory.name, number)
        try:
            made.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise CannotCreateError(f"{made}: cannot create: {error.strerror}; name another --runs") from error
        return made
    raise AssertionError("numbers do not end")
