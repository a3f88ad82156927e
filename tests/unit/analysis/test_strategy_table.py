"""Of each strategy the best trial counts, and the cost of all of them."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from intelligen.analysis.strategy_table import StrategySummary, best_by_row, best_report, strategy_table
from intelligen.state.history import History, Report
from intelligen.state.trial_records import Evidence, TrialRecord, TrialState
from intelligen.state.trial_result import Result
from intelligen.training.selected_weights import write_result

MEASURED = {
    "gpu/count": 0.0,
    "cpu/memory_avg_mib": 100.0,
    "cpu/memory_peak_mib": 200.0,
    "time/epoch_s": 10.0,
    "time/validation_s": 2.0,
}


class Sweep:
    """Trials on disk, in the order in which they were started."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.trials: dict[str, TrialRecord] = {}

    def add(
        self,
        strategy: str,
        *epochs: dict[str, float],
        state: TrialState = TrialState.COMPLETE,
        kind: str = "trial",
        scores: dict[str, float] | None = None,
        seed: int = 1,
    ) -> str:
        name = f"t{len(self.trials)}"
        (self.directory / name).mkdir()
        history = History(self.directory / name)
        for number, metrics in enumerate(epochs, start=1):
            history.append(Report(number, number, number, 0, {**MEASURED, "valid/bleu": 1.0, **metrics}))
        self.trials[name] = TrialRecord(
            name, kind, strategy, seed, {}, {}, name, len(self.trials), 0, state=state, scores=scores or {}
        )
        return name

    def select(self, name: str, *, bleu: float, healthy: bool = True) -> None:
        result = Result("average of the last 2 epochs", {"valid/bleu": bleu}, "", healthy=healthy)
        write_result(self.directory / name, result, model=nn.Linear(1, 1))

    def rows(self) -> list[StrategySummary]:
        return strategy_table(self.directory, self.trials, metric="valid/bleu")


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path)


def test_cost_is_the_sum_over_all_epochs_of_all_trials(sweep):
    sweep.add("seqgan", {"cost/device_s": 40.0}, {"cost/device_s": 44.5})
    sweep.add("seqgan", {"cost/device_s": 20.0}, state=TrialState.PRUNED)
    sweep.add("seqgan", {"cost/device_s": 7.0}, state=TrialState.FAILED)
    sweep.add("standard", {"cost/device_s": 9.0})
    seqgan, standard = sweep.rows()
    assert seqgan.effort.cost_device_s == 111.5
    assert standard.effort.cost_device_s == 9.0


def test_an_epoch_that_lacks_its_cost_took_one_device(sweep):
    sweep.add("standard", {}, {"time/epoch_s": 11.0}, {"cost/device_s": 100.0})
    assert sweep.rows()[0].effort.cost_device_s == (10 + 2) + (11 + 2) + 100


def test_an_epoch_that_cost_nothing_measurable_is_believed(sweep):
    sweep.add("standard", {"cost/device_s": 0.0})
    assert sweep.rows()[0].effort.cost_device_s == 0.0


def test_a_baseline_that_is_a_model_as_it_was_loaded_has_scores_and_no_effort(sweep):
    name = sweep.add("standard", kind="baseline", scores={"test/bleu": 20.0})
    sweep.select(name, bleu=21.0)
    sweep.trials[name] = replace(sweep.trials[name], evidence=Evidence({}, None))
    (row,) = sweep.rows()
    assert (row.row, row.best_value, row.mean_scores(), row.effort) == ("baseline", 21.0, {"test/bleu": 20.0}, None)


def test_the_baseline_stands_first_then_the_strategies_and_controls_as_they_began(sweep):
    names = ["seqgan", "standard", "standard_matched", "seqgan_constant", "seqgan_random"]
    for name in names:
        sweep.add(name, {})
    sweep.add("standard", {}, kind="baseline")
    sweep.add("seqgan", {})
    assert [row.row for row in sweep.rows()] == ["baseline", *names]
    assert [row.trials for row in sweep.rows()] == [1, 2, 1, 1, 1, 1]


