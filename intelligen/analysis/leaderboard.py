"""Leaderboard of trials: ranked by the objective of their selected weights; failed ones come last."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from intelligen.analysis.strategy_table import USABLE, device_seconds, selected_value
from intelligen.analysis.verdicts import COLUMNS, RowVerdict, verdict_of
from intelligen.config import metric_direction
from intelligen.config.schema.rows import STRATEGY
from intelligen.state.history import Report
from intelligen.state.redaction import redact, redact_text
from intelligen.state.trial_records import TrialRecord

# A spreadsheet takes text that begins so for a formula.
_FORMULA = ("=", "+", "-", "@")

CellValue = str | int | float


@dataclass(frozen=True)
class LeaderboardEntry:
    """One ended trial: its state, objective, scores and costs."""

    record: TrialRecord
    """Without secrets."""
    value: float | None
    """The objective on the validation set; none where the trial failed."""
    epochs: int
    cost_device_s: float


def leaderboard_entry(
    record: TrialRecord, reports: Sequence[Report], *, directory: Path, metric: str
) -> LeaderboardEntry:
    """The entry of an ended trial whose files are in `directory`.

    Raises:
        StorageError: Its result is damaged.

    """
    value = selected_value(directory, reports, metric) if record.state in USABLE else None
    cost = device_seconds(reports)
    # Here, once for each trial: the tables are made anew whenever one more has ended.
    reason = None if record.stop_reason is None else redact_text(record.stop_reason)
    return LeaderboardEntry(
        replace(record, params=redact(record.params), stop_reason=reason), value, len(reports), cost
    )


def ranked_entries(entries: Iterable[LeaderboardEntry], *, metric: str) -> list[LeaderboardEntry]:
    """Entries from the best to the worst; of equals the one that began first."""
    return metric_direction.ranked(metric, entries, value=lambda one: one.value)


def leaderboard_csv(
    entries: Sequence[LeaderboardEntry],
    *,
    metric: str,
    scores: Sequence[str],
    word: str = STRATEGY,
    verdicts: Mapping[str, RowVerdict] | None = None,
) -> str:
    """The ranked trials with what they trained with, for a spreadsheet: no text in it is a formula.

    Args:
        entries: Of ended trials.
        metric: The objective, by which they rank.
        scores: Of test sets, which are shown: `bleu`, …
        word: For the rows of the sweep's table.
        verdicts: Of a study that has ended, of each row; the trials that were compared have them.

    """
    params = list(dict.fromkeys(name for one in entries for name in one.record.params))
    columns = _columns(entries, scores)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    judged = COLUMNS if verdicts else ()
    writer.writerow([safe_cell(name) for name in [*_headings(columns, metric, word), *judged, *params]])
    for rank, one in enumerate(ranked_entries(entries, metric=metric), start=1):
        chosen = redact(one.record.schedule())
        verdict = verdict_of(one.record, verdicts or {})
        found = {} if verdict is None else verdict.columns()
        cells = [*_cells(rank, one, columns), *map(found.get, judged), *(chosen.get(name) for name in params)]
        writer.writerow(["" if cell is None else safe_cell(cell) for cell in cells])
    return file.getvalue()


def leaderboard_markdown(
    entries: Sequence[LeaderboardEntry],
    *,
    metric: str,
    scores: Sequence[str],
    word: str = STRATEGY,
    settings: Callable[[TrialRecord], str] | None = None,
) -> str:
    """The ranked trials as a table; arguments as above, and what writes a trial's settings, for a column of them."""
    columns = _columns(entries, scores)
    headings = _headings(columns, metric, word) + ([] if settings is None else ["settings"])
    lines = [headings, ["---"] * len(headings)]
    for rank, one in enumerate(ranked_entries(entries, metric=metric), start=1):
        cells = _cells(rank, one, columns) + ([] if settings is None else [settings(one.record)])
        lines.append([f"{cell:.4g}" if isinstance(cell, float) else markdown_cell(str(cell)) for cell in cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _headings(scores: Sequence[str], metric: str, word: str) -> list[str]:
    return [
        *("rank", "trial", "kind", word, "seed", "state", metric, "epochs", "cost/device_s"),
        *scores,
        "stop_reason",
    ]


def _columns(entries: Sequence[LeaderboardEntry], scores: Sequence[str]) -> list[str]:
    """`test/bleu` and the like, of every test set that was scored, score by score."""
    found = {name for one in entries for name in one.record.scores}
    return [name for score in scores for name in sorted(found) if name.endswith(f"/{score}")]


def _cells(rank: int, one: LeaderboardEntry, scores: Sequence[str]) -> list[CellValue]:
    record = one.record
    return [
        *(rank, record.id, record.kind, record.row, record.seed, str(record.state)),
        *("" if one.value is None else one.value, one.epochs, one.cost_device_s),
        *(record.scores.get(name, "") for name in scores),
        record.stop_reason or "",
    ]


def safe_cell(cell: CellValue | bool) -> CellValue:
    """`text` as a cell that no spreadsheet takes for a formula; numbers, also negative ones, stay as they are."""
    if not isinstance(cell, str):
        return cell
    text = " ".join(cell.split())
    return f"'{text}" if text.startswith(_FORMULA) else text


def markdown_cell(text: str) -> str:
    """`text` as a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")
