"""The updates of a matched control follow from how long epochs of both take."""

from intelligen.analysis.matched_updates import updates_ratio
from intelligen.state.history import Report


def epoch(seconds: float, **metrics: float) -> Report:
    return Report(1, 1, 1, 0, {"time/epoch_s": seconds, **metrics})


def with_processor(seconds: float) -> Report:
    return epoch(1.0, **{"cost/processor_s": seconds})


def test_the_ratio_is_that_of_the_mean_epochs() -> None:
    assert updates_ratio([epoch(6.0), epoch(8.0)], [epoch(2.0), epoch(2.0), epoch(3.5)]) == 2.8


def test_processor_time_counts_where_all_epochs_have_it() -> None:
    assert updates_ratio([with_processor(9.0)], [with_processor(4.0)]) == 2.25
    assert updates_ratio([with_processor(9.0)], [epoch(0.5)]) == 2.0


def test_a_control_makes_at_least_the_updates_of_standard_and_at_most_a_hundred_times_as_many() -> None:
    assert updates_ratio([epoch(1.0)], [epoch(2.0)]) == 1.0
    assert updates_ratio([epoch(1000.0)], [epoch(2.0)]) == 100.0
