"""The updates of a matched control follow from how long those of both take."""

from intelligen.analysis.matched_updates import updates_ratio
from intelligen.state.history import Report


def trial(*epochs_s: float, tokens: int = 100, processor_s: float | None = None) -> list[Report]:
    """The epochs of a trial, each of so many tokens."""
    known = {} if processor_s is None else {"cost/processor_s": processor_s}
    return [
        Report(number, number, tokens * number, 0, {"time/epoch_s": seconds, **known})
        for number, seconds in enumerate(epochs_s, start=1)
    ]


def test_the_ratio_is_that_of_the_mean_epochs_where_these_are_alike() -> None:
    assert updates_ratio(trial(6.0, 8.0), [trial(2.0, 2.0), trial(3.5)]) == 2.8


def test_larger_or_more_updates_of_an_epoch_do_not_change_it() -> None:
    assert updates_ratio(trial(6.0, 8.0, tokens=400), [trial(1.0, tokens=200), trial(2.0)]) == 1.75


def test_processor_time_counts_where_all_epochs_have_it() -> None:
    assert updates_ratio(trial(1.0, processor_s=9.0), [trial(1.0, processor_s=4.0)]) == 2.25
    assert updates_ratio(trial(1.0, processor_s=9.0), [trial(0.5)]) == 2.0


def test_a_control_makes_at_least_the_updates_of_standard_and_at_most_a_hundred_times_as_many() -> None:
    assert updates_ratio(trial(1.0), [trial(2.0)]) == 1.0
    assert updates_ratio(trial(1000.0), [trial(2.0)]) == 100.0
