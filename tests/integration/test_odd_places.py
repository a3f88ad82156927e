"""A sweep runs wherever it is started: odd names, deep temporary directories, no UTF-8, files for nobody else."""

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY, TINY_EXPERIMENT, write_tiny_corpus

from intelligen.tracking.store import open_client

pytestmark = pytest.mark.slow

SWEEP = """
version: 1
name: tiny
question: Läuft es überall?
experiment: experiment.yaml
space: {finetuning.optimizer.learning_rate: {log_uniform: [1.0e-4, 5.0e-3]}}
budget: {trials: 1}
search: {storage: 'sqlite:///study.db'}
scheduler: {name: none}
"""
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def launched(place: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    (place / "corpus").mkdir(parents=True)
    write_tiny_corpus(place / "corpus")
    (place / "experiment.yaml").write_text(TINY_EXPERIMENT.replace("epochs: 4", "epochs: 1"))
    (place / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
    return subprocess.run(
        [sys.executable, REPOSITORY / "launch.py", "sweep.yaml"],
        cwd=place,
        env=inherited | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        umask=0o077,
        timeout=300,
    )


def require_complete(place: Path, done: subprocess.CompletedProcess[bytes], *, encoding: str) -> None:
    assert done.returncode == 0, done.stdout.decode(errors="replace")
    output = done.stdout.decode(encoding)
    table = place / "runs" / "sweeps" / "tiny" / "table.md"
    assert f"table    {table}\n" in output
    assert "| standard |" in table.read_text(encoding="utf-8")
    assert {found.name for found in place.iterdir()} == {
        *("corpus", "experiment.yaml", "sweep.yaml", "study.db", "runs", "mlflow.db", "mlflow.db.lock", "mlartifacts")
    }
    assert stat.S_IMODE(table.stat().st_mode) & 0o077 == 0
    (command,) = [line.removeprefix("compare  ") for line in output.splitlines() if line.startswith("compare  ")]
    *_, address = shlex.split(command)
    client = open_client(address)
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 3
    assert all(run.info.status == "FINISHED" for run in runs)


def test_a_sweep_runs_in_the_oddest_of_places(tmp_path: Path) -> None:
    place = tmp_path / "it's" / "a%41b ?x=1 [new] #1"
    deep = tmp_path / "/".join(["deeper"] * 20)
    deep.mkdir(parents=True)
    done = launched(place, TMPDIR=str(deep), **ASCII)
    require_complete(place, done, encoding="ascii")
    assert {found.name for found in place.parent.iterdir()} == {place.name}
    assert {found.name for found in tmp_path.iterdir()} == {"it's", "deeper"}


@pytest.mark.extended
@pytest.mark.parametrize("name", ["it's", "a%41b", "q ?x=1", "[new]", 'dq" #&:b', "ünï 漢"])
def test_a_sweep_runs_in_a_directory_of_this_name(tmp_path: Path, name: str) -> None:
    require_complete(tmp_path / name, launched(tmp_path / name), encoding="utf-8")
    assert {found.name for found in tmp_path.iterdir()} == {name}
