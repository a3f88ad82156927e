"""Replay diff: compares two trainings of one trial, epoch by epoch, weights and hypotheses."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from intelligen.state.atomic_files import sha256
from intelligen.state.history import HISTORY_FILE, Report, read_history
from intelligen.state.trial_result import SELECTED, Result, read_result, read_trial
from intelligen.training.scores_file import current_score_files, read_scores, score_file, scored_split
from intelligen.training.selected_weights import selected_weights

LOSS_TOLERANCE = 0.05
"""Relative; where bits are not to be expected."""
MEASURED = ("time/", "throughput/", "cost/", "cpu/", "gpu/")
"""By the clock and the machine: no two trainings have the same."""

# Those of discriminators and rewards may come near 0, where a share of them says nothing.
_LOSSES = ("train/loss", "valid/loss")

Value = float | str | None


@dataclass(frozen=True)
class ReplayDiff:
    """One thing that was recorded, and what the replay made of it."""

    key: str
    """`train/loss`, `valid/bleu`, `selected`, `weights`, `hypotheses/test-beam`, …"""
    recorded: Value
    """After the last epoch, or after the first one that differs."""
    replayed: Value
    agrees: bool | None
    """None where it is only shown, and not compared."""
    epoch: int | None = None
    """The first that differs."""


def diff_trainings(recorded: Path, replayed: Path, *, exact: bool) -> Iterator[ReplayDiff]:
    """Compare two directories of one trial; the second has the same `scores/` decoded.

    Args:
        recorded: The trial's.
        replayed: Its replay's.
        exact: Whether each bit is to be the same. Otherwise the training and validation losses alone are compared, by
            `LOSS_TOLERANCE`.

    """
    first, second = (_by_key(read_history(directory / HISTORY_FILE)) for directory in (recorded, replayed))
    for key in sorted(first.keys() | second.keys()):
        yield _over_epochs(key, first.get(key, {}), second.get(key, {}), exact=exact)
    results = read_result(recorded), read_result(replayed)
    for key in ("selected", "stop_reason") if results[0] else ():
        yield _same(key, *(_word(result, key) for result in results), exact=exact)
    finished = results[0] is not None
    yield _same("weights", *(_weights(directory, finished=finished) for directory in (recorded, replayed)), exact=exact)
    for path in current_score_files(recorded):
        # The first revisions left the search's settings out of the file's name.
        search, trial = read_scores(path).search, read_trial(recorded)
        searched = search if trial.task.writes_text else None
        again = score_file(replayed, scored_split(path), searched, decoding=trial.decoding)
        yield _hypotheses(path, again, exact=exact)


def _by_key(reports: Sequence[Report]) -> dict[str, dict[int, float]]:
    """Metric → epoch → value."""
    found: dict[str, dict[int, float]] = {}
    for report in reports:
        counts = {"update": float(report.update), "target_tokens": float(report.target_tokens)}
        for key, value in {**counts, **report.metrics}.items():
            if not key.startswith(MEASURED):
                found.setdefault(key, {})[report.epoch] = value
    return found


def _over_epochs(key: str, first: Mapping[int, float], second: Mapping[int, float], *, exact: bool) -> ReplayDiff:
    epochs = sorted(first.keys() | second.keys())
    compared = exact or key in _LOSSES
    for epoch in epochs if compared else ():
        one, other = first.get(epoch), second.get(epoch)
        if not (_bits_agree(one, other) if exact else _about_agree(one, other)):
            return ReplayDiff(key, one, other, agrees=False, epoch=epoch)
    return ReplayDiff(key, first.get(epochs[-1]), second.get(epochs[-1]), agrees=True if compared else None)


def _bits_agree(one: float | None, other: float | None) -> bool:
    """NaN is NaN, and -0.0 is not 0.0; the shortest spelling of a float names its bits."""
    return repr(one) == repr(other)


def _about_agree(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and math.isclose(one, other, rel_tol=LOSS_TOLERANCE)


def _same(key: str, recorded: Value, replayed: Value, *, exact: bool) -> ReplayDiff:
    return ReplayDiff(key, recorded, replayed, agrees=recorded == replayed if exact else None)


def _word(result: Result | None, key: str) -> str | None:
    return None if result is None else str(getattr(result, key))


def _weights(directory: Path, *, finished: bool) -> str | None:
    """The hash of the file as it is now, whatever its result says of it."""
    if finished:
        path = directory / SELECTED
    elif (directory / HISTORY_FILE).exists():
        path = selected_weights(directory)
    else:
        return None
    return sha256(path) if path.exists() else None


def _hypotheses(recorded: Path, replayed: Path, *, exact: bool) -> ReplayDiff:
    first = read_scores(recorded).hypotheses
    second = read_scores(replayed).hypotheses if replayed.exists() else ()
    other = sum(one != two for one, two in zip(first, second, strict=False)) + abs(len(first) - len(second))
    difference = "the same" if not other else f"{other} differ"
    return ReplayDiff(
        f"hypotheses/{recorded.stem}", f"{len(first)} rows", difference, agrees=not other if exact else None
    )
