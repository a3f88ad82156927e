"""A sweep of rows that is killed in its pre-training, its baselines, its tests or between loses nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

from intelligen.state.ledger import read_ledger
from intelligen.state.trial_result import read_trial

EVERYWHERE: tuple[str, ...] = ()


@pytest.mark.slow
@pytest.mark.extended
@pytest.mark.parametrize("places", [("in a baseline",), EVERYWHERE], ids=["baseline", "everywhere"])
def test_a_sweep_of_rows_that_start_from_a_run_is_the_undisturbed_one(places: tuple[str, ...], tmp_path: Path) -> None:
    at = [word for place in places for word in ("--at", place)]
    command = [sys.executable, REPOSITORY / "benchmarks" / "row_kills.py", "--place", str(tmp_path), *at]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    sweep = tmp_path / "killed" / "runs" / "sweeps" / "kills"
    trials = {name: read_trial(record.within(sweep)) for name, record in read_ledger(sweep)[1].items()}
    assert list(trials) == ["first-1", "baseline-base-1", "baseline-started-1", "t0000", "t0001"]
    assert trials["baseline-base-1"].initial is None
    assert trials["baseline-started-1"].initial is not None
    assert trials["baseline-started-1"].initial.origin == "first, seed 1, epoch 1"
    assert [trials[name].start for name in ("t0000", "t0001")] == [
        trials[name].identity for name in ("baseline-base-1", "baseline-started-1")
    ]
