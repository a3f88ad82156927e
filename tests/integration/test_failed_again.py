"""A trial that failed runs again when that is asked for: as the same trial, from its checkpoint, in the same budget."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_cluster_faults import is_in_the_midst_of_a_trial, long_trials, require_as_undisturbed, searched
from test_sweep import Project, require_records_agree, wait_for

from intelligen.state.heartbeat import read_worker
from intelligen.state.trial_records import TrialState

pytestmark = pytest.mark.slow


def resume(project: Project) -> subprocess.CompletedProcess[str]:
    """Typed as the documentation has it."""
    words = [sys.executable, "-m", "intelligen", "resume", "tiny", "--failed"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
    return subprocess.run(
        words, cwd=project.directory, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.extended
def test_a_failed_trial_runs_again_within_the_same_budget_and_every_record_says_so(tmp_path: Path) -> None:
    project = long_trials(tmp_path, trials=2)
    launch = project.launch("-o", "resources.attempts=1")
    wait_for(lambda: is_in_the_midst_of_a_trial(project), launch)
    victim = next(record for record in searched(project) if record.state is TrialState.RUNNING)
    worker = read_worker(project.sweep / victim.directory)
    process = None if worker is None else worker.process()
    assert process is not None
    process.kill()
    output, _ = launch.communicate(timeout=240)
    assert launch.returncode == 3, output
    assert project.trials()[victim.id].state is TrialState.FAILED

    done = resume(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"runs again: {victim.id}" in done.stdout
    assert [record.state for record in searched(project)] == [TrialState.COMPLETE] * 2
    assert project.trials()[victim.id].attempts == 2
    require_records_agree(project)
    require_as_undisturbed(project, tmp_path / "alone")

    done = resume(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no trial has failed" in done.stdout
