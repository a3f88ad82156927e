"""A trial that is killed for memory runs again with nothing beside it, and fails where that kills it too."""

import re
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
from conftest import TINY_EXPERIMENT, write_tiny_corpus
from memory_groups import little_memory
from test_cluster_faults import attempts, long_trials, searched
from test_sweep import Project, require_nothing_left, require_records_agree, wait_for

from intelligen.state.heartbeat import memory_kills, read_worker
from intelligen.state.history import read_history
from intelligen.state.memory_bounds import MemoryBounds
from intelligen.state.trial_records import TrialRecord, TrialState

pytestmark = pytest.mark.slow

# Long enough for a process that was moved to ask for new memory.
EPOCHS = ("-o", "experiment.finetuning.epochs=60")
SIDE_BY_SIDE = ("-o", "resources.concurrent_trials=2", "-o", "resources.attempts=1", *EPOCHS)


def both_have_reported(project: Project) -> bool:
    return len(searched(project)) == 2 and all(read_history(project.history(one)) for one in searched(project))


def begun_s(project: Project, trial: TrialRecord) -> float:
    """When a trial's last attempt began."""
    log = (project.sweep / trial.directory / "trial.log").read_text()
    stamps = re.findall(r"^(\S+ \S+),\d+ INFO starts on host", log, re.MULTILINE)
    return datetime.strptime(stamps[-1], "%Y-%m-%d %H:%M:%S").astimezone().timestamp()


@pytest.mark.extended
def test_a_training_finds_parts_that_fit_into_its_control_group_and_is_not_killed(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    write_tiny_corpus(tmp_path / "corpus", train=400)
    (tmp_path / "tiny.yaml").write_text(TINY_EXPERIMENT)
    wide = ("model.d_ff=16384", "training.batch_rows=400", "training.epochs=1", "training.epoch_updates=1")
    options = " ".join(f"-o {one}" for one in wide)
    with little_memory(f"test-{time.time_ns()}", limit_bytes=700 << 20) as group:
        command = f"echo $$ > {group}/cgroup.procs && exec {sys.executable} -m intelligen train tiny.yaml {options}"
        done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "out of memory in the longest update: " in done.stderr + done.stdout
    (directory,) = (tmp_path / "runs" / "baselines").iterdir()
    assert MemoryBounds.read(directory).micro_batch_tokens(1) is not None


@pytest.mark.extended
@pytest.mark.skipif(memory_kills() is None, reason="the kernel does not count its kills")
def test_a_trial_that_the_kernel_kills_for_memory_runs_again_alone_and_no_attempt_is_counted(tmp_path: Path) -> None:
    project = long_trials(tmp_path, trials=2)
    with little_memory(f"test-{time.time_ns()}", limit_bytes=1 << 20) as group:
        launch = project.launch(*SIDE_BY_SIDE)
        wait_for(lambda: both_have_reported(project), launch)
        victim, other = searched(project)
        worker = read_worker(project.sweep / victim.directory)
        assert worker is not None
        (group / "cgroup.procs").write_text(str(worker.pid))
        output, _ = launch.communicate(timeout=240)
    assert launch.returncode == 0, output
    assert len(attempts(project, victim)) == 2
    assert begun_s(project, victim) >= (project.trials()[other.id].ended_ms or 0) // 1000
    assert [record.state for record in searched(project)] == [TrialState.COMPLETE] * 2
    require_records_agree(project)
    require_nothing_left(project)


@pytest.mark.extended
def test_a_trial_that_is_killed_for_memory_when_alone_has_failed(tmp_path: Path) -> None:
    project = long_trials(tmp_path, trials=2)
    always_short = {"RAY_memory_usage_threshold": "0.001", "RAY_memory_monitor_refresh_ms": "3000"}
    launch = project.launch(*SIDE_BY_SIDE, "--until", "search", **always_short)
    output, _ = launch.communicate(timeout=240)
    assert launch.returncode == 3, output
    assert "Traceback" not in output
    for record in searched(project):
        assert record.state is TrialState.FAILED
        assert (record.stop_reason or "").startswith("out of memory: ")
        assert re.search(r"[\d.]+GB used / [\d.]+GB limit", record.stop_reason or "")
        # A process that Ray kills before it has begun with the trial has left no peak.
        peak = r"(; it had taken [\d.]+ GiB or more of [\d.]+ GiB)?"
        assert re.search(rf", though nothing ran beside it{peak}$", record.stop_reason or "")
    require_records_agree(project)
    require_nothing_left(project)
