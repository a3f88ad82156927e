"""Results table of a sweep: which strategy, how good, how sure, at what cost."""

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from intelligen.analysis.leaderboard import markdown_cell
from intelligen.analysis.strategy_table import StrategySummary
from intelligen.analysis.sweep_results import TableWords
from intelligen.analysis.verdicts import RowVerdict
from intelligen.reporting.terminal.fitting_table import Column, FittingTable
from intelligen.state.trial_records import TrialState

if TYPE_CHECKING:  # they import torch
    from intelligen.analysis.beam_curve import BeamCurve
    from intelligen.evaluation import Interval

_VALID = "valid = the best trial's selected weights"
_TEST = (
    "test = the same weights, scored once by the experiment's test search, with the 95 % bootstrap interval over rows."
)
_TEST_OVER_SEEDS = (
    "test = each best trial trained again with seeds that the search did not use: the mean over these seeds, with"
    " minimum and maximum. Trials, epoch time, cost and memory are of the search alone."
)
_EFFORT = (
    "Epoch time, cost and memory (of a GPU, or resident memory of processes without one) are over all trials of a"
    " {row}, the stopped and the failed included. × {control} = epoch time over that of the {row} {control}. Cost"
    " = seconds of training and validation × devices, summed over all epochs; a device is a"
    " GPU, or a worker's processors."
)
_WORDS = TableWords()
_RANKS, _TRIALS_RANK = (3, 2, 1, 5, 4), 3
"""Of the last columns, from epoch time to the largest memory: which are left out first on a narrow terminal."""


def headings(
    rows: Sequence[StrategySummary], *, objective: str, scores: Sequence[str], words: TableWords = _WORDS
) -> list[str]:
    """Column titles."""
    return [
        *words.headings,
        "trials",
        f"{objective}",
        *(["seeds"] if _over_seeds(rows) else []),
        *test_columns(rows, scores),
        "epoch time",
        f"× {words.compared.label(words.compared.control)}",
        "cost",
        "avg memory",
        "max memory",
    ]


def test_columns(rows: Sequence[StrategySummary], scores: Sequence[str]) -> list[str]:
    """`test/bleu` and the like, of every test set that was scored, score by score."""
    found = {name.partition("/")[0] for row in rows for name in row.mean_scores() if name.partition("/")[2] in scores}
    return [f"{split}/{score}" for score in scores for split in sorted(found)]


def note(rows: Sequence[StrategySummary], scores: Sequence[str], words: TableWords = _WORDS) -> str:
    """What the columns mean that the table has."""
    compared = words.compared
    test = _TEST_OVER_SEEDS if _over_seeds(rows) else _TEST
    scored = f"{_VALID}; {test}" if test_columns(rows, scores) else f"{_VALID}."
    return f"{scored} {_EFFORT.format(row=compared.word, control=compared.label(compared.control))}"


def cells(
    row: StrategySummary,
    rows: Sequence[StrategySummary],
    *,
    objective: str,
    scores: Sequence[str],
    words: TableWords = _WORDS,
) -> list[str]:
    """One of the rows in words; a line break is where a narrow terminal breaks a cell."""
    control = next((one for one in rows if one.row == words.compared.control), None)
    return [
        *words.place(row.row),
        _trials(row),
        words.text(objective, row.best_value),
        *([_seeds(row)] if _over_seeds(rows) else []),
        *(_scored(row, name, words) for name in test_columns(rows, scores)),
        *_effort(row, control),
    ]


def rich_table(
    rows: Sequence[StrategySummary], *, title: str, objective: str, scores: Sequence[str], words: TableWords = _WORDS
) -> FittingTable:
    """For a terminal or a log.

    Args:
        rows: One per strategy or variant.
        title: Above it.
        objective: The metric by which trials were chosen.
        scores: Of test sets, which are shown: `bleu`, …
        words: Of the rows; strategies where not given.

    """
    titles, left = headings(rows, objective=objective, scores=scores, words=words), len(words.headings)
    ranks = dict(zip(titles[-len(_RANKS) :], _RANKS, strict=True)) | {"trials": _TRIALS_RANK}
    columns = [Column(one, number >= left, ranks.get(one, 0)) for number, one in enumerate(titles)]
    texts = [cells(row, rows, objective=objective, scores=scores, words=words) for row in rows]
    return FittingTable(columns, texts, title=title, caption=note(rows, scores, words), rest="table.md has them")


