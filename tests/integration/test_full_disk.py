"""A full disk is no trial's fault: the launch ends and names it, and once there is room the same command goes on."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_sweep import SWEEP, Project, require_nothing_left, require_records_agree

from intelligen.state.trial_records import TrialState
from intelligen.state.trial_result import read_result

pytestmark = pytest.mark.slow

TWO_TRIALS = SWEEP.replace("trials_per_strategy: 3", "trials: 2").replace(
    "{name: asha, grace_epochs: 1, reduction_factor: 2}", "{name: none}"
)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A sweep whose baseline is trained, and whose runs directory is a small disk of its own."""
    project = Project(tmp_path, TWO_TRIALS)
    project.train_baseline()
    runs, kept = tmp_path / "runs", tmp_path / "kept"
    shutil.copytree(runs, kept)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", runs], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"a disk of a given size needs the right to mount one: {made.stderr.strip()}")
    try:
        shutil.copytree(kept, runs, dirs_exist_ok=True)
        yield project
    finally:
        subprocess.run(["umount", "--lazy", runs], check=True)


def leave_room(project: Project, kib: int) -> None:
    """So many KiB more than what lies there now."""
    runs = project.directory / "runs"
    used = shutil.disk_usage(runs).used // 1024
    subprocess.run(["mount", "-o", f"remount,size={used + kib}k", runs], check=True)


extended = pytest.mark.extended
POPULATION = ("-o", "scheduler={name: pbt, population: 2, interval_epochs: 2}", "-o", "search.sampler=random")


@pytest.mark.parametrize(
    ("kib", "settings"),
    [
        pytest.param(60, (), id="before the first trial", marks=extended),
        pytest.param(400, (), id="at a checkpoint"),
        pytest.param(400, ("-o", "resources.workers=2"), id="two workers", marks=extended),
        pytest.param(400, ("-o", "experiment.seed=2"), id="the baseline", marks=extended),
        pytest.param(400, ("-o", "experiment.seed=2", "-o", "baseline.workers=2"), id="two of it", marks=extended),
        pytest.param(1100, POPULATION, id="a population", marks=extended),
        pytest.param(2100, ("-o", "confirm={seeds: 2}"), id="a confirmation", marks=extended),
    ],
)
def test_a_full_disk_fails_no_trial_and_the_same_command_ends_as_if_there_had_been_room(project, kib, settings):
    leave_room(project, kib)
    code, output = project.run(*settings)
    assert code == 74, output
    assert "Traceback" not in output
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert "No space left on device" in line
    assert str(project.directory / "runs") in line
    assert "are free" in line
    assert all(record.state is not TrialState.FAILED for record in project.trials().values())
    require_nothing_left(project)

    leave_room(project, 50_000)
    code, output = project.run(*settings)
    assert code == 0, output
    require_records_agree(project)
    searched = [record for record in project.trials().values() if record.kind == "trial"]
    assert len(searched) == 2
    assert all(record.state in (TrialState.COMPLETE, TrialState.PRUNED) for record in searched)
    assert all(read_result(project.sweep / record.directory) for record in searched)
