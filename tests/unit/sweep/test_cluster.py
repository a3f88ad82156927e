"""What a sweep's workers are given by it, and what they have from a job."""

import json

import pytest

from intelligen.errors import ConfigError
from intelligen.sweep import cluster
from intelligen.sweep.joining import IN_A_JOB, find_cluster


def test_what_a_jobs_user_set_wins_and_the_interface_of_the_launcher_is_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in cluster.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "ens5")
    monkeypatch.delenv(IN_A_JOB, raising=False)
    assert cluster.workers_environment() == cluster.ENVIRONMENT | {"GLOO_SOCKET_IFNAME": "ens5"}
    theirs = {"env_vars": {"MALLOC_ARENA_MAX": "4", "GLOO_SOCKET_IFNAME": "eth1"}}
    monkeypatch.setenv(IN_A_JOB, json.dumps({"runtime_env": theirs}))
    assert not cluster.workers_environment().keys() & theirs["env_vars"].keys()
    monkeypatch.setenv(IN_A_JOB, json.dumps({"metadata": {}}))
    assert "MALLOC_ARENA_MAX" in cluster.workers_environment()


def test_a_job_runs_on_its_own_cluster_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IN_A_JOB, "{}")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    found = find_cluster(local=False)
    assert found is not None
    assert str(found) == "joins the Ray cluster at 10.0.0.1:6379 (of this Ray job)"
    with pytest.raises(ConfigError, match="--local: a Ray job runs on its cluster"):
        find_cluster(local=True)
