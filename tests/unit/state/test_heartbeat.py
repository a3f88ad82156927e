"""A heartbeat names the process that works on a trial, and is touched while the trial makes progress."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from intelligen.state import heartbeat as pulses
from intelligen.state.heartbeat import WorkerProcess, heartbeat, last_heartbeat, read_worker
from intelligen.state.layout import HEARTBEAT_FILE


def test_it_names_this_process_while_it_works_and_none_afterwards(tmp_path: Path) -> None:
    with heartbeat(tmp_path, rank=0):
        worker = read_worker(tmp_path)
        assert worker == WorkerProcess.this_process()
        assert worker.process().pid == os.getpid()
    assert (read_worker(tmp_path), last_heartbeat(tmp_path)) == (None, None)


def test_another_process_under_the_same_number_is_not_it() -> None:
    worker = WorkerProcess.this_process()
    assert replace(worker, started_s=worker.started_s - 60).process() is None
    assert replace(worker, pid=2**22 + 1).process() is None


def test_it_beats_at_most_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with heartbeat(tmp_path, rank=0) as beat:
        os.utime(tmp_path / HEARTBEAT_FILE, (0, 0))
        beat()
        assert last_heartbeat(tmp_path) == 0
        monkeypatch.setattr(pulses, "EVERY_S", 0.0)
        beat()
        assert last_heartbeat(tmp_path) > 0


def test_only_the_first_rank_has_one(tmp_path: Path) -> None:
    with heartbeat(tmp_path, rank=1) as beat:
        beat()
        assert list(tmp_path.iterdir()) == []
