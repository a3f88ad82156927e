"""What goes wrong where the cluster is gone is the cluster's fault, and no trial's."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from searches import sweep

from intelligen.config.experiment import Experiment
from intelligen.errors import ClusterLostError
from intelligen.sweep import lifeline
from intelligen.sweep.lifeline import Address, Lifeline
from intelligen.sweep.sweep_run import SweepRun
from intelligen.sweep.trials import settle_trial
from intelligen.tracking.ledger import Ledger, TrialState


@pytest.fixture(name="there")
def listening_address() -> Iterator[Address]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


@pytest.fixture(name="gone")
def address_without_a_listener(monkeypatch: pytest.MonkeyPatch) -> Address:
    monkeypatch.setattr(lifeline, "LOST_AFTER_S", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address: Address = server.getsockname()
    return address


def test_both_must_answer(there: Address, gone: Address) -> None:
    Lifeline([there]).require()
    with pytest.raises(ClusterLostError, match="run the same command to resume"):
        Lifeline([there, gone]).require()


def test_what_comes_back_in_time_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([False, False, True])
    monkeypatch.setattr(lifeline, "POLL_S", 0.0)
    monkeypatch.setattr(lifeline, "listens", lambda address: next(answers))
    Lifeline([("head", 1)]).require()


@pytest.mark.parametrize("crashed", [True, False])
def test_no_trial_has_failed_whose_cluster_is_gone(
    tmp_path: Path, gone: Address, monkeypatch: pytest.MonkeyPatch, crashed: bool
) -> None:
    directory = tmp_path / "sweeps" / "s"
    with Ledger.open(directory, {"sweep_id": "0"}) as ledger:
        run = SweepRun(sweep(), Experiment(version=1, name="e"), "x", tmp_path, directory, ledger)
        ledger.start(
            "t0000", kind="trial", strategy="standard", seed=1, params={}, config={}, directory="trials/t0000", number=0
        )
        monkeypatch.setattr(lifeline, "_held", Lifeline([gone]))
        with pytest.raises(ClusterLostError):
            settle_trial(run, "t0000", crashed=crashed, stopped=None)
        assert ledger.trials["t0000"].state is TrialState.RUNNING
        monkeypatch.setattr(lifeline, "_held", None)
        settle_trial(run, "t0000", crashed=crashed, stopped=None)
        assert ledger.trials["t0000"].state is TrialState.FAILED
