"""What a sweep sets for its workers' processes, and what they inherit from a Ray job."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray
from conftest import REPOSITORY

from intelligen.config.load import load_sweep
from intelligen.errors import ConfigError, UnavailableError
from intelligen.sweep.cluster import ray_session
from intelligen.sweep.cluster.find_cluster import IN_A_JOB, find_cluster


def test_what_a_jobs_user_set_wins_and_the_interface_of_the_launcher_is_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in ray_session.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "ens5")
    monkeypatch.delenv(IN_A_JOB, raising=False)
    assert ray_session.workers_environment() == ray_session.ENVIRONMENT | {"GLOO_SOCKET_IFNAME": "ens5"}
    theirs = {"env_vars": {"MALLOC_ARENA_MAX": "4", "GLOO_SOCKET_IFNAME": "eth1"}}
    monkeypatch.setenv(IN_A_JOB, json.dumps({"runtime_env": theirs}))
    assert not ray_session.workers_environment().keys() & theirs["env_vars"].keys()
    monkeypatch.setenv(IN_A_JOB, json.dumps({"metadata": {}}))
    assert "MALLOC_ARENA_MAX" in ray_session.workers_environment()


def test_a_job_runs_on_its_own_cluster_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IN_A_JOB, "{}")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    found = find_cluster(local=False)
    assert found is not None
    assert str(found) == "joins the Ray cluster at 10.0.0.1:6379 (of this Ray job)"
    with pytest.raises(ConfigError, match="--local: a Ray job runs on its cluster"):
        find_cluster(local=True)


JOIN = """
import socket
from intelligen.errors import UnavailableError
from intelligen.sweep.cluster.ray_session import cluster_joined
from intelligen.sweep.cluster.find_cluster import Cluster
with socket.create_server(("127.0.0.1", 0)) as head:
    try:
        with cluster_joined(Cluster(f"127.0.0.1:{head.getsockname()[1]}", "RAY_ADDRESS names it")):
            pass
    except UnavailableError as error:
        print(error)
"""


@pytest.mark.parametrize("mode", [{}, {"RAY_AUTH_MODE": "token"}])
def test_a_token_that_cannot_be_read_is_named(tmp_path: Path, mode: dict[str, str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    said = subprocess.run(
        [sys.executable, "-c", JOIN],
        env={**environment, **mode, "RAY_AUTH_TOKEN_PATH": str(tmp_path / "none")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert said.startswith("cannot join the Ray cluster at 127.0.0.1:")
    assert f"cannot be opened or is empty: {tmp_path}/none" in said
    assert said.endswith("; --local runs the sweep on this machine instead\n")


def test_a_ray_that_does_not_start_is_no_bug_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    late = Exception("The current node timed out during startup.")  # as `ray._private.node` raises it after 30 s

    def init(**settings: object) -> None:
        raise late

    monkeypatch.setattr(ray, "init", init)
    sweep, _ = load_sweep(REPOSITORY / "search_spaces" / "quickstart.yaml")
    ray_running = ray_session.ray_running(sweep, None, store=tmp_path, on_hang=lambda: 69)
    said = "cannot start Ray on this machine: The current node .*startup; if the machine is busy, run the same command"
    with pytest.raises(UnavailableError, match=said), ray_running:
        pass
