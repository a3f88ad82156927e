"""Timing makes real updates and a real validation, and gives their duration as a range."""

from types import SimpleNamespace

import torch
from conftest import tiny_trial

from intelligen.config.schema.single_strategies import Discriminator, SeqGan, StandardMatched
from intelligen.data.prepared_data import open_prepared
from intelligen.training import timing
from intelligen.training.timing import (
    Bench,
    Stopwatch,
    TimeRange,
    _halves,
    _without_pretraining,
    alone_s,
    time_epoch,
    time_validation,
)


def bench(store_and_identity) -> Bench:
    store, identity = store_and_identity
    return Bench(open_prepared(store / "prepared" / identity), torch.device("cpu"), 1, start=None)


def test_an_epoch_takes_its_updates_and_a_matched_one_more_of_them(tiny_store):
    trial = tiny_trial(tiny_store[1])
    span = time_epoch(trial, bench(tiny_store))
    assert 0 < span.low <= span.high
    matched = time_epoch(tiny_trial(tiny_store[1], strategy=StandardMatched(updates_ratio=50.0)), bench(tiny_store))
    assert matched.low > 5 * span.low  # fifty times the updates, on a machine that may be busy


def test_a_pass_of_updates_of_so_many_rows_is_timed_too(tiny_store):
    by_rows = {"epoch_updates": None, "batch_tokens": None, "batch_rows": 8}
    trial = tiny_trial(tiny_store[1])
    trial = trial.model_copy(update={"training": trial.training.model_copy(update=by_rows)})
    assert time_epoch(trial, bench(tiny_store)).low > 0


def test_random_weights_write_to_the_bound_so_the_low_end_is_that_of_references(tiny_store):
    span = time_validation(tiny_trial(tiny_store[1]), bench(tiny_store))
    assert 0 < span.low < span.high


def test_it_leaves_the_number_of_threads_as_it_was(tiny_store):
    before = torch.get_num_threads()
    time_validation(tiny_trial(tiny_store[1]), bench(tiny_store))
    assert torch.get_num_threads() == before


def test_a_discriminator_is_timed_as_trained():
    settings = {"strategy": SeqGan(discriminator=Discriminator(pretraining_updates=40)).model_dump()}
    assert _without_pretraining(settings)["strategy"]["discriminator"]["pretraining_updates"] == 0


def test_other_work_on_the_machine_makes_no_update_longer():
    assert alone_s(wall_s=8.0, processor_s=2.0) == 2.0


def test_several_threads_take_the_time_of_the_clock_and_not_of_all_of_them():
    assert alone_s(wall_s=2.0, processor_s=7.5) == 2.0


def test_a_stopwatch_leaves_out_the_time_in_which_it_does_not_compute(monkeypatch):
    wall, processor = iter([10.0, 18.0]), iter([1.0, 3.0])
    clocks = SimpleNamespace(perf_counter=lambda: next(wall), process_time=lambda: next(processor))
    monkeypatch.setattr(timing, "time", clocks)
    assert Stopwatch(torch.device("cpu")).seconds() == 2.0


def test_the_range_is_from_the_faster_half_to_the_slower_half():
    assert _halves([4.0, 1.0, 3.0, 2.0]) == TimeRange(1.5, 3.5)
    assert _halves([5.0]) == TimeRange(5.0, 5.0)
    assert TimeRange(1.0, 2.0) + TimeRange(3.0, 4.0).times(2) == TimeRange(7.0, 10.0)
