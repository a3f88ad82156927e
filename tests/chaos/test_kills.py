"""A sweep whose launcher and workers are killed is the sweep that it would have been."""

import json
import subprocess
import sys

import pytest
from conftest import REPOSITORY

WORKER_KILLS = 1


@pytest.mark.slow
@pytest.mark.parametrize("kills", [2, pytest.param(3, marks=pytest.mark.extended)])
def test_a_sweep_killed_at_its_commit_points_and_at_random_is_the_undisturbed_one(tmp_path, kills):
    benchmark = REPOSITORY / "benchmarks" / "kills.py"
    options = {
        "--place": tmp_path,
        "--side": "ours",
        "--victim": "both",
        "--kills": kills,
        "--worker-kills": WORKER_KILLS,
        "--sweeps": 1,
        "--trials": 1,
    }
    command = [sys.executable, benchmark, *(str(word) for option in options.items() for word in option)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "ours-both-0" / "figures.json").read_text())
    assert found.pop("kills") == kills + WORKER_KILLS
    del found["seconds"], found["gone after"]
    assert not any(found.values()), found
