"""The results table: which strategy, how good, how sure, at what cost."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from intelligen.tracking.leaderboard import Row
from intelligen.tracking.records import TrialState

NOTE = (
    "valid = the best trial's selected weights; test = the same weights, scored once by the experiment's test search,"
    " with the 95 % bootstrap interval over sentences. Epoch time, cost and memory (of a GPU, or resident memory of"
    " processes without one) are over all trials of a strategy, the stopped and the failed included. × standard = epoch"
    " time over that of the strategy standard. Cost = seconds of training and validation × devices, summed over all"
    " epochs; a device is a GPU, or a worker's processors."
)


def headings(rows: Sequence[Row], *, objective: str) -> list[str]:
    """Column titles."""
    return [
        "strategy",
        "trials",
        f"{objective}",
        *test_splits(rows),
        "epoch time",
        "× standard",
        "cost",
        "avg memory",
        "max memory",
    ]


def test_splits(rows: Sequence[Row]) -> list[str]:
    """`test/bleu` and the like, of every test set that was scored."""
    return sorted({name for row in rows for name in row.best.scores if name.endswith("/bleu")})


def standard_epoch_s(rows: Sequence[Row]) -> float | None:
    """Epoch time of the strategy `standard`; none where it did not run."""
    return next((row.epoch_s for row in rows if row.strategy == "standard"), None)


def cells(row: Row, *, splits: Sequence[str], standard_s: float | None) -> list[str]:
    """One row in words; `standard_s` is the epoch time to compare with."""
    return [
        row.strategy,
        _trials(row),
        f"{row.best_value:.2f}",
        *(_scored(row, split) for split in splits),
        f"{row.epoch_s:.1f} s",
        _relative(row, standard_s),
        f"{row.cost_device_s:,.0f} device-s",
        f"{row.memory_avg_mib:,.0f} MiB {row.memory_kind.upper()}",
        f"{row.memory_peak_mib:,.0f} MiB {row.memory_kind.upper()}",
    ]


def rich_table(rows: Sequence[Row], *, title: str, objective: str) -> Table:
    """For a terminal or a log."""
    # A question may hold brackets, which are no markup.
    table = Table(title=Text(title), title_justify="left", caption=NOTE, caption_justify="left")
    for index, heading in enumerate(headings(rows, objective=objective)):
        table.add_column(heading, justify="left" if index == 0 else "right", no_wrap=index == 0)
    for row in rows:
        table.add_row(*cells(row, splits=test_splits(rows), standard_s=standard_epoch_s(rows)))
    return table


def markdown_table(rows: Sequence[Row], *, objective: str) -> str:
    """For the tracking run and for documents."""
    titles = headings(rows, objective=objective)
    lines = [titles, ["---"] + ["---:"] * (len(titles) - 1)]
    lines += [cells(row, splits=test_splits(rows), standard_s=standard_epoch_s(rows)) for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{NOTE}\n"


def _trials(row: Row) -> str:
    stopped, failed = row.ended[TrialState.PRUNED], row.ended[TrialState.FAILED]
    notes = [f"{count} {word}" for count, word in ((stopped, "stopped early"), (failed, "failed")) if count]
    return f"{row.trials}" + (f" ({', '.join(notes)})" if notes else "")


def _relative(row: Row, standard_s: float | None) -> str:
    # The baseline's epochs have another length, so their times do not compare.
    if standard_s is None or row.best.kind == "baseline":
        return "–"
    return f"{row.epoch_s / standard_s:.2f}"


def _scored(row: Row, split: str) -> str:
    scores = row.best.scores
    if split not in scores:
        return "–"
    return f"{scores[split]:.2f} [{scores[f'{split}_low']:.2f}, {scores[f'{split}_high']:.2f}]"
