"""A trial begins with what others found to fit, and finds by itself what leaves a tenth of the free memory."""

import resource
from pathlib import Path

import psutil
import pytest
import torch
from conftest import tiny_trial

from intelligen.config.schema.training import Training
from intelligen.errors import ShrunkError, StorageError
from intelligen.state.history import HISTORY_FILE, read_history
from intelligen.state.memory_bounds import MEMORY_FILE, MemoryBounds
from intelligen.training.device_memory import memory_name
from intelligen.training.fit import fit
from intelligen.training.replay import Recorded
from intelligen.training.runtime import Runtime
from intelligen.training.trial_memory import TrialMemory

DEVICE = memory_name(torch.device("cpu"))


def short(prepared: str, **training: object):
    trial = tiny_trial(prepared)
    changes = {"epochs": 1, "epoch_updates": 2, **training}
    return trial.model_copy(update={"training": trial.training.model_copy(update=changes)})


def bounds(directory: Path) -> list[tuple[int, int | None]]:
    return [(one.since_update, one.micro_batch_tokens) for one in MemoryBounds.read(directory).entries]


@pytest.mark.parametrize(
    ("hints", "found"),
    [({DEVICE: 100}, [(0, 100)]), ({"another device": 100}, []), ({DEVICE: 300}, []), ({}, [])],
)
def test_a_hint_holds_for_its_device_and_where_it_bounds_anything(tiny_store, tmp_path, hints, found):
    store, identity = tiny_store
    fit(short(identity), Runtime(store, tmp_path, memory_hints=hints))
    assert bounds(tmp_path) == found
    assert (tmp_path / "lock.json").read_text().count('"micro_batch_tokens": 100') == len(found)


def test_a_replay_names_the_parts_that_are_no_longer_known(tiny_store, tmp_path):
    store, identity = tiny_store
    fit(short(identity), Runtime(store, tmp_path, memory_hints={DEVICE: 100}))
    assert Recorded.read(tmp_path, store=store).changes == ()
    (tmp_path / MEMORY_FILE).unlink()
    gone = "from update 0: memory.json: micro_batch_tokens: 100 → none"
    assert Recorded.read(tmp_path, store=store).changes == (gone,)


def test_the_longest_update_is_tried_within_what_is_free(tiny_store, tmp_path, monkeypatch):
    """Else the kernel would kill for it, and nothing would be learnt from that."""
    store, identity = tiny_store
    limits = []

    def rehearse(*_: object) -> None:
        limits.append(resource.getrlimit(resource.RLIMIT_DATA)[0])

    monkeypatch.setattr("intelligen.strategies.base.Strategy.rehearse", rehearse)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    fit(short(identity), Runtime(store, tmp_path))
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    (limit,) = limits
    assert 0 < limit < psutil.Process().memory_info().vms + psutil.virtual_memory().total


def test_automatic_parts_are_the_whole_update_where_it_fits(tiny_store, tmp_path):
    store, identity = tiny_store
    fit(short(identity, micro_batch_tokens="auto"), Runtime(store, tmp_path))
    assert bounds(tmp_path) == []


def test_automatic_parts_are_smaller_where_the_free_memory_asks_for_it(tiny_store, tmp_path, monkeypatch):
    """What is free is given here: the memory of this process, with all that other tests left in it, is none to set."""
    store, identity = tiny_store
    monkeypatch.setattr("intelligen.training.memory_probe.free_memory", lambda device: 0)
    fit(short(identity, micro_batch_tokens="auto"), Runtime(store, tmp_path))
    ((since, tokens),) = bounds(tmp_path)
    assert (since, tokens is not None and tokens < 14) == (0, True)
    (report,) = read_history(tmp_path / HISTORY_FILE)
    assert report.tags["memory/micro_batch_tokens"] == str(tokens)


def test_automatic_is_no_number_for_a_loader():
    assert Training(micro_batch_tokens="auto").most_micro_batch_tokens is None
    assert Training(micro_batch_tokens=7).most_micro_batch_tokens == 7


def test_a_rank_that_loses_another_which_ran_out_of_memory_ends_alike(tmp_path):
    memory = TrialMemory(Runtime(tmp_path, tmp_path))
    with pytest.raises(RuntimeError, match="closed by peer"), memory.ending_together():
        raise RuntimeError("Connection closed by peer")
    TrialMemory(Runtime(tmp_path, tmp_path)).bound_updates(400, since=2)
    with pytest.raises(ShrunkError, match="all of them go on in smaller parts"), memory.ending_together():
        raise RuntimeError("Connection closed by peer")
    with pytest.raises(StorageError), memory.ending_together():
        raise StorageError("the disk is full")
