"""A sweep that the first release began goes on: its files, its study and its trained models are found and used.

`tests/golden/earlier_sweep.tar.gz` was written by revision 6fbe00f: two trials, no files of MLflow or Tune.
"""

import subprocess
import sys
import tarfile
from pathlib import Path

from conftest import REPOSITORY

from intelligen.tracking.ledger import read_ledger

ARCHIVE = REPOSITORY / "tests" / "golden" / "earlier_sweep.tar.gz"


def test_a_sweep_of_the_first_release_goes_on_and_trains_nothing_again(tmp_path: Path) -> None:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    sweep = tmp_path / "runs" / "sweeps" / "earlier"
    kept = [path for path in tmp_path.glob("runs/**/*") if path.name in ("history.jsonl", "selected.safetensors")]
    before = {path: path.read_bytes() for path in kept}
    launch = [sys.executable, REPOSITORY / "launch.py", "sweep.yaml", "-o", "budget.trials=3"]
    launched = subprocess.run(
        [*launch, "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert launched.returncode == 0, launched.stdout
    trials = read_ledger(sweep)[1]
    assert [name for name, record in trials.items() if record.kind == "trial"] == ["t0000", "t0001", "t0002"]
    assert len(list((tmp_path / "runs" / "baselines").iterdir())) == 1
    assert len(before) == 6
    assert {path: path.read_bytes() for path in kept} == before
