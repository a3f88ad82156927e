"""Two hosts on this machine: each has a name, a network interface, processes and temporary files of its own.

They are made of Linux namespaces, and share a wire and the directories that they are told to share.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from conftest import REPOSITORY

NAMESPACES = ("--net", "--uts", "--mount", "--pid")
APART = ["unshare", *NAMESPACES, "--fork", "--kill-child", "--mount-proc"]
BY_ANYBODY = [*APART, "--map-root-user"]
# The temporary directory is a new one, below which the shared directories stand where they stood.
SET_UP = """
set -e
hostname {name}
mount --bind {hosts} /etc/hosts
mount -t tmpfs none /mnt
for shared in {shared}; do
    case $shared in {temporary}/*)
        mkdir -p "/mnt/${{shared#{temporary}/}}"
        mount --rbind "$shared" "/mnt/${{shared#{temporary}/}}"
    esac
done
mount --move /mnt {temporary}
ip link set lo up
echo ready
while sleep 1; do :; done
"""


@dataclass(frozen=True)
class Host:
    """One of them; the names of interfaces differ, as on real ones."""

    name: str
    interface: str
    address: str
    pid: int
    """Its first process: as long as it lives, so does the host."""

    def popen(self, command: Sequence[str | Path], project: Path, **environment: str) -> subprocess.Popen[str]:
        """Start a command there, in a directory."""
        enter = ["nsenter", f"--target={self.pid}", "--user", "--preserve-credentials", *NAMESPACES]
        return subprocess.Popen(
            [*enter, "env", f"--chdir={project}", *command],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: Sequence[str | Path], project: Path, **environment: str) -> tuple[int, str]:
        """Its exit code and what it said."""
        process = self.popen(command, project, **environment)
        output, _ = process.communicate(timeout=240)
        return process.returncode, output


def why_no_hosts() -> str | None:
    """Why this machine cannot have them; none where it can."""
    tried = "mount -t tmpfs none /mnt && ip link add eth0 type veth peer name ens5"
    try:
        done = subprocess.run([*BY_ANYBODY, "sh", "-c", tried], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return str(error)
    return done.stderr if done.returncode else None


@contextmanager
def two_hosts(*shared: Path) -> Iterator[tuple[Host, Host]]:
    """Both, on one wire; everything that runs there is gone at the end.

    Args:
        shared: Directories that both see, beside everything outside of the temporary directory.

    """
    with tempfile.TemporaryDirectory() as folder:
        files = (REPOSITORY, Path(sys.prefix), *shared)
        left, left_pid = _begin("left", Path(folder), files, BY_ANYBODY)
        try:
            inside = ["nsenter", f"--target={left_pid}", "--user", "--preserve-credentials"]
            right, right_pid = _begin("right", Path(folder), files, [*inside, *APART])
            try:
                hosts = (
                    Host("left", "eth0", "10.77.0.1", left_pid),
                    Host("right", "ens5", "10.77.0.2", right_pid),
                )
                _connect(*hosts)
                yield hosts
            finally:
                right.kill()
                right.communicate()
        finally:
            left.kill()
            left.communicate()


def _begin(name: str, folder: Path, shared: Sequence[Path], apart: Sequence[str]) -> tuple[subprocess.Popen[str], int]:
    """The process that keeps a host, and the host's first one."""
    hosts = folder / name
    hosts.write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n")  # as Debian has it
    script = SET_UP.format(
        name=name,
        hosts=hosts,
        shared=shlex.join(map(str, shared)),
        temporary=tempfile.gettempdir(),
    )
    keeper = subprocess.Popen([*apart, "sh", "-c", script], stdout=subprocess.PIPE, text=True)
    assert keeper.stdout is not None
    assert keeper.stdout.readline() == "ready\n"
    (first,) = psutil.Process(keeper.pid).children()
    return keeper, first.pid


def _connect(one: Host, other: Host) -> None:
    wire = f"link add {one.interface} type veth peer name {other.interface} netns {other.pid}"
    _ip(one, wire)
    for host, gateway in ((one, other), (other, one)):
        _ip(host, f"address add {host.address}/24 dev {host.interface}")
        _ip(host, f"link set {host.interface} up")
        # By which a host knows its own address, as everywhere.
        _ip(host, f"route add default via {gateway.address}")


def _ip(host: Host, command: str) -> None:
    enter = ["nsenter", f"--target={host.pid}", "--user", "--preserve-credentials", "--net"]
    subprocess.run([*enter, "ip", *command.split()], check=True)