def markdown_table(
    rows: Sequence[StrategySummary], *, objective: str, scores: Sequence[str], words: TableWords = _WORDS
) -> str:
    """For the tracking run and for documents; arguments as above."""
    titles, left = headings(rows, objective=objective, scores=scores, words=words), len(words.headings)
    lines = [titles, ["---"] * left + ["---:"] * (len(titles) - left)]
    lines += [cells(row, rows, objective=objective, scores=scores, words=words) for row in rows]
    table = "\n".join("| " + " | ".join(map(markdown_cell, line)) + " |" for line in lines)
    return f"{table}\n\n{note(rows, scores, words)}\n"


def markdown_verdicts(verdicts: Sequence[RowVerdict], words: TableWords = _WORDS) -> str:
    """What a study decided, behind its table; empty where it decided nothing."""
    if not verdicts:
        return ""
    lines = [f"| {words.compared.heading} | verdict |", "| --- | --- |"]
    lines += [f"| {markdown_cell(words.compared.label(one.row))} | {markdown_cell(one.words)} |" for one in verdicts]
    return "\n" + "\n".join(lines) + "\n"


def markdown_beam_curve(curve: "BeamCurve | None", words: TableWords = _WORDS) -> str:
    """Scores by sizes of the beam; empty where there are none."""
    if curve is None:
        return ""
    form = curve.metric.format

    def text(found: "Interval | None") -> str:
        return "–" if found is None else f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"

    titles = [curve.title, *map(str, curve.sizes)]
    lines = [titles, ["---"] + ["---:"] * (len(titles) - 1)]
    lines += [[words.compared.label(system), *map(text, found)] for system, found in curve.rows()]
    return (
        "\n" + "\n".join("| " + " | ".join(map(markdown_cell, line)) + " |" for line in lines) + f"\n\n{curve.note}\n"
    )


def _trials(row: StrategySummary) -> str:
    return _counted(row.trials, stopped=row.ended[TrialState.PRUNED], failed=row.ended[TrialState.FAILED])


def _seeds(row: StrategySummary) -> str:
    states = [record.state for record in row.repeated]
    return _counted(len(states), stopped=states.count(TrialState.PRUNED), failed=states.count(TrialState.FAILED))


def _counted(count: int, *, stopped: int, failed: int) -> str:
    notes = [f"{number} {word}" for number, word in ((stopped, "stopped early"), (failed, "failed")) if number]
    return f"{count}" + (f"\n({', '.join(notes)})" if notes else "")


def _over_seeds(rows: Sequence[StrategySummary]) -> bool:
    return any(row.over_seeds for row in rows)


def _effort(row: StrategySummary, control: StrategySummary | None) -> list[str]:
    """Epoch time, that over the control's, cost, average and largest memory."""
    found = row.effort
    if found is None:
        return ["–", "–", "0\ndevice-s", "–", "–"]
    # The baseline's epochs have another length, so their times do not compare.
    compared = None if control is None or row.best.kind == "baseline" else control.effort
    return [
        f"{found.epoch_s:.1f} s",
        "–" if compared is None else f"{found.epoch_s / compared.epoch_s:.2f}",
        f"{found.cost_device_s:,.0f}\ndevice-s",
        f"{found.memory_avg_mib:,.0f}\nMiB {found.memory_kind.upper()}",
        f"{found.memory_peak_mib:,.0f}\nMiB {found.memory_kind.upper()}",
    ]


def _scored(row: StrategySummary, name: str, words: TableWords) -> str:
    scores = row.scores(name)
    if not scores:
        return "–"
    if row.over_seeds:
        mean, least, most = (words.text(name, found) for found in (fmean(scores), min(scores), max(scores)))
        return f"{mean}\n({least} to {most})"
    low, high = (row.best.scores.get(f"{name}_{end}") for end in ("low", "high"))
    # Earlier revisions recorded none of another score than BLEU; the test stage adds them.
    bounds = "" if low is None or high is None else f"\n[{words.text(name, low)}, {words.text(name, high)}]"
    return words.text(name, scores[0]) + bounds
