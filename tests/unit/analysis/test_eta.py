"""The remaining time is a range: from as many early stops as so far to none."""

from dataclasses import replace

import pytest

from intelligen.analysis.eta import SearchSize, search_eta
from intelligen.state.history import Report
from intelligen.state.trial_records import TrialRecord, TrialState

SIZE = SearchSize(trials=4, epochs=10, concurrent=1)


def trial(state: TrialState, *, epochs: int, epoch_s: float = 8.0) -> tuple[TrialRecord, list[Report]]:
    metrics = {"time/epoch_s": epoch_s, "time/validation_s": 2.0}
    reports = [Report(epoch, epoch, epoch, 0, metrics) for epoch in range(1, epochs + 1)]
    return TrialRecord("t", "trial", "standard", 1, {}, {}, "t", 0, 0, state=state), reports


def test_nothing_is_estimated_before_a_trial_has_ended():
    assert search_eta([], SIZE) is None
    assert search_eta([trial(TrialState.RUNNING, epochs=5)], SIZE) is None
    assert search_eta([trial(TrialState.FAILED, epochs=5)], SIZE) is None


def test_nothing_is_estimated_where_trials_have_no_bound():
    assert search_eta([trial(TrialState.COMPLETE, epochs=10)], SearchSize(None, 10, 1)) is None


def test_early_stops_make_the_low_end_and_whole_trials_the_high_end():
    # One of 100 s and one of 20 s have ended: two are left, of 60 s each or of 100 s each.
    ended = [trial(TrialState.COMPLETE, epochs=10), trial(TrialState.PRUNED, epochs=2)]
    eta = search_eta(ended, SIZE)
    assert eta is not None
    assert (eta.low_s, eta.high_s) == (120.0, 200.0)


def test_a_trial_under_way_has_only_the_rest_of_it_left():
    ended = [trial(TrialState.COMPLETE, epochs=10)] * 2
    eta = search_eta([*ended, trial(TrialState.RUNNING, epochs=7)], SIZE)
    assert eta is not None
    assert (eta.low_s, eta.high_s) == (130.0, 130.0)


def test_trials_at_once_share_the_time_but_none_is_shorter_than_itself():
    ended = [trial(TrialState.COMPLETE, epochs=10)]
    eta = search_eta(ended, SearchSize(trials=4, epochs=10, concurrent=2))
    assert eta is not None
    assert eta.high_s == pytest.approx(150.0)
    eta = search_eta(ended, SearchSize(trials=2, epochs=10, concurrent=8))
    assert eta is not None
    assert eta.high_s == pytest.approx(100.0)


def test_what_confirms_the_search_comes_on_top_whole():
    size = SearchSize(trials=1, epochs=10, concurrent=1, repetitions=3, least_repetitions=3)
    repeated = [trial(TrialState.COMPLETE, epochs=10), trial(TrialState.RUNNING, epochs=4)]
    eta = search_eta([trial(TrialState.PRUNED, epochs=2)], size, repeated=repeated)
    assert eta is not None
    assert (eta.low_s, eta.high_s) == (60.0 + 100.0,) * 2
    eta = search_eta([trial(TrialState.PRUNED, epochs=2)], replace(size, repetitions=5), repeated=repeated)
    assert eta is not None
    assert (eta.low_s, eta.high_s) == (60.0 + 100.0, 60.0 + 300.0)
