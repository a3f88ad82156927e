"""A node dies: its trial goes on elsewhere. The cluster dies: the same command goes on. Neither changes a weight."""

import contextlib
import http.client
import re
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import ray
import torch
from ray.cluster_utils import Cluster
from test_sweep import (
    SWEEP,
    Project,
    processes_of,
    require_closed,
    require_nothing_left,
    require_records_agree,
    wait_for,
)

import intelligen
from intelligen.errors import UnavailableError
from intelligen.state.history import read_history
from intelligen.state.trial_records import SweepStatus, TrialRecord, TrialState
from intelligen.state.trial_result import read_result, read_trial
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime

pytestmark = pytest.mark.slow

EPOCHS = 10
UNPRUNED = SWEEP.replace("{name: asha, grace_epochs: 1, reduction_factor: 2}", "{name: none}")
# A dead node is to be known in seconds.
HASTY = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000, "health_check_failure_threshold": 3}


def long_trials(directory: Path, *, trials: int) -> Project:
    """A sweep whose trials last long enough for something to happen to them; its baseline is there."""
    project = Project(directory, UNPRUNED.replace("trials_per_strategy: 3", f"trials: {trials}"))
    experiment = project.directory / "experiment.yaml"
    experiment.write_text(experiment.read_text().replace("epochs: 4", f"epochs: {EPOCHS}"))
    project.train_baseline()
    return project


def searched(project: Project) -> list[TrialRecord]:
    return [record for record in project.trials().values() if record.kind == "trial"]


def is_in_the_midst_of_a_trial(project: Project) -> bool:
    return any(
        record.state is TrialState.RUNNING and 0 < len(read_history(project.history(record))) < EPOCHS
        for record in searched(project)
    )


def epochs_told(project: Project) -> int:
    """Epochs that the trials' logs tell of, each attempt's."""
    logs = (project.sweep / record.directory / "trial.log" for record in searched(project))
    return sum(log.read_text().count(" INFO epoch") for log in logs if log.exists())


def require_as_undisturbed(project: Project, elsewhere: Path) -> None:
    """The weights of every trial are those that the loop makes by itself."""
    for record in searched(project):
        assert record.state is TrialState.COMPLETE
        directory = project.sweep / record.directory
        runtime = Runtime(store=project.directory / "runs", directory=elsewhere / record.id)
        alone = fit(read_trial(directory), runtime)
        assert read_result(directory) == alone


@contextmanager
def two_nodes() -> Iterator[Cluster]:
    """A head without a processor, and two nodes with one each."""
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": HASTY}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        yield cluster
    finally:
        cluster.shutdown()


def test_a_trial_whose_node_dies_goes_on_from_its_checkpoint_on_another(tmp_path: Path) -> None:
    project = long_trials(tmp_path, trials=1)
    with two_nodes() as cluster:
        launch = project.launch("-o", "resources.attempts=1", RAY_ADDRESS=cluster.address)
        wait_for(lambda: is_in_the_midst_of_a_trial(project), launch)
        (trial,) = searched(project)
        (first,) = attempts(project, trial)
        raylets = {process.pid for process in psutil.Process(first).parents()}
        (node,) = (node for node in cluster.worker_nodes if node.all_processes["raylet"][0].process.pid in raylets)
        reported = project.history(trial).read_text()
        cluster.remove_node(node, allow_graceful=False)
        require_refused_beside_this_script_s_own_ray(project, cluster)
        output, _ = launch.communicate(timeout=240)
    assert launch.returncode == 0, output
    again = attempts(project, trial)
    assert len(again) == 2
    assert project.history(trial).read_text().startswith(reported)
    assert len(read_history(project.history(trial))) == EPOCHS
    require_records_agree(project)
    require_as_undisturbed(project, tmp_path / "alone")


@pytest.mark.extended
def test_workers_that_cannot_meet_fail_no_trial_and_the_same_command_goes_on(tmp_path: Path) -> None:
    project = long_trials(tmp_path, trials=1)
    pairs = ("-o", "resources.workers=2")
    launch = project.launch(*pairs, GLOO_SOCKET_IFNAME="nosuch0")
    output, _ = launch.communicate(timeout=240)
    assert launch.returncode == 75, output
    require_one_line(output, "its workers cannot reach each other", "nosuch0", "(on node ")
    assert [record.state for record in searched(project)] == [TrialState.RUNNING]

    code, output = project.run(*pairs)
    assert code == 0, output
    assert [record.state for record in searched(project)] == [TrialState.COMPLETE]
    require_records_agree(project)
    require_nothing_left(project)


