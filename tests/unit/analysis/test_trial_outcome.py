"""A trial's outcome is read from the files in its directory."""

import json
from pathlib import Path

import pytest
from torch import nn

from intelligen.analysis.trial_outcome import Outcome, read_outcome
from intelligen.errors import StorageError
from intelligen.state.checksummed_json import unseal
from intelligen.state.failure_file import FAILURE_FILE, forget_failure, write_failure
from intelligen.state.history import History, Report
from intelligen.state.trial_records import TrialState
from intelligen.state.trial_result import RESULT, Result, read_result
from intelligen.training.selected_weights import write_result

METRIC = "valid/bleu"
UNHEALTHY = "length drift: hypotheses are 1.52 of the references' length, at the start 1.01, for 2 epochs"


def finish(directory: Path, *, stop_reason: str, healthy: bool) -> Result:
    result = Result("best of 3 epochs (update 10)", {"valid/bleu": 21.5}, stop_reason, healthy=healthy)
    return write_result(directory, result, model=nn.Linear(1, 1))


def outcome(directory: Path, *, crashed: bool = False) -> Outcome:
    return read_outcome(directory, objectives=["valid/bleu"], crashed=crashed)


@pytest.mark.parametrize("crashed", [False, True])
def test_a_trial_that_ran_its_course_is_complete_whatever_the_scheduler_saw(tmp_path, crashed):
    finish(tmp_path, stop_reason="finished", healthy=True)
    assert outcome(tmp_path, crashed=crashed) == Outcome(
        TrialState.COMPLETE, "finished", (21.5,), selected={METRIC: 21.5}
    )


def test_an_unhealthy_trial_is_pruned_with_its_reason_and_the_value_of_its_weights(tmp_path):
    finish(tmp_path, stop_reason=UNHEALTHY, healthy=False)
    assert outcome(tmp_path) == Outcome(TrialState.PRUNED, UNHEALTHY, (21.5,), selected={METRIC: 21.5})


@pytest.mark.parametrize("healthy", [True, False])
def test_a_result_keeps_its_health(tmp_path, healthy):
    assert finish(tmp_path, stop_reason=UNHEALTHY, healthy=healthy) == read_result(tmp_path)
    assert read_result(tmp_path).healthy is healthy


def test_a_result_that_says_nothing_of_health_is_healthy(tmp_path):
    finish(tmp_path, stop_reason="finished", healthy=True)
    fields = unseal((tmp_path / RESULT).read_text())
    del fields["healthy"]
    (tmp_path / RESULT).write_text(json.dumps(fields))
    assert outcome(tmp_path).state is TrialState.COMPLETE


def test_a_trial_without_a_result_was_stopped_failed_or_never_ran(tmp_path):
    assert outcome(tmp_path).state is TrialState.FAILED
    History(tmp_path).append(Report(1, 10, 100, 0, {"valid/bleu": 20.0}))
    reason = "stopped by the scheduler after epoch 1"
    assert outcome(tmp_path) == Outcome(TrialState.PRUNED, reason, curve={1: 20.0}, selected={METRIC: 20.0})
    assert outcome(tmp_path, crashed=True).state is TrialState.FAILED
    write_failure(tmp_path, "diverged")
    assert outcome(tmp_path) == Outcome(TrialState.FAILED, "diverged", curve={1: 20.0})
    forget_failure(tmp_path)
    assert outcome(tmp_path).state is TrialState.PRUNED


def test_a_trial_that_the_budget_stopped_says_so_whether_or_not_it_came_to_an_epoch(tmp_path):
    reason = "the budget of 2 device-hours is spent"
    ended = read_outcome(tmp_path, objectives=["valid/bleu"], crashed=False, stopped=reason)
    assert ended == Outcome(TrialState.PRUNED, reason)
    History(tmp_path).append(Report(1, 10, 100, 0, {"valid/bleu": 20.0}))
    ended = read_outcome(tmp_path, objectives=["valid/bleu"], crashed=False, stopped=reason)
    assert ended == Outcome(TrialState.PRUNED, reason, curve={1: 20.0}, selected={METRIC: 20.0})
    finish(tmp_path, stop_reason="finished", healthy=True)
    assert read_outcome(tmp_path, objectives=["valid/bleu"], crashed=False, stopped=reason).state is TrialState.COMPLETE


def test_a_trial_whose_objective_is_no_number_has_failed(tmp_path):
    write_result(tmp_path, Result("best", {"valid/bleu": float("nan")}, "finished"), model=nn.Linear(1, 1))
    assert outcome(tmp_path) == Outcome(TrialState.FAILED, "its valid/bleu is nan")


def test_time_and_cost_are_of_all_epochs_of_the_trial(tmp_path):
    for epoch, seconds in ((1, 2.0), (2, 4.0)):
        metrics = {"valid/bleu": 20.0, "time/epoch_s": seconds, "cost/device_s": 3 * seconds}
        History(tmp_path).append(Report(epoch, 10, 100, 0, metrics))
    finish(tmp_path, stop_reason="finished", healthy=True)
    objectives = ["valid/bleu", "time/epoch_s", "cost/device_s"]
    assert read_outcome(tmp_path, objectives=objectives, crashed=False).values == (21.5, 3.0, 18.0)


def test_a_stopped_trial_is_worth_its_best_epoch_not_its_last(tmp_path):
    for epoch, bleu in enumerate((20.0, 38.85, 38.35), start=1):
        metrics = {METRIC: bleu, "valid/loss": 5.0 - epoch, "time/epoch_s": 2.0 * epoch, "cost/device_s": 3.0}
        History(tmp_path).append(Report(epoch, 10, 100, 0, metrics))
    objectives = [METRIC, "valid/loss", "time/epoch_s", "cost/device_s"]
    stopped = read_outcome(tmp_path, objectives=objectives, crashed=False)
    assert (stopped.state, stopped.values) == (TrialState.PRUNED, ())
    assert stopped.selected == {METRIC: 38.85, "valid/loss": 3.0, "time/epoch_s": 4.0, "cost/device_s": 9.0}


@pytest.mark.parametrize("text", ["{]", "[]", "{}", '{"selected": "b', '{"unknown": 1}'])
@pytest.mark.parametrize("file", [RESULT, FAILURE_FILE])
def test_a_damaged_file_is_named(tmp_path, file, text):
    (tmp_path / file).write_text(text)
    with pytest.raises(StorageError, match=rf"{file}: damaged \(\w+: .*restore it from a copy"):
        outcome(tmp_path)
