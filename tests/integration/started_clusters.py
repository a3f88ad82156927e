"""Clusters as people start them, with `ray start`, in a temporary directory of their own."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

RAY = [sys.executable, "-m", "ray.scripts.scripts"]


def can_hide() -> bool:
    """Whether this machine lets us hide a directory from a node: many containers do not."""
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", tempfile.gettempdir()]
    with suppress(FileNotFoundError):
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    return False


@dataclass(frozen=True)
class Started:
    """A cluster whose address file lies in `temporary`/ray."""

    temporary: Path

    @property
    def environment(self) -> dict[str, str]:
        """Of who is to find it: nothing but where Ray's files lie."""
        foreign = ("RAY_", "MLFLOW_", "INTELLIGEN_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return inherited | {
            "RAY_TMPDIR": str(self.temporary),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_TOKEN_PATH": str(self.temporary / "token"),
        }

    @property
    def address(self) -> str:
        return (self.temporary / "ray" / "ray_current_cluster").read_text()

    def start(self, *arguments: str, hidden: Path | None = None, **environment: str) -> None:
        """A node; one from which a directory is hidden sees an empty one in its place."""
        command = [*RAY, "start", *arguments]
        if hidden is not None:
            mounted = f"mount -t tmpfs none {shlex.quote(str(hidden))} && exec {shlex.join(command)}"
            command = ["unshare", "-rm", "sh", "-c", mounted]
        environment = {"RAY_AUTH_MODE": "token", **self.environment, **environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def processes(self) -> list[psutil.Process]:
        """Of all its nodes."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("RAY_TMPDIR") == str(self.temporary) and process.pid != os.getpid():
                    found.append(process)
        return found


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[Started]:
    """A head, and whatever nodes are added to it; all of it is gone at the end."""
    # The paths of Ray's sockets have a hundred characters at most.
    with tempfile.TemporaryDirectory(prefix="rs-", ignore_cleanup_errors=True) as temporary:
        cluster = Started(Path(temporary))
        (cluster.temporary / "token").write_text("a-token-for-tests-" + "0" * 32)
        try:
            cluster.start("--head", "--port=0", "--include-dashboard=false", *arguments, **environment)
            yield cluster
        finally:
            processes = cluster.processes()
            for process in processes:
                with suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(processes, timeout=20)
