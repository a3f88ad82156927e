"""A sweep runs in odd directories: odd names, deep temporary directories, no UTF-8, files of another user."""

import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY, TINY_EXPERIMENT, write_tiny_corpus

from intelligen.tracking.mlflow_store import open_client

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
LAUNCH, DOCTOR = (str(REPOSITORY / "launch.py"), "sweep.yaml"), ("-m", "intelligen", "doctor")
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


OTHER_USER = 65534


def launched(project: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    fill(project)
    return run_at(project, LAUNCH, environment, umask=0o077)


def fill(project: Path) -> None:
    (project / "corpus").mkdir(parents=True)
    write_tiny_corpus(project / "corpus")
    (project / "experiment.yaml").write_text(TINY_EXPERIMENT.replace("epochs: 4", "epochs: 1"))
    (project / "sweep.yaml").write_text(SWEEP, encoding="utf-8")


def run_at(
    project: Path,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    python: str = sys.executable,
    **process: Any,
) -> subprocess.CompletedProcess[bytes]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
    return subprocess.run(
        [python, *command],
        cwd=project,
        env={**inherited, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        **process,
    )


def require_complete(project: Path, done: subprocess.CompletedProcess[bytes], *, encoding: str) -> None:
    assert done.returncode == 0, done.stdout.decode(errors="replace")
    output = done.stdout.decode(encoding)
    table = project / "runs" / "sweeps" / "tiny" / "table.md"
    assert f"table    {table}\n" in output
    assert "| standard |" in table.read_text(encoding="utf-8")
    assert {found.name for found in project.iterdir()} == {
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


def test_a_sweep_runs_in_the_oddest_of_directories(tmp_path: Path) -> None:
    project = tmp_path / "it's" / "a%41b ?x=1 [new] #1"
    deep = tmp_path / "/".join(["deeper"] * 20)
    deep.mkdir(parents=True)
    done = launched(project, TMPDIR=str(deep), **ASCII)
    require_complete(project, done, encoding="ascii")
    assert {found.name for found in project.parent.iterdir()} == {project.name}
    assert {found.name for found in tmp_path.iterdir()} == {"it's", "deeper"}


@pytest.mark.extended
@pytest.mark.parametrize("name", ["it's", "a%41b", "q ?x=1", "[new]", 'dq" #&:b', "ünï 漢"])
def test_a_sweep_runs_in_a_directory_of_this_name(tmp_path: Path, name: str) -> None:
    require_complete(tmp_path / name, launched(tmp_path / name), encoding="utf-8")
    assert {found.name for found in tmp_path.iterdir()} == {name}


def test_names_that_the_locale_lacks_are_refused_with_what_helps(tmp_path: Path) -> None:
    project = tmp_path / "ünï 漢"
    fill(project)
    for command in (LAUNCH, DOCTOR):
        done = run_at(project, command, ASCII)
        assert done.returncode == 69
        (line,) = done.stdout.decode("ascii").splitlines()
        assert line.endswith("has characters that the locale's encoding (ascii) lacks: set PYTHONUTF8=1")
    done = run_at(project, ("-m", "intelligen", "validate", "sweep.yaml"), {**ASCII, "PYTHONUTF8": "1"})
    assert done.returncode == 0, done.stdout.decode(errors="replace")


class OtherUser:
    """Who may read what is root's, and has a home, a working directory and a temporary directory of theirs."""

    def __init__(self, base: Path) -> None:
        self.project, self.home, self.temporary = base / "work", base / "home", base / "tmp"
        fill(self.project)
        self.home.mkdir()
        self.temporary.mkdir()
        for path in (base, self.home, self.temporary, *self.project.rglob("*"), self.project):
            path.chmod(0o755 if path.is_dir() else 0o644)
            os.chown(path, OTHER_USER, OTHER_USER)
        self.python, self.path = sys.executable, ""
        if self.run("-c", "import intelligen").returncode != 0:
            # The interpreter may lie in root's home; the system's may do, with the packages of this one.
            self.python, self.path = (
                f"/usr/bin/python3.{sys.version_info.minor}",
                os.pathsep.join([str(REPOSITORY), *sys.path]),
            )
        found = self.run("-c", "import ray, torch, intelligen")
        if found.returncode != 0:
            pytest.skip(f"another user cannot run this code: {found.stdout.decode(errors='replace')[-200:]}")

    def run(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        environment = {"HOME": str(self.home), "TMPDIR": str(self.temporary), "PYTHONPATH": self.path}
        user = {"user": OTHER_USER, "group": OTHER_USER, "extra_groups": []}
        try:
            return run_at(self.project, command, environment, python=self.python, **user)
        except PermissionError as error:
            return subprocess.CompletedProcess(command, 126, str(error).encode())

    def is_refused(self, code: int, line: str, check: str) -> None:
        """By launch and doctor alike."""
        launch, doctor = self.run(*LAUNCH), self.run(*DOCTOR)
        told = launch.stdout.decode()
        assert (launch.returncode, "Traceback" in told) == (code, False), told
        assert line in told.splitlines()[-1]
        findings = doctor.stdout.decode()
        assert doctor.returncode != 0
        assert any(found.split()[0] == "fail" and check in found for found in findings.splitlines() if found), findings


@pytest.fixture
def other() -> Iterator[OtherUser]:
    if os.getuid() != 0:
        pytest.skip("only root may become another user")
    base = Path(tempfile.mkdtemp(prefix="other-user-", dir="/tmp"))  # pytest's own are closed to others
    yield OtherUser(base)
    shutil.rmtree(base)


def test_another_user_s_home_and_ray_folder_are_refused_by_launch_and_doctor(other: OtherUser) -> None:
    os.chown(other.home, 0, 0)
    other.is_refused(69, "set HOME to a directory of yours", "HOME")
    os.chown(other.home, OTHER_USER, OTHER_USER)
    (other.temporary / "ray").mkdir(mode=0o755)
    other.is_refused(69, "set RAY_TMPDIR to a directory of yours", "another user")


@pytest.mark.extended
@pytest.mark.parametrize("made", ["runs", "runs/prepared", "runs/sweeps"])
def test_another_user_s_runs_are_refused_by_launch_and_doctor(other: OtherUser, made: str) -> None:
    (other.project / made).mkdir(parents=True)
    if made != "runs":
        os.chown(other.project / "runs", OTHER_USER, OTHER_USER)
    other.is_refused(73, "Permission denied", "Permission denied")


@pytest.mark.extended
def test_another_user_runs_a_sweep_from_a_checkout_that_is_root_s(other: OtherUser) -> None:
    (other.temporary / "ray").mkdir()
    (other.temporary / "ray").chmod(0o777)  # as a Ray of root leaves it
    assert other.run(*DOCTOR).returncode == 0
    done = other.run(*LAUNCH)
    assert done.returncode == 0, done.stdout.decode(errors="replace")
    assert (other.project / "runs" / "sweeps" / "tiny" / "table.md").stat().st_uid == OTHER_USER
