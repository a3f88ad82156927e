"""Stopped trials of one worker give back what they hold, without Ray's dashboard and beside another Ray."""

import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from started_clusters import started
from test_sweep import SWEEP, Project, processes_of, require_nothing_left, require_records_agree

from intelligen.state.trial_records import TrialState

pytestmark = [pytest.mark.slow, pytest.mark.extended]

EAGER = SWEEP.replace("reduction_factor: 2", "reduction_factor: 4").replace(
    "trials_per_strategy: 3", "trials_per_strategy: 24"
)
# Of 48 trials ASHA with a factor of 4 keeps a quarter, and the first ones.
STOPPED = 20


def test_stopped_trials_give_their_resources_back_beside_another_ray(tmp_path: Path) -> None:
    project = Project(tmp_path, EAGER)
    project.train_baseline()
    with started("--num-cpus=1"):
        launch = project.launch("-o", "resources.concurrent_trials=2")
        dashboards = set()
        while launch.poll() is None:
            dashboards |= {one.pid for one in processes_of(project) if is_dashboard(one)}
            with suppress(subprocess.TimeoutExpired):
                launch.wait(timeout=0.5)
        output = launch.communicate()[0]
    assert launch.returncode == 0, output
    assert not dashboards
    searched = [record for record in project.trials().values() if record.kind == "trial"]
    assert len(searched) == 48
    assert {record.state for record in searched} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert sum(record.state is TrialState.PRUNED for record in searched) >= STOPPED
    require_records_agree(project)
    require_nothing_left(project)


def is_dashboard(process: psutil.Process) -> bool:
    """Whether it is Ray's dashboard, whole or in parts."""
    with suppress(psutil.Error):
        return any(word.endswith("dashboard.py") for word in process.cmdline())
    return False
