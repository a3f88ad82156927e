"""The leaderboard ranks what ended, says what it cost, and is safe to open; the plots show the same trials."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from intelligen.analysis.leaderboard import (
    LeaderboardEntry,
    leaderboard_csv,
    leaderboard_entry,
    leaderboard_markdown,
    ranked_entries,
)
from intelligen.errors import StorageError
from intelligen.state.history import Report
from intelligen.state.trial_records import TrialRecord, TrialState
from intelligen.state.trial_result import RESULT, Result
from intelligen.tracking.search_plots import plots, running_best
from intelligen.training.selected_weights import write_result

BLEU = ("bleu",)
METRIC = "valid/bleu"


def trial(name: str, value: float | None, **changes: Any) -> LeaderboardEntry:
    state = TrialState.FAILED if value is None else TrialState.COMPLETE
    fields = {"kind": "trial", "row": "generative", "seed": 1, "params": {}, "config": {}, "directory": name}
    record = TrialRecord(**{"id": name, "number": 0, "started_ms": 0, "state": state, **fields, **changes})
    return LeaderboardEntry(record, value, epochs=2, cost_device_s=3.5)


def report(bleu: float) -> Report:
    return Report(1, 10, 100, 0, {METRIC: bleu, "cost/device_s": 2.0})


def rows(entries: list[LeaderboardEntry]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(leaderboard_csv(entries, metric=METRIC, scores=BLEU))))


def test_the_weights_that_would_be_tested_count(tmp_path: Path) -> None:
    record = trial("t1", 0.0).record
    reports = [report(20.0), report(22.0), report(21.0)]
    stopped = leaderboard_entry(record, reports, directory=tmp_path, metric=METRIC)
    assert (stopped.value, stopped.epochs, stopped.cost_device_s) == (22.0, 3, 6.0)
    write_result(tmp_path, Result("average", {METRIC: 22.5}, ""), model=nn.Linear(1, 1))
    assert leaderboard_entry(record, reports, directory=tmp_path, metric=METRIC).value == 22.5
    assert leaderboard_entry(trial("t1", None).record, reports, directory=tmp_path, metric=METRIC).value is None
    (tmp_path / RESULT).write_text("{]")
    with pytest.raises(StorageError, match=r"result\.json: damaged \(JSONDecodeError"):
        leaderboard_entry(record, reports, directory=tmp_path, metric=METRIC)


def test_the_best_stands_first_and_what_failed_last() -> None:
    entries = [trial("t0", None), trial("t1", 1.0), trial("t2", 3.0), trial("t3", 0.0), trial("t4", 3.0)]
    assert [one.record.id for one in ranked_entries(entries, metric=METRIC)] == ["t2", "t4", "t1", "t3", "t0"]
    assert [one.record.id for one in ranked_entries(entries, metric="valid/loss")] == ["t3", "t1", "t2", "t4", "t0"]


def test_the_table_holds_what_was_chosen_and_what_came_of_it() -> None:
    tested = trial("t2", 3.0, params={"lr": 1e-3, "pick": "greedy"}, scores={"test/bleu": 2.5, "test/loss": 1.0})
    failed = trial("t0", None, params={"lr": -0.5}, stop_reason="diverged: loss nan")
    first, second = rows([failed, tested])
    assert first["rank"] == "1"
    assert (first["trial"], first["valid/bleu"], first["test/bleu"], first["cost/device_s"]) == (
        "t2",
        "3.0",
        "2.5",
        "3.5",
    )
    assert (first["lr"], first["pick"], first["stop_reason"]) == ("0.001", "greedy", "")
    assert (second["state"], second["valid/bleu"], second["lr"], second["pick"]) == ("failed", "", "-0.5", "")
    markdown = leaderboard_markdown([failed, tested], metric=METRIC, scores=BLEU).splitlines()
    assert markdown[2].startswith("| 1 | t2 | trial | generative | 1 | complete | 3 | 2 | 3.5 | 2.5 |")
    assert markdown[3].endswith("| diverged: loss nan |")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-x", "@sum", "\t=1", "\r\n=1"])
def test_no_text_is_a_formula(text: str) -> None:
    entries = [trial("t1", 1.0, stop_reason=text, params={text: text})]
    cells = next(csv.reader(io.StringIO(leaderboard_csv(entries, metric=METRIC, scores=BLEU).partition("\n")[2])))
    assert cells[-2:] == [f"'{text.strip()}"] * 2
    assert f"'{text.strip()}" in next(csv.reader(io.StringIO(leaderboard_csv(entries, metric=METRIC, scores=BLEU))))


def test_no_text_breaks_the_table_or_shows_a_secret(tmp_path: Path) -> None:
    record = trial("t1", None, stop_reason="a | b\nc https://CANARY@host", params={"api_key": "CANARY"}).record
    entries = [leaderboard_entry(record, [], directory=tmp_path, metric=METRIC)]
    assert "a \\| b c https://[redacted]@host |" in leaderboard_markdown(entries, metric=METRIC, scores=BLEU)
    assert "CANARY" not in leaderboard_csv(entries, metric=METRIC, scores=BLEU)


class Looked(list[LeaderboardEntry]):
    """Counts how often somebody goes through it."""

    times = 0

    def __iter__(self) -> Iterator[LeaderboardEntry]:
        self.times += 1
        return super().__iter__()


@pytest.mark.parametrize("table", [leaderboard_csv, leaderboard_markdown])
def test_a_table_of_many_trials_looks_at_them_no_more_often_than_one_of_few(table: Callable[..., str]) -> None:
    few, many = (Looked(trial(f"t{number}", 1.0) for number in range(count)) for count in (2, 50))
    for entries in (few, many):
        table(entries, metric=METRIC, scores=BLEU)
    assert many.times == few.times


def test_the_best_so_far_only_gets_better() -> None:
    assert running_best([2.0, 1.0, 3.0, 2.5], metric=METRIC) == [2.0, 2.0, 3.0, 3.0]
    assert running_best([2.0, 1.0, 3.0], metric="valid/loss") == [2.0, 1.0, 1.0]


def test_both_plots_show_every_trial_with_a_score(tmp_path: Path) -> None:
    entries = [
        trial("baseline-1", 5.0, kind="baseline", row="standard"),
        trial("t0", 1.0),
        trial("t1", None),
        trial("t2", 6.0, row="standard"),
        trial("t3", 4.0),
    ]
    drawn = plots(entries, metric=METRIC)
    assert list(drawn) == ["plots/best_so_far.png", "plots/by_strategy.png"]
    for file, figure in drawn.items():
        (axes,) = figure.axes
        shown = [tuple(point) for dots in axes.collections for point in dots.get_offsets().tolist()]
        assert sorted(value for _, value in shown) == [1.0, 4.0, 6.0]
        figure.savefig(tmp_path / Path(file).name)
        assert (tmp_path / Path(file).name).read_bytes().startswith(b"\x89PNG")
    best, strategies = (figure.axes[0] for figure in drawn.values())
    assert [list(line.get_ydata()) for line in best.lines] == [[5.0, 5.0], [1.0, 6.0, 6.0]]
    assert [label.get_text() for label in strategies.get_xticklabels()] == ["generative (2)", "standard (1)"]


def test_without_a_score_there_is_nothing_to_draw() -> None:
    assert plots([trial("t1", None), trial("b", 2.0, kind="baseline")], metric=METRIC) == {}


def test_test_scores_are_those_asked_for_in_their_order() -> None:
    scores = {
        f"{split}/{score}": 1.0 for split in ("test-greedy", "test") for score in ("bleu", "bleu_low", "chrf", "ter")
    }
    entries = [trial("t1", 2.0, scores=scores)]
    for asked in (("bleu",), ("chrf", "bleu")):
        head = leaderboard_csv(entries, metric="valid/chrf", scores=asked).splitlines()[0].split(",")
        assert [name for name in head if name.startswith("test")] == [
            f"{split}/{score}" for score in asked for split in ("test-greedy", "test")
        ]