@pytest.mark.extended
@pytest.mark.skipif(torch.cuda.is_available(), reason="only a node whose GPU cannot be used shows it")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_node_whose_gpu_cannot_be_used_fails_no_trial_and_the_same_sweep_goes_on(
    tmp_path: Path, workers: int
) -> None:
    project = long_trials(tmp_path, trials=1)
    resources = {"num_cpus": 2, "num_gpus": 2, "resources": {"trial_slot": 1}}
    cluster = Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **resources})
    try:
        on_gpus = ("-o", f"resources.workers={workers}", "-o", "resources.gpus_per_worker=1")
        launch = project.launch(*on_gpus, RAY_ADDRESS=cluster.address)
        output, _ = launch.communicate(timeout=240)
    finally:
        cluster.shutdown()
    assert launch.returncode == 69, output
    require_one_line(output, "Ray counts 2 GPUs, torch", "can use 0")
    assert all(record.state is TrialState.RUNNING for record in searched(project))

    code, output = project.run("-o", f"resources.workers={workers}")
    assert code == 0, output
    assert [record.state for record in searched(project)] == [TrialState.COMPLETE]
    require_records_agree(project)


def require_one_line(output: str, *named: str) -> None:
    """What ended the launch is one line that names everything."""
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert all(word in line for word in named), line
    assert "Traceback" not in output


def require_refused_beside_this_script_s_own_ray(project: Project, cluster: Cluster) -> None:
    """And that Ray goes on, as whoever started it expects."""
    ray.init(address=cluster.address)
    loaded = intelligen.load_sweep(project.directory / "sweep.yaml")
    with pytest.raises(UnavailableError, match=r"call ray\.shutdown\(\) first"):
        intelligen.run(loaded, runs=project.directory / "runs")
    assert ray.is_initialized()
    ray.shutdown()


def attempts(project: Project, trial: TrialRecord) -> list[int]:
    """The processes that worked on a trial."""
    log = (project.sweep / trial.directory / "trial.log").read_text()
    return [int(pid) for pid in re.findall(r" as process (\d+)", log)]


def service_of(process: psutil.Process) -> str:
    """The program or script of Ray that a process runs."""
    return next((Path(word).name for word in process.cmdline() if "/ray/" in word), process.name())


def metrics_told_by(launcher: psutil.Process) -> list[str]:
    """Addresses at which others than this machine can ask its Ray for metrics, without a token."""
    told = []
    for process in launcher.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            for one in process.net_connections():
                if one.status != psutil.CONN_LISTEN or one.laddr.ip == "127.0.0.1":
                    continue
                host = "127.0.0.1" if one.laddr.ip in ("0.0.0.0", "::") else one.laddr.ip  # noqa: S104
                address = f"http://{host}:{one.laddr.port}/metrics"
                with contextlib.suppress(OSError, http.client.HTTPException):
                    urllib.request.urlopen(address, timeout=2).close()
                    told.append(f"{process.name()} {address}")
    return told


def test_a_lost_cluster_ends_the_launch_with_one_line_and_the_same_command_goes_on(tmp_path: Path) -> None:
    project = long_trials(tmp_path, trials=2)
    launch = project.launch()
    wait_for(lambda: is_in_the_midst_of_a_trial(project), launch)
    assert metrics_told_by(psutil.Process(launch.pid)) == []
    services = {service_of(process): process for process in psutil.Process(launch.pid).children()}
    assert services.keys() == {"gcs_server", "raylet"}  # neither a dashboard nor what reads logs or adds nodes
    head = services["gcs_server"]
    head.send_signal(signal.SIGKILL)
    output, _ = launch.communicate(timeout=240)
    assert launch.returncode == 75, output
    assert output.splitlines()[-1] == "error: the Ray cluster was lost; run the same command to resume"
    assert "Traceback" not in output
    assert all(record.state is not TrialState.FAILED for record in searched(project))
    require_closed(project, SweepStatus.INTERRUPTED)
    require_nothing_left(project)

    told = epochs_told(project)
    launch = project.launch()
    wait_for(lambda: epochs_told(project) > told and is_in_the_midst_of_a_trial(project), launch)
    for process in processes_of(project):  # as systemd and Slurm do
        with suppress(psutil.Error):
            process.terminate()
    output, _ = launch.communicate(timeout=240)
    assert launch.returncode == 143, output
    assert "Traceback" not in output
    assert all(record.state is not TrialState.FAILED for record in searched(project))
    require_closed(project, SweepStatus.INTERRUPTED)
    require_nothing_left(project)

    code, output = project.run()
    assert code == 0, output
    assert len(searched(project)) == 2
    require_records_agree(project)
    require_as_undisturbed(project, tmp_path / "alone")
