"""A sweep joins the cluster that runs where it is started, says so, and looks at every node before it trains."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from ray.cluster_utils import Cluster
from started_clusters import Started, can_hide, started
from test_sweep import ON_PROCESSORS, SWEEP, Project

from intelligen.state.ledger import Ledger
from intelligen.state.trial_records import TrialState
from intelligen.sweep.cluster import find_cluster
from intelligen.training.matmul_choice import recorded_matmul
from intelligen.training.reproducibility_manifest import processor

pytestmark = pytest.mark.slow

ONE_TRIAL = SWEEP.replace("trials_per_strategy: 3", "trials: 1")
USERS_ARENAS = json.dumps({"runtime_env": {"env_vars": {"MALLOC_ARENA_MAX": "3"}}})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("project"), ONE_TRIAL)
    (project.directory / "private").mkdir()
    project.train_baseline()
    return project


@pytest.fixture(scope="module")
def cluster(project: Project) -> Iterator[Started]:
    """A head without a processor, and a node from which the directory `private` is hidden."""
    with started("--num-cpus=0") as cluster:
        node = ["--num-cpus=1", "--num-gpus=1", f"--address={cluster.address}"]
        hidden = project.directory / "private" if can_hide() else None
        cluster.start(*node, hidden=hidden)
        yield cluster


def call(project: Project, cluster: Started, *arguments: str, **environment: str) -> tuple[int, str]:
    """A verb in a process of its own, which nobody told of the cluster."""
    done = subprocess.run(
        [sys.executable, "-m", "intelligen", *arguments],
        cwd=project.directory,
        env=cluster.environment | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_launch_joins_what_ray_start_started_here_and_says_how_to_prevent_it(
    project: Project, cluster: Started
) -> None:
    code, output = call(project, cluster, "run", "sweep.yaml", *ON_PROCESSORS, INTELLIGEN_MATMUL="auto")
    assert code == 0, output
    first, second, *_ = output.splitlines()
    found = f"({cluster.temporary}/ray/ray_current_cluster names it)"
    assert first == f"joins the Ray cluster at {cluster.address} {found}; --local runs it on this machine instead"
    assert second.startswith(f"the cluster at {cluster.address}: 1 CPU and 1 GPU; search 1 trial at once, 1 worker")
    assert "idle in the search: 1 of 1 GPU" in second
    (trial,) = (record for record in project.trials().values() if record.kind == "trial")
    assert trial.state is TrialState.COMPLETE
    # The node was asked by what it computes products faster, and the trial does so.
    with Ledger.open(project.sweep, {}) as ledger:
        assert ledger.matmul == {processor(): recorded_matmul(trial.within(project.sweep))}


@pytest.mark.extended
def test_a_job_runs_on_its_cluster_and_what_its_user_set_for_it_wins(project: Project, cluster: Started) -> None:
    job = {find_cluster.IN_A_JOB: USERS_ARENAS, "RAY_ADDRESS": cluster.address}
    code, output = call(project, cluster, "run", "sweep.yaml", "-o", "budget.trials=2", *ON_PROCESSORS, **job)
    assert code == 0, output
    assert f"joins the Ray cluster at {cluster.address} (of this Ray job)" in output.splitlines()
    code, output = call(project, cluster, "run", "sweep.yaml", "--local", **job)
    assert (code, output.count("\n")) == (2, 1)
    assert "--local: a Ray job runs on its cluster" in output


@pytest.mark.parametrize(
    ("local", "environment", "found"),
    [
        (False, {}, "/ray/ray_current_cluster names it"),
        (False, {"RAY_ADDRESS": "10.0.0.1:6379"}, "RAY_ADDRESS names it"),
        (True, {"RAY_ADDRESS": "10.0.0.1:6379"}, None),
        (True, {}, None),
        (False, {"RAY_ADDRESS": "local"}, None),
    ],
)
def test_local_prevents_it(
    cluster: Started, monkeypatch: pytest.MonkeyPatch, local: bool, environment: dict, found: str | None
) -> None:
    for name, value in (cluster.environment | {"RAY_ADDRESS": ""} | environment).items():
        monkeypatch.setenv(name, value)
    joined = find_cluster.find_cluster(local=local)
    assert (joined is None) == (found is None)
    assert joined is None or joined.found.endswith(str(found))


def test_a_directory_that_a_node_does_not_see_is_refused_before_anything_is_prepared(
    project: Project, cluster: Started
) -> None:
    if not can_hide():
        pytest.skip("hiding a directory needs the right to mount one")
    code, output = call(project, cluster, "run", "sweep.yaml", "--runs", "private", *ON_PROCESSORS)
    assert (code, output.count("\n")) == (69, 1), output
    assert f"does not see {project.directory / 'private'}; put --runs on a directory that every node has" in output
    assert list((project.directory / "private").iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="only a node whose GPU cannot be used shows it")
def test_a_node_whose_torch_cannot_use_its_gpu_is_refused_before_a_trial_fails_there(
    project: Project, cluster: Started
) -> None:
    code, output = call(project, cluster, "run", "sweep.yaml", "-o", "name=on-gpus")
    assert (code, output.count("\n")) == (69, 1), output
    assert "Ray counts 1 GPUs, torch" in output
    assert not (project.directory / "runs" / "sweeps" / "on-gpus").exists()


@pytest.mark.extended
def test_a_doctor_asks_every_node_of_the_cluster_that_a_launch_would_join(project: Project, cluster: Started) -> None:
    code, output = call(project, cluster, "doctor", "--runs", "private")
    assert code == 69
    assert "joins the Ray cluster at" in output
    assert "Ray counts 1 GPUs" in output or "does not see" in output


@pytest.mark.extended
def test_a_worker_that_fits_no_node_is_refused_with_the_nodes(project: Project, cluster: Started) -> None:
    cluster.start("--num-cpus=1", f"--address={cluster.address}")
    wide = ("-o", "name=wide", "-o", "resources.cpus_per_worker=2")
    code, output = call(project, cluster, "run", "sweep.yaml", *ON_PROCESSORS, *wide)
    assert (code, output.count("\n")) == (69, 1), output
    assert "resources: a worker asks for 2 CPUs on one node" in output


def test_an_address_file_that_outlived_its_cluster_names_none(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    (tmp_path / "ray").mkdir()
    assert find_cluster.find_cluster(local=False) is None
    for left in ("127.0.0.1:9", "", "no address", "host:port"):
        find_cluster.address_file().write_text(left)
        assert find_cluster.find_cluster(local=False) is None


@pytest.mark.extended
def test_a_head_that_is_stopped_and_one_of_a_program_are_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with started("--num-cpus=0") as cluster:
        monkeypatch.setenv("RAY_TMPDIR", str(cluster.temporary))
        found = find_cluster.find_cluster(local=False)
        assert found is not None
        assert found.address == cluster.address
        monkeypatch.setattr(find_cluster, "ANSWERS_WITHIN_S", 1.0)
        (head,) = (process for process in cluster.processes() if process.name() == "gcs_server")
        head.send_signal(signal.SIGSTOP)
        assert find_cluster.find_cluster(local=False) is None
        program = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        try:
            find_cluster.address_file().write_text(program.address)
            assert find_cluster.find_cluster(local=False) is None
        finally:
            program.shutdown()
