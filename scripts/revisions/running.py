"""Runs a revision with its own code, in a directory of its own, one thread to a process and one trial at a time."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

STORY = Path(__file__).with_name("story")
FINISHED, KILLED = "golden-asha", "golden-killed"
"""The sweeps that the other revision takes over: one that has ended, one whose launch was killed."""
UNDISTURBED = ("strategies", "treatments", "population", "asha", "two-workers")

_LAUNCH_S = 1200.0
_LINES_SHOWN = 25
_EPOCHS_BEFORE_THE_KILL = 2


class RevisionError(Exception):
    """A revision did not do what every revision must."""


@dataclass(frozen=True)
class Revision:
    """A checkout of this project."""

    name: str
    """What messages call it."""
    root: Path

    def require_own_code(self, place: Path) -> None:
        """Look whether its own package is what it imports.

        Raises:
            RevisionError: It imports another one.

        """
        found = self._run(place, [sys.executable, "-c", "import intelligen; print(intelligen.__file__)"]).strip()
        if not Path(found).resolve().is_relative_to(self.root.resolve()):
            raise RevisionError(f"{self.name}: imports {found} instead of what lies in {self.root}")

    def spell(self, place: Path, sweep: str) -> None:
        """Give a sweep of the story the spelling that this revision knows, where there is an earlier one.

        Raises:
            RevisionError: It knows neither.

        """
        earlier, file = place / f"{sweep}.earlier.yaml", place / f"{sweep}.yaml"
        if earlier.exists():
            try:
                self.verb(place, "validate", file.name)
            except RevisionError:
                self.verb(place, "validate", earlier.name)
                earlier.replace(file)

    def launch(self, place: Path, sweep: str) -> None:
        """Run one of the story's sweeps, or the rest of it.

        Raises:
            RevisionError: It fails.

        """
        self._run(place, self._launch_command(sweep))

    def verb(self, place: Path, *words: str) -> None:
        """Run a verb on the sweeps of a place.

        Raises:
            RevisionError: It fails.

        """
        self._run(place, [sys.executable, "-m", "intelligen", *words])

    def launch_and_kill(self, place: Path, sweep: str, when: Callable[[], bool]) -> None:
        """Run one of the story's sweeps, kill the launch at the moment, and wait until nothing is left of it.

        Raises:
            RevisionError: It ends before, or something is left.

        """
        with (place / "killed.log").open("w+", encoding="utf-8") as log:
            process = self._start(place, self._launch_command(sweep), log.fileno())
            deadline = time.monotonic() + _LAUNCH_S
            while not when() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            if process.poll() is not None:
                raise RevisionError(f"{self.name}: {sweep} ended before it could be killed:\n{_end_of(log.name)}")
            started = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            process.wait()
        _, left = psutil.wait_procs(started, timeout=120)
        if left:
            raise RevisionError(f"{self.name}: {len(left)} processes outlive the launch of {sweep} that was killed")

    def _launch_command(self, sweep: str) -> list[str]:
        return [sys.executable, str(self.root / "launch.py"), f"{sweep}.yaml", "--local"]

    def _run(self, place: Path, command: list[str]) -> str:
        process = self._start(place, command, subprocess.PIPE)
        try:
            output, _ = process.communicate(timeout=_LAUNCH_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise RevisionError(f"{self.name}: {' '.join(command)} ran longer than {_LAUNCH_S:.0f} s") from None
        if process.returncode:
            last = "\n".join(output.splitlines()[-_LINES_SHOWN:])
            raise RevisionError(f"{self.name}: {' '.join(command)} ended with {process.returncode}:\n{last}")
        return output

    def _start(self, place: Path, command: list[str], output: int) -> "subprocess.Popen[str]":
        mine = {name: text for name, text in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        arithmetic = {**threads, "INTELLIGEN_MATMUL": "mkl"}
        environment = {**mine, **arithmetic, "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.Popen(command, cwd=place, env=environment, stdout=output, stderr=subprocess.STDOUT, text=True)


def tell_story(revision: Revision, place: Path, *, handed_over: Path | None = None) -> None:
    """Run every sweep of the story in an empty place; kill one and let it go on.

    Args:
        revision: Runs it.
        place: The working directory.
        handed_over: Gets a copy of the place as the kill left it, for the other revision.

    Raises:
        RevisionError: A sweep fails.

    """
    shutil.copytree(STORY, place)
    revision.require_own_code(place)
    for sweep in UNDISTURBED:
        revision.spell(place, sweep)
        revision.launch(place, sweep)
    revision.launch_and_kill(place, "killed", lambda: _epochs_in(place) >= _EPOCHS_BEFORE_THE_KILL)
    if handed_over is not None:
        shutil.copytree(place, handed_over)
    revision.launch(place, "killed")


def take_over(revision: Revision, place: Path) -> None:
    """Go on with what another revision has left, as its user would.

    Raises:
        RevisionError: A verb fails.

    """
    store = f"sqlite:///{place}/mlflow.db"
    for sweep in (FINISHED, KILLED):
        revision.verb(place, "status", sweep)
        revision.verb(place, "resume", sweep, "--local", "--tracking-uri", store)
        revision.verb(place, "report", sweep)


def _epochs_in(place: Path) -> int:
    """Of the sweep that is to be killed: how far the first of its trials has come."""
    histories = (directory.rglob("history.jsonl") for directory in place.rglob(KILLED))
    return max((path.read_bytes().count(b"\n") for found in histories for path in found), default=0)


def _end_of(log: str) -> str:
    return "\n".join(Path(log).read_text(encoding="utf-8").splitlines()[-_LINES_SHOWN:])
