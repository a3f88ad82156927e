"""A trial of two workers runs over two hosts, each of which takes its own name for the loopback, as Debian has it."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator

import pytest
from conftest import REPOSITORY
from hosts_apart import Host, two_hosts, why_no_hosts
from started_clusters import RAY
from test_cluster_faults import EPOCHS, long_trials, require_one_line, searched
from test_sweep import Project, require_records_agree

from intelligen.state.history import read_history
from intelligen.state.trial_records import TrialState

pytestmark = [pytest.mark.slow, pytest.mark.extended]

LAUNCH = [sys.executable, str(REPOSITORY / "launch.py"), "sweep.yaml"]
ON_ONE, ON_BOTH = ("-o", "resources.workers=1"), ("-o", "resources.workers=2")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    if (reason := why_no_hosts()) is not None:
        pytest.skip(f"this machine does not let us make hosts: {reason}")
    return long_trials(tmp_path_factory.mktemp("project"), trials=1)


@pytest.fixture(scope="module")
def head(project: Project) -> Iterator[Host]:
    """One of two hosts that make a cluster; each has one processor, so a trial of two workers needs both."""
    token = project.directory / "token"
    token.write_text("a-token-for-tests-" + "0" * 32)
    with pytest.MonkeyPatch.context() as patch, two_hosts(project.directory) as (left, right):
        for name in [name for name in os.environ if name.startswith(("RAY_", "MLFLOW_", "INTELLIGEN_", "GLOO_"))]:
            patch.delenv(name)
        patch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        nodes = (
            (left, "--head", "--include-dashboard=false", '--resources={"trial_slot": 1}'),
            (right, f"--address={left.address}:6379"),
        )
        for host, *arguments in nodes:
            start = [*RAY, "start", "--num-cpus=1", "--num-gpus=0", *arguments]
            code, output = host.run(start, project.directory, RAY_AUTH_MODE="token")
            assert code == 0, output
        yield left


def test_a_runs_directory_that_the_other_host_does_not_see_is_refused(project: Project, head: Host) -> None:
    own = tempfile.gettempdir()
    code, output = head.run([*LAUNCH, *ON_ONE, "--runs", f"{own}/runs"], project.directory)
    assert code == 69, output
    require_one_line(output, f"node right: does not see {own}; put --runs on a directory that every node has")


def test_an_interface_by_which_the_workers_cannot_meet_fails_no_trial(project: Project, head: Host) -> None:
    code, output = head.run([*LAUNCH, *ON_BOTH], project.directory, GLOO_SOCKET_IFNAME="lo")
    assert code == 75, output
    require_one_line(output, "its workers cannot reach each other", "127.0.0.1")
    assert [record.state for record in searched(project)] == [TrialState.RUNNING]


def test_a_trial_over_both_hosts_meets_by_itself_and_goes_on_after_that(project: Project, head: Host) -> None:
    code, output = head.run([*LAUNCH, *ON_BOTH], project.directory)
    assert code == 0, output
    (trial,) = searched(project)
    assert trial.state is TrialState.COMPLETE
    assert len(read_history(project.history(trial))) == EPOCHS
    for name in ("left", "right"):
        logs = (project.sweep / trial.directory).glob("trial*.log")
        assert any(re.search(rf"starts on host {name} .* rank \d of 2", log.read_text()) for log in logs)
    require_records_agree(project)
