"""Ended trials rank by the objective of the weights that would be tested; those that failed stand last."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from intelligen.config import metrics
from intelligen.tracking.leaderboard import USABLE, device_seconds, selected_value
from intelligen.tracking.records import TrialRecord
from intelligen.tracking.redaction import redact, redact_text
from intelligen.training.history import Report

# A spreadsheet takes text that begins so for a formula.
_FORMULA = ("=", "+", "-", "@")

Cell = str | int | float


@dataclass(frozen=True)
class Standing:
    """What came of one trial."""

    record: TrialRecord
    """Without secrets."""
    value: float | None
    """The objective on the validation set; none where the trial failed."""
    epochs: int
    cost_device_s: float


def standing_of(record: TrialRecord, reports: Sequence[Report], *, directory: Path, metric: str) -> Standing:
    """What came of an ended trial whose files lie in `directory`.

    Raises:
        StorageError: Its result is damaged.

    """
    value = selected_value(directory, reports, metric) if record.state in USABLE else None
    cost = device_seconds(reports)
    # Here, once for each trial: the tables are made anew whenever one more has ended.
    reason = None if record.stop_reason is None else redact_text(record.stop_reason)
    return Standing(replace(record, params=redact(record.params), stop_reason=reason), value, len(reports), cost)


def ranked(standings: Iterable[Standing], *, metric: str) -> list[Standing]:
    """The best first; of equals the one that began first."""
    return metrics.ranked(metric, standings, value=lambda one: one.value)


def leaderboard_csv(standings: Sequence[Standing], *, metric: str, scores: Sequence[str]) -> str:
    """The ranked trials with what they trained with, for a spreadsheet: no text in it is a formula.

    Args:
        standings: Of ended trials.
        metric: The objective, by which they rank.
        scores: Of test sets, which are shown: `bleu`, …

    """
    params = list(dict.fromkeys(name for one in standings for name in one.record.params))
    columns = _columns(standings, scores)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([harmless(name) for name in [*_headings(columns, metric), *params]])
    for rank, one in enumerate(ranked(standings, metric=metric), start=1):
        chosen = redact(one.record.schedule())
        cells = [*_cells(rank, one, columns), *(chosen.get(name) for name in params)]
        writer.writerow(["" if cell is None else harmless(cell) for cell in cells])
    return file.getvalue()


def leaderboard_markdown(standings: Sequence[Standing], *, metric: str, scores: Sequence[str]) -> str:
    """The ranked trials as a table; arguments as above."""
    columns = _columns(standings, scores)
    headings = _headings(columns, metric)
    lines = [headings, ["---"] * len(headings)]
    for rank, one in enumerate(ranked(standings, metric=metric), start=1):
        cells = _cells(rank, one, columns)
        lines.append([f"{cell:.4g}" if isinstance(cell, float) else markdown_cell(str(cell)) for cell in cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _headings(scores: Sequence[str], metric: str) -> list[str]:
    return [
        *("rank", "trial", "kind", "strategy", "seed", "state", metric, "epochs", "cost/device_s"),
        *scores,
        "stop_reason",
    ]


def _columns(standings: Sequence[Standing], scores: Sequence[str]) -> list[str]:
    """`test/bleu` and the like, of every test set that was scored, score by score."""
    found = {name for one in standings for name in one.record.scores}
    return [name for score in scores for name in sorted(found) if name.endswith(f"/{score}")]


def _cells(rank: int, one: Standing, scores: Sequence[str]) -> list[Cell]:
    record = one.record
    return [
        *(rank, record.id, record.kind, record.strategy, record.seed, str(record.state)),
        *("" if one.value is None else one.value, one.epochs, one.cost_device_s),
        *(record.scores.get(name, "") for name in scores),
        record.stop_reason or "",
    ]


def harmless(cell: Cell | bool) -> Cell:
    """What a spreadsheet may read: a number is none of its formulas, even a negative one; text may be."""
    if not isinstance(cell, str):
        return cell
    text = " ".join(cell.split())
    return f"'{text}" if text.startswith(_FORMULA) else text


def markdown_cell(text: str) -> str:
    """`text` as a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")
