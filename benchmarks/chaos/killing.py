"""Whoever kills a sweep runs the same command again until it exits 0, and counts what it costs and who is left."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil
from chaos.moments import Moment
from chaos.story import Story

POLL_S = 0.005
LAUNCH_TIMEOUT_S = 300.0
ORPHANS_TIMEOUT_S = 120.0
MOST_REFUSALS = 3


class Side(Protocol):
    """A sweep that can be launched again and again, by us or by a peer."""

    directory: Path

    def command(self, moment: Moment | None) -> list[str]:
        """What is launched; it may die at the moment by itself."""

    def reports(self) -> int:
        """Epochs that have been reported."""

    def has_reached(self, moment: Moment) -> bool:
        """Whether it is time to kill from outside."""

    def training_pid(self) -> int | None:
        """The process that trains, or did last."""

    def story(self) -> Story:
        """What was left behind."""


@dataclass
class Ordeal:
    """What a sweep went through."""

    seconds: float = 0.0
    """From the first launch to the end of the last."""
    launches: int = 0
    struck: int = 0
    """Kills that met a living process."""
    missed: list[str] = field(default_factory=list)
    """Moments that never came."""
    refused: list[str] = field(default_factory=list)
    """What launches said that ended by themselves, and not with 0."""
    ended: bool = False
    """Whether the last launch exited with 0."""
    gone_after: float = 0.0
    """Seconds from the end of the last launch to that of the last process of any."""
    orphans: list[str] = field(default_factory=list)
    """Processes of any launch that live on two minutes after the last one."""


class Killer:
    """Runs one sweep to its end, through all kills.

    Args:
        side: The sweep.

    """

    def __init__(self, side: Side) -> None:
        self.ordeal = Ordeal()
        self._side = side
        self._sessions: set[int] = set()

    def run(self, moments: Sequence[Moment]) -> Ordeal:
        """Launch the sweep, kill at every moment, and launch it again until it exits 0 or refuses to go on."""
        started, left, code = time.monotonic(), list(moments), None
        while code != 0 and len(self.ordeal.refused) < MOST_REFUSALS:
            # Only the launcher itself finds its own writes, so it is told at its start at which one to die.
            last = next((moment for moment in left if moment.victim == "launcher"), None)
            process = self._launch(last)
            try:
                while left and left[0] is not last and self._kill_worker(process, left[0]):
                    left.pop(0)
                    self.ordeal.struck += 1
                if last is not None and left[0] is last:
                    self._kill_launcher(process, last)
                code = self._wait(process)
            finally:
                process.kill()
            if code == -signal.SIGKILL and last is not None:
                left.remove(last)
                self.ordeal.struck += 1
            elif code:
                self.ordeal.refused.append(self._said())
        self.ordeal.ended = code == 0
        self.ordeal.missed = [str(moment) for moment in left]
        self.ordeal.seconds = time.monotonic() - started
        self.ordeal.orphans = self._orphans()
        self.ordeal.gone_after = time.monotonic() - started - self.ordeal.seconds
        return self.ordeal

    def _kill_launcher(self, process: subprocess.Popen[bytes], moment: Moment) -> None:
        if self._comes(process, moment):
            time.sleep(moment.delay_s)
            process.kill()

    def _kill_worker(self, process: subprocess.Popen[bytes], moment: Moment) -> bool:
        """Whether somebody was killed; else the launcher has ended before."""
        if not self._comes(process, moment) or self._living_worker(process) is None:
            return False
        time.sleep(moment.delay_s)
        while (worker := self._living_worker(process)) is not None:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
                return True
        return False

    def _comes(self, process: subprocess.Popen[bytes], moment: Moment) -> bool:
        """Wait for a moment; False where the launcher ends before."""
        deadline = time.monotonic() + LAUNCH_TIMEOUT_S
        while process.poll() is None:
            if self._side.has_reached(moment):
                return True
            if time.monotonic() > deadline:
                raise RuntimeError(f"{moment} did not come: {self._said()}")
            time.sleep(POLL_S)
        return False

    def _living_worker(self, process: subprocess.Popen[bytes]) -> int | None:
        """The process that trains; waits for it, until the launcher ends."""
        while process.poll() is None:
            worker = self._side.training_pid()
            if worker is not None and _is_alive(worker):
                return worker
            time.sleep(POLL_S)
        return None

    def _launch(self, moment: Moment | None) -> subprocess.Popen[bytes]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
        with open(self._side.directory / "output", "wb") as output:
            process = subprocess.Popen(
                self._side.command(moment),
                cwd=self._side.directory,
                env=kept | {"RAY_USAGE_STATS_ENABLED": "0"},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._sessions.add(process.pid)
        self.ordeal.launches += 1
        return process

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return process.wait(LAUNCH_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"it did not end in {LAUNCH_TIMEOUT_S:.0f} s: {self._said()}") from None

    def _said(self) -> str:
        return (self._side.directory / "output").read_text(encoding="utf-8", errors="replace")[-2000:]

    def _orphans(self) -> list[str]:
        """Whoever is left of the launches' sessions; what Ray starts stays in the session of its launcher."""
        deadline = time.monotonic() + ORPHANS_TIMEOUT_S
        while (left := [one for one in psutil.pids() if _session(one) in self._sessions]) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.5)
        return [" ".join(_command(one)) or str(one) for one in left]


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _command(pid: int) -> list[str]:
    try:
        return psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        return []
