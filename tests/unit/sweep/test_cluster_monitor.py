"""What goes wrong where the cluster is gone is the cluster's fault, and no trial's."""

import gc
import socket
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from searches import sweep

from intelligen.config.schema.experiment import Experiment
from intelligen.errors import ClusterLostError
from intelligen.state.ledger import Ledger, TrialState
from intelligen.sweep.cluster import cluster_monitor
from intelligen.sweep.cluster.cluster_monitor import Address, ClusterMonitor
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.sweep_context import SweepContext
from intelligen.sweep.trial_lifecycle import end_trial


@pytest.fixture(name="there")
def listening_address() -> Iterator[Address]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


@pytest.fixture(name="gone")
def address_without_a_listener(monkeypatch: pytest.MonkeyPatch) -> Address:
    monkeypatch.setattr(cluster_monitor, "LOST_AFTER_S", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address: Address = server.getsockname()
    return address


def test_both_must_answer(there: Address, gone: Address) -> None:
    ClusterMonitor([there]).require()
    with pytest.raises(ClusterLostError, match="run the same command to resume"):
        ClusterMonitor([there, gone]).require()


def test_what_comes_back_in_time_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([False, False, True])
    monkeypatch.setattr(cluster_monitor, "POLL_S", 0.0)
    monkeypatch.setattr(cluster_monitor, "listens", lambda address: next(answers))
    ClusterMonitor([("head", 1)]).require()


@pytest.mark.parametrize("crashed", [True, False])
def test_no_trial_has_failed_whose_cluster_is_gone(
    tmp_path: Path, gone: Address, monkeypatch: pytest.MonkeyPatch, crashed: bool
) -> None:
    directory = tmp_path / "sweeps" / "s"
    with Ledger.open(directory, {"sweep_id": "0"}) as ledger:
        run = SweepContext(sweep(), Experiment(version=1, name="e"), DataOfRows("x"), tmp_path, directory, ledger)
        ledger.start(
            "t0000", kind="trial", row="standard", seed=1, params={}, config={}, directory="trials/t0000", number=0
        )
        monkeypatch.setattr(cluster_monitor, "_held", ClusterMonitor([gone]))
        with pytest.raises(ClusterLostError):
            end_trial(run, "t0000", crashed=crashed, stopped=None)
        assert ledger.trials["t0000"].state is TrialState.RUNNING
        monkeypatch.setattr(cluster_monitor, "_held", None)
        end_trial(run, "t0000", crashed=crashed, stopped=None)
        assert ledger.trials["t0000"].state is TrialState.FAILED


def test_while_ray_is_left_no_thread_drops_what_was_garbage(monkeypatch):
    class Cycle:
        pass

    garbage = Cycle()
    garbage.itself = garbage
    left, seen = weakref.ref(garbage), []
    del garbage
    monkeypatch.setattr(cluster_monitor.ray, "shutdown", lambda: seen.append((left() is None, gc.isenabled())))
    cluster_monitor.leave_ray()
    assert seen == [(True, False)]
    assert gc.isenabled()