def test_the_best_trial_is_found_by_its_selected_weights_or_its_best_epoch(sweep):
    averaged = sweep.add("standard", {"valid/bleu": 20.0})
    sweep.select(averaged, bleu=23.0)
    sweep.add("standard", {"valid/bleu": 22.0}, {"valid/bleu": 21.0}, state=TrialState.PRUNED)
    sweep.add("standard", {"valid/bleu": 30.0}, state=TrialState.FAILED)
    (row,) = sweep.rows()
    assert (row.best.id, row.best_value) == (averaged, 23.0)


def test_an_unhealthy_trial_still_counts_by_the_weights_it_selected(sweep):
    sweep.add("seqgan", {"valid/bleu": 19.0})
    unhealthy = sweep.add("seqgan", {"valid/bleu": 21.0}, {"valid/bleu": 2.0}, state=TrialState.PRUNED)
    sweep.select(unhealthy, bleu=21.0, healthy=False)
    (row,) = sweep.rows()
    assert (row.best.id, row.best_value, row.ended[TrialState.PRUNED]) == (unhealthy, 21.0, 1)


def test_the_best_epoch_is_finite_and_the_earliest_of_equals():
    reports = [Report(n, n, n, 0, {"valid/bleu": value}) for n, value in enumerate([2.0, math.nan, 7.0, 7.0], start=1)]
    assert best_report(reports, "valid/bleu") is reports[2]
    assert best_report(reports[1:2], "valid/bleu") is None
    assert best_report([], "valid/bleu") is None


def test_a_strategy_whose_trials_all_failed_has_no_row(sweep):
    sweep.add("standard", {})
    sweep.add("seqgan", {}, state=TrialState.FAILED)
    best = best_by_row(sweep.directory, sweep.trials, metric="valid/bleu")
    assert list(best) == ["standard"]


def test_repetitions_are_tested_in_place_of_the_trial_that_they_repeat_and_choose_nothing(sweep):
    def scores(bleu: float) -> dict[str, float]:
        return {"test/bleu": bleu, "test/bleu_low": bleu - 1, "test/bleu_high": bleu + 1, "test/chrf": 2 * bleu}

    sweep.add("standard", {}, kind="baseline")
    sweep.add("standard", {"valid/bleu": 50.0}, kind="baseline", scores=scores(10.0), seed=2)
    sweep.add("standard", {"valid/bleu": 60.0}, kind="baseline", scores=scores(12.0), seed=3)
    best = sweep.add("seqgan", {"valid/bleu": 20.0, "cost/device_s": 5.0}, scores=scores(99.0))
    sweep.add("seqgan", {"valid/bleu": 90.0, "cost/device_s": 70.0}, kind="confirm", scores=scores(20.0))
    sweep.add("seqgan", {"valid/bleu": 90.0}, kind="confirm", scores=scores(23.0))
    sweep.add("seqgan", {}, kind="confirm", state=TrialState.FAILED)
    baseline, seqgan = sweep.rows()
    assert (baseline.row, baseline.trials, baseline.best_value) == ("baseline", 1, 1.0)
    assert baseline.mean_scores() == {"test/bleu": 11.0, "test/chrf": 22.0}
    assert (seqgan.best.id, seqgan.trials, seqgan.effort.cost_device_s, len(seqgan.repeated)) == (best, 1, 5.0, 3)
    assert seqgan.scores("test/bleu") == [20.0, 23.0]
    assert seqgan.mean_scores() == {"test/bleu": 21.5, "test/chrf": 43.0}


def test_the_baselines_that_several_searches_start_from_repeat_nothing(sweep):
    for first in (1, 1001, 2001):
        sweep.add("standard", {"cost/device_s": 5.0}, kind="baseline", seed=first)
        for seed in (first + 1, first + 2):
            sweep.add("standard", {}, kind="baseline", seed=seed, scores={"test/bleu": float(seed)})
    (baseline,) = sweep.rows()
    assert [record.seed for record in baseline.repeated] == [2, 3, 1002, 1003, 2002, 2003]
    assert (baseline.trials, baseline.effort.cost_device_s) == (3, 15.0)


def test_one_tested_model_has_its_own_scores(sweep):
    scores = {"test/bleu": 3.0, "test/bleu_low": 2.0, "test/bleu_high": 4.0}
    sweep.add("standard", {}, scores=scores)
    (row,) = sweep.rows()
    assert (row.over_seeds, row.mean_scores()) == (False, scores)
