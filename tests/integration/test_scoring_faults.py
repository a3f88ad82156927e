"""Scoring that fails is tried again as a trial is, and what cannot be placed ends the launch: nothing waits forever."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster
from test_cluster_faults import HASTY

from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import CrashedError, IntelligenError, MemoryShortageError, NodeLostError
from intelligen.state.heartbeat import WorkerProcess, read_worker
from intelligen.state.layout import HEARTBEAT_FILE
from intelligen.state.ledger import Ledger
from intelligen.state.trial_records import TrialState
from intelligen.state.trial_result import TRIAL
from intelligen.sweep.execution.fixed_trials import run_fixed_trials
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.score_test_sets import score_trials
from intelligen.sweep.sweep_context import SweepContext

pytestmark = pytest.mark.slow

SWEEP = {
    "version": 1,
    "name": "s",
    "experiment": "e.yaml",
    "space": {"strategy": {"choice": {"standard": {}}}},
    "budget": {"trials": 1},
    "resources": {"attempts": 2, "gpus_per_worker": 0},
}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[SweepContext]:
    """A trial that has finished, and whose scoring does not come to an end: it waits for the trial's settings."""
    directory = tmp_path / "sweeps" / "s"
    sweep = Sweep.model_validate(
        SWEEP | {"budget": {"trials": 1}, "resources": {"attempts": 2, "gpus_per_worker": 0}}, strict=False
    )
    with Ledger.open(directory, {"sweep_id": "0"}) as ledger:
        run = SweepContext(sweep, Experiment(version=1, name="e"), DataOfRows("x"), tmp_path, directory, ledger)
        facts = {"kind": "trial", "row": "standard", "seed": 1, "params": {}, "config": {}}
        ledger.start("t0000", directory="trials/t0000", number=0, **facts)
        ledger.finish("t0000", TrialState.COMPLETE, "finished")
        (directory / "trials" / "t0000").mkdir(parents=True)
        os.mkfifo(directory / "trials" / "t0000" / TRIAL)
        yield run


@contextmanager
def cluster_of_one_node(**system: object) -> Iterator[Cluster]:
    """And a head without a processor."""
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": {**HASTY, **system}}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def scored(run: SweepContext) -> IntelligenError:
    """What ends the scoring."""
    with pytest.raises(IntelligenError) as told:
        score_trials(run, run.ledger.trials.values())
    assert run.ledger.trials["t0000"].state is TrialState.COMPLETE
    assert run.ledger.trials["t0000"].scores == {}
    assert not (run.directory / "trials" / "t0000" / "failure.json").exists()
    return told.value


def kill_workers(directory: Path, over: threading.Event, killed: list[WorkerProcess]) -> None:
    """Each process that scores, once."""
    while not over.wait(0.2):
        worker = read_worker(directory) if (directory / HEARTBEAT_FILE).exists() else None
        process = None if worker is None else worker.process()
        if worker is not None and process is not None and worker not in killed:
            killed.append(worker)
            process.kill()


def lose_nodes_that_score(cluster: Cluster, directory: Path) -> None:
    """Once each of them scores."""
    while not (directory / HEARTBEAT_FILE).exists():
        time.sleep(0.2)
    (node,) = cluster.worker_nodes
    cluster.remove_node(node, allow_graceful=False)


def test_scoring_whose_process_dies_is_tried_again_and_where_no_node_is_left_the_launch_ends(run: SweepContext) -> None:
    directory = run.directory / "trials" / "t0000"
    with cluster_of_one_node() as cluster:
        over, killed = threading.Event(), list[WorkerProcess]()
        killing = threading.Thread(target=kill_workers, args=(directory, over, killed), daemon=True)
        killing.start()
        error = scored(run)
        over.set()
        killing.join()
        assert (type(error), error.exit_code) == (CrashedError, 3)
        assert str(error) == (
            f"{directory}: cannot score the test sets: its process died at every attempt; the same command tries again"
        )
        assert len(killed) == 2  # resources.attempts

        (directory / HEARTBEAT_FILE).unlink()
        losing = threading.Thread(target=lose_nodes_that_score, args=(cluster, directory), daemon=True)
        losing.start()
        error = scored(run)
        losing.join()
        assert (type(error), error.exit_code) == (NodeLostError, 75)
        assert "node was lost" in str(error)
        assert "have no room for the trial" in str(error)

        # Nothing has begun there that could fail: what waits for its node has to look for itself.
        assert type(scored(run)) is NodeLostError
        with pytest.raises(NodeLostError, match="have no room for the trial"):
            run_fixed_trials(run, {"t0000": lambda: {}}, resources=run.sweep.resources, name="none")


@pytest.mark.extended
def test_scoring_that_is_killed_for_memory_is_tried_again_alone_and_ends_with_its_own_line(
    run: SweepContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_task_oom_retries", "0")
    with cluster_of_one_node(memory_usage_threshold=0.001, memory_monitor_refresh_ms=3000):
        error = scored(run)
    assert (type(error), error.exit_code) == (MemoryShortageError, 69)
    assert "cannot score the test sets: out of memory: " in str(error)
    assert "nothing ran beside it; the same command tries again" in str(error)
