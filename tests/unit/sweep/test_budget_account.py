"""What is spent is summed from histories, over all launches, and per strategy."""

import json
from collections import Counter
from pathlib import Path

import pytest
from searches import sweep

from intelligen.config.schema.budget import Budget
from intelligen.state import ledger as ledger_module
from intelligen.state.history import History, Report
from intelligen.state.ledger import Ledger, TrialState
from intelligen.sweep.budget_account import Account, rows_ended, search_end


class Clock:
    """The ledger's clock, which is idle unless it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1_000_000.0
        monkeypatch.setattr(ledger_module.time, "time_ns", lambda: int(self.now_s * 1e9))
        monkeypatch.setattr(ledger_module.time, "time", lambda: self.now_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def start(ledger: Ledger, name: str, strategy: str, *, kind: str = "trial") -> None:
    ledger.start(name, kind=kind, row=strategy, seed=1, params={}, config={}, directory=f"trials/{name}")


def epoch(directory: Path, name: str, number: int, *, device_s: float, tokens: int, at_s: float = 0.0) -> None:
    folder = directory / "trials" / name
    folder.mkdir(parents=True, exist_ok=True)
    metrics = {"valid/bleu": 1.0, "cost/device_s": device_s}
    History(folder).append(Report(number, number, tokens, int(at_s * 1000), metrics))


def account(directory: Path, ledger: Ledger, *, searching: bool = True, **budget: float) -> Account:
    return Account(Budget(**budget), ledger, directory, searching=searching)


def test_a_classification_s_budget_of_targets_is_one_of_rows(tmp_path):
    with Ledger.open(tmp_path, {"experiment": {"task": {"name": "classification"}}}) as ledger:
        start(ledger, "t0000", "standard")
        epoch(tmp_path, "t0000", 1, device_s=1, tokens=300)
        assert account(tmp_path, ledger, target_tokens=300).spent(None) == "the budget of 300 rows is spent"


def test_device_hours_and_tokens_are_summed_over_trials_and_their_epochs(tmp_path):
    with Ledger.open(tmp_path, {}) as ledger:
        start(ledger, "baseline-1", "standard", kind="baseline")
        epoch(tmp_path, "baseline-1", 1, device_s=9e9, tokens=10**9)
        start(ledger, "t0000", "standard")
        start(ledger, "t0001", "generative")
        books = {
            "the budget of 1 device-hours is spent": account(tmp_path, ledger, device_hours=1.0),
            "the budget of 1,000 target tokens is spent": account(tmp_path, ledger, target_tokens=1000),
        }
        assert [book.spent(None) for book in books.values()] == [None, None]
        epoch(tmp_path, "t0000", 1, device_s=1200, tokens=300)
        epoch(tmp_path, "t0000", 2, device_s=1200, tokens=600)  # tokens are so far, device-seconds of the epoch
        epoch(tmp_path, "t0001", 1, device_s=1199, tokens=399)
        assert [book.spent(None) for book in books.values()] == [None, None]
        epoch(tmp_path, "t0001", 2, device_s=1, tokens=400)
        assert [book.spent(None) for book in books.values()] == list(books)
        ledger.finish("t0001", TrialState.FAILED, "it crashed, and has cost what it has cost")
        assert account(tmp_path, ledger, device_hours=1.0).spent(None) is not None


def test_trials_that_fail_before_they_cost_anything_end_a_search_that_counts_no_trials(tmp_path):
    with Ledger.open(tmp_path, {}) as ledger:
        start(ledger, "t0000", "standard")
        for number in range(1, 11):
            assert account(tmp_path, ledger, device_hours_per_strategy=1.0).spent("generative") is None
            start(ledger, f"t{number:04d}", "generative")
            ledger.finish(f"t{number:04d}", TrialState.FAILED, "out of memory")
        spent = account(tmp_path, ledger, device_hours_per_strategy=1.0).spent
        assert "failed before their first epoch" in (spent("generative") or "")
        assert spent("standard") is None
        assert account(tmp_path, ledger, trials=100, device_hours=1.0).spent("generative") is None
        epoch(tmp_path, "t0005", 1, device_s=1, tokens=10)
        assert account(tmp_path, ledger, device_hours_per_strategy=1.0).spent("generative") is None


def test_each_strategy_has_a_budget_of_its_own(tmp_path):
    with Ledger.open(tmp_path, {}) as ledger:
        start(ledger, "t0000", "standard")
        start(ledger, "t0001", "generative")
        epoch(tmp_path, "t0000", 1, device_s=3600, tokens=1000)
        epoch(tmp_path, "t0001", 1, device_s=3500, tokens=900)
        hours = account(tmp_path, ledger, device_hours_per_strategy=1.0)
        tokens = account(tmp_path, ledger, target_tokens_per_strategy=1000)
        assert hours.spent("standard") == "the budget of 1 device-hours per strategy is spent"
        assert tokens.spent("standard") == "the budget of 1,000 target tokens per strategy is spent"
        for book in (hours, tokens):
            assert book.spent("generative") is None
            assert book.spent(None) is None


def test_what_is_spent_stays_spent_although_a_crash_takes_an_epoch_back(tmp_path):
    with Ledger.open(tmp_path, {}) as ledger:
        start(ledger, "t0000", "standard")
        epoch(tmp_path, "t0000", 1, device_s=10, tokens=1000)
        book = account(tmp_path, ledger, target_tokens=1000)
        assert book.spent(None) is not None
        History(tmp_path / "trials" / "t0000").truncate(after_epoch=0)
        assert book.spent(None) is not None


def test_wall_time_is_of_all_launches_together_but_not_between_them(tmp_path, clock):
    with Ledger.open(tmp_path, {}) as ledger:
        clock.now_s += 5000  # the baseline
        ledger.begin_search()
        start(ledger, "t0000", "standard")
        clock.now_s += 100
        ledger.end_search("interrupted")
        clock.now_s += 50  # the table
        assert account(tmp_path, ledger, searching=False).wall_s() == 100
    clock.now_s += 9000
    with Ledger.open(tmp_path, {}) as ledger:
        ledger.begin_search()
        clock.now_s += 200
        # Nothing is written: this launch is killed, and was last heard of in a trial's history.
        epoch(tmp_path, "t0000", 1, device_s=1, tokens=1, at_s=clock.now_s)
        clock.now_s += 7000
    with Ledger.open(tmp_path, {}) as ledger:
        assert account(tmp_path, ledger, searching=False).wall_s() == 300
        ledger.begin_search()
        clock.now_s += 60
        book = account(tmp_path, ledger, wall_hours=0.1)
        assert book.wall_s() == 360
        assert book.spent(None) == "the budget of 0.1 hours is spent"
        assert account(tmp_path, ledger, wall_hours=0.11).spent(None) is None


def test_failed_trials_that_a_later_launch_takes_up_again_have_not_searched_meanwhile(tmp_path, clock):
    with Ledger.open(tmp_path, {}) as ledger:
        ledger.begin_search()
        start(ledger, "t0000", "standard")
        clock.now_s += 100
        ledger.finish("t0000", TrialState.FAILED, "it crashed")
        ledger.end_search("the budget is spent")
        clock.now_s += 9000
        ledger.restart("t0000")
        ledger.begin_search()
        assert account(tmp_path, ledger).wall_s() == 100


def test_a_clock_that_is_set_back_takes_no_time_back(tmp_path, clock):
    with Ledger.open(tmp_path, {}) as ledger:
        ledger.begin_search()
        clock.now_s += 100
        ledger.end_search("interrupted")
        clock.now_s -= 5000
        ledger.begin_search()
        clock.now_s -= 10
        assert account(tmp_path, ledger).wall_s() == 100


def test_a_ledger_that_knows_no_searches_has_searched_for_no_time(tmp_path):
    with Ledger.open(tmp_path, {}) as ledger:
        start(ledger, "t0000", "standard")
        assert account(tmp_path, ledger, wall_hours=1.0).wall_s() == 0.0
    events = [json.loads(line)["event"] for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert events == ["open", "start"]


@pytest.mark.parametrize(
    ("budget", "started", "total", "over"),
    [
        ({"trials": 5}, 4, 5, False),
        ({"trials": 5}, 5, 5, True),
        ({"trials_per_strategy": 3}, 6, 6, True),
        ({"trials_per_strategy": 3, "trials": 4}, 4, 4, True),
        ({"device_hours": 1.0}, 100, None, False),
    ],
)
def test_the_first_budget_to_be_spent_ends_the_search(budget, started, total, over):
    settings = sweep(budget=budget)
    trials = Counter({"standard": started - started // 2, "generative": started // 2})
    assert settings.total_trials() == total
    assert (search_end(settings, trials, lambda strategy: None) is not None) is over
    assert search_end(settings, trials, lambda strategy: "spent" if strategy is None else None) is not None


@pytest.mark.parametrize(
    ("budget", "rows", "training", "ended"),
    [
        ({"trials_per_strategy": 2}, "sgsg", {3}, {"standard"}),
        ({"trials_per_strategy": 2}, "sgs", set(), {"standard"}),
        ({"trials_per_strategy": 3}, "sgsg", set(), set()),
        ({"trials": 3}, "ssg", {2}, {"standard"}),
        ({"trials": 4}, "ssg", set(), set()),
        ({"wall_hours": 1}, "ssg", set(), set()),
        ({"trials_per_strategy": 9, "trials": 3}, "ssg", set(), {"standard", "generative"}),
    ],
)
def test_a_row_has_ended_with_its_last_trial(tmp_path, budget, rows, training, ended):
    with Ledger.open(tmp_path, {}) as ledger:
        start(ledger, "baseline-1", "standard", kind="baseline")
        for number, row in enumerate(rows):
            start(ledger, f"t{number}", {"s": "standard", "g": "generative"}[row])
            if number not in training:
                ledger.finish(f"t{number}", TrialState.FAILED if number == 0 else TrialState.PRUNED, "")
        assert rows_ended(sweep(budget=budget), ledger.trials.values()) == ended
