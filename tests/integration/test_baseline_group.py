"""A baseline of several workers needs few of Ray's services, and trains again if its controller is killed."""

from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from test_early_stopping_resources import is_dashboard
from test_sweep import Project, processes_of, require_nothing_left, wait_for

from intelligen.state.trial_records import TrialState

pytestmark = [pytest.mark.slow, pytest.mark.extended]

UNUSED = ("log_monitor.py", "monitor.py")


def test_a_group_whose_controller_is_killed_gives_its_processors_back_without_a_dashboard(tmp_path: Path) -> None:
    project = Project(tmp_path)
    launch = project.launch("--until", "baseline", "-o", "baseline.workers=2", "-o", "baseline.cpus_per_worker=1")
    wait_for(lambda: len(working(project, "ray::RayTrainWorker")) == 2, launch, timeout_s=600)
    found = processes_of(project)
    assert not [one for one in found if is_dashboard(one)]
    assert not [one for one in found if command(one).partition(" --")[0].endswith(UNUSED)]
    (controller,) = working(project, "ray::TrainController")
    controller.kill()
    output = launch.communicate(timeout=600)[0]
    assert launch.returncode == 0, output
    assert [record.state for record in project.trials().values()] == [TrialState.COMPLETE]
    require_nothing_left(project)


def working(project: Project, title: str) -> list[psutil.Process]:
    """Ray's processes with a title, which says what they do."""
    return [one for one in processes_of(project) if command(one).startswith(title)]


def command(process: psutil.Process) -> str:
    """What started a process, or its title; empty if it has ended."""
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""
