"""Test sets are scored where a search has no trial for an actor; what fails there is left to the test stage."""

import json
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from searches import report, sweep

from intelligen.config.schema.experiment import Experiment
from intelligen.state.history import History
from intelligen.state.ledger import Ledger
from intelligen.state.trial_records import Kind, TrialState
from intelligen.sweep.execution.idle_scoring import IdleScoring, ScoringApart, Untested
from intelligen.sweep.execution.tune_callbacks import FINISHED, DrivenSearcher
from intelligen.sweep.execution.workers import SCORES
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.schedulers.early_stopping import FailuresKept
from intelligen.sweep.stages import untested_in_search
from intelligen.sweep.sweep_context import SweepContext


class Scripted(DrivenSearcher):
    """Suggests what it is told, and remembers what it hears."""

    def __init__(self, *suggestions: dict[str, Any] | str | None) -> None:
        super().__init__(sweep())
        self.left, self.heard = list(suggestions), list[str]()

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        return self.left.pop(0)

    def running(self) -> Collection[str]:
        return ["trained"]

    def stops(self, trial_id: str, epoch: int) -> bool:
        return True

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self.heard.append(f"result of {trial_id}")

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self.heard.append(f"end of {trial_id}")

    def on_attempt_failed(self, trial_id: str, error: BaseException) -> None:
        self.heard.append(f"failure of {trial_id}")


@pytest.fixture
def context(tmp_path: Path) -> Iterator[SweepContext]:
    """A baseline and a trial that have ended."""
    with Ledger.open(tmp_path / "sweeps" / "s", {"sweep_id": "0"}) as ledger:
        kinds: dict[str, Kind] = {"baseline-1": "baseline", "t0000": "trial"}
        for number, (name, kind) in enumerate(kinds.items()):
            facts = {"row": "standard", "seed": 1, "params": {}, "config": {}, "directory": name}
            ledger.start(name, kind=kind, number=number if kind == "trial" else None, **facts)
            ledger.finish(name, TrialState.COMPLETE, "finished")
        experiment = Experiment(version=1, name="e")
        yield SweepContext(sweep(), experiment, DataOfRows("x"), tmp_path, tmp_path / "sweeps" / "s", ledger)


@pytest.fixture
def ends() -> list[str]:
    return []


@pytest.fixture
def untested(context: SweepContext, ends: list[str]) -> Untested:
    def find(over: bool) -> list[Any]:
        return [record for record in context.ledger.trials.values() if over or record.kind == "baseline"]

    return Untested(find, lambda: ends.append("over"))


def scored(config: object) -> str:
    assert isinstance(config, dict)
    assert config.keys() == {"directory", "store", "resources", "scoring"}
    return Path(config["directory"]).name


def test_an_idle_place_scores_what_is_known_and_the_end_of_the_search_all_the_rest(context, untested, ends):
    both = IdleScoring(context, Scripted({"trial": "t1"}, None, None, FINISHED), untested)
    assert both.suggest("a") == {"trial": "t1"}
    assert scored(both.suggest("b")) == "baseline-1"
    assert both.suggest("c") is None
    assert (ends, both.has_finished) == ([], False)
    assert scored(both.suggest("d")) == "t0000"
    assert ends == ["over"]
    assert both.suggest("e") is None  # the scorings are under way
    for name in ("b", "d"):
        both.on_trial_complete(name, {SCORES: json.dumps({"test/bleu": 0.1 + 0.2})})
    assert both.suggest("f") == FINISHED
    assert (ends, both.has_finished) == (["over"], True)
    assert [record.scores for record in context.ledger.trials.values()] == [{"test/bleu": 0.1 + 0.2}] * 2


def test_the_best_trial_of_a_row_is_scored_while_another_row_trains(context):
    ledger = context.ledger
    for name, row in {"t0001": "standard", "t0002": "standard", "t0003": "generative", "t0004": "generative"}.items():
        ledger.start(name, kind="trial", number=int(name[1:]), row=row, seed=1, params={}, config={}, directory=name)
    measured = {"time/epoch_s": 1.0, "gpu/count": 0.0, "cpu/memory_avg_mib": 9.0, "cpu/memory_peak_mib": 9.0}
    for number, record in enumerate(ledger.trials.values()):
        record.within(context.directory).mkdir()
        History(record.within(context.directory)).append(report(1, 2.0 if number == 2 else 1.0, **measured))
    ledger.finish("t0001", TrialState.COMPLETE, "finished")
    both = IdleScoring(context, Scripted(*[None] * 4), Untested(partial(untested_in_search, context)))
    assert scored(both.suggest("a")) == "baseline-1"
    assert both.suggest("b") is None  # the row's last trial trains
    ledger.finish("t0002", TrialState.COMPLETE, "finished")
    ledger.finish("t0003", TrialState.COMPLETE, "finished")
    assert scored(both.suggest("c")) == "t0001"
    assert both.suggest("d") is None  # of the other row a trial trains


def test_a_scoring_that_fails_is_not_tried_again_here_and_the_searcher_hears_nothing_of_it(context, untested):
    searcher = Scripted(FINISHED)
    both = IdleScoring(context, searcher, untested)
    both.suggest("a"), both.suggest("b")
    assert not both.stops("a", 1)
    both.on_trial_complete("a", None, error=True)
    both.on_attempt_failed("a", RuntimeError("it died"))
    both.on_trial_complete("b", {})  # Tune was told to stop it
    assert both.suggest("c") == FINISHED
    assert (searcher.heard, both.error, both.has_finished) == ([], None, True)
    assert all(not record.scores for record in context.ledger.trials.values())


def test_trials_are_the_searchers(context, untested):
    searcher = Scripted({"trial": "t1"})
    both = IdleScoring(context, searcher, untested)
    both.suggest("a")
    both.on_trial_result("a", {})
    both.on_trial_complete("a", {})
    both.on_attempt_failed("a", RuntimeError())
    assert searcher.heard == ["result of a", "end of a", "failure of a"]
    assert both.stops("a", 1)
    assert list(both.running()) == ["trained"]


def test_nothing_is_scored_beside_a_trial_that_is_to_run_alone_nor_after_an_error(context, untested, ends):
    alone = Scripted(None, FINISHED)
    alone._alone.add("t0001")
    both = IdleScoring(context, alone, untested)
    assert both.suggest("a") is None
    assert both.suggest("b") == FINISHED
    assert (ends, both.has_finished) == (["over"], True)

    failed = Scripted(FINISHED)
    both = IdleScoring(context, failed, untested)
    failed.error = RuntimeError("the disk is full")
    assert both.suggest("c") == FINISHED
    assert (both.error, both.has_finished) == (failed.error, False)


def test_what_scores_is_compared_with_no_trial():
    class Stopping(FailuresKept):
        def on_trial_result(self, *heard: object) -> str:
            return "STOP"

    apart = ScoringApart(Stopping())
    assert apart.on_trial_result(None, SimpleNamespace(config={"row": "standard"}), {}) == "STOP"
    assert apart.on_trial_result(None, SimpleNamespace(config={"scoring": "{}"}), {}) == "CONTINUE"
