"""Finds the Ray cluster to join: this job's, RAY_ADDRESS, one that runs here, or none.

`ray start` writes the address of its cluster into a file, which Ray itself reads for `address="auto"`. A Ray that a
program starts for itself, as a sweep does, writes none. Only Ray's test clusters do, and their program is their parent.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import psutil

from intelligen.errors import ConfigError
from intelligen.sweep.cluster.ray_directories import ray_folder

ANSWERS_WITHIN_S = 5.0
IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Ray sets it for what a job runs."""
_ANY_CALL = "/ray.rpc.NodeInfoGcsService/CheckAlive"


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that runs."""

    address: str
    found: str
    """How its address is known."""
    is_a_choice: bool = True
    """Whether a sweep may run elsewhere."""

    def __str__(self) -> str:
        prevent = "; --local runs it on this machine instead" if self.is_a_choice else ""
        return f"joins the Ray cluster at {self.address} ({self.found}){prevent}"


def find_cluster(*, local: bool) -> Cluster | None:
    """The cluster that a sweep joins; none where it starts a Ray of its own on this machine.

    Args:
        local: Whether it is to, whatever runs here.

    Raises:
        ConfigError: It is to, and is part of a Ray job.

    """
    named = os.environ.get("RAY_ADDRESS")
    if IN_A_JOB in os.environ:
        if local:
            raise ConfigError(
                "--local: a Ray job runs on its cluster; leave it out, or start the sweep outside of a job"
            )
        return Cluster(named or "auto", "of this Ray job", is_a_choice=False)
    if local or named == "local":
        return None
    return Cluster(named, "RAY_ADDRESS names it") if named else _running_here()


def demands_token(address: str) -> bool:
    """Whether the cluster at an address refuses who shows no token; it is taken to where it cannot be asked.

    A program that shows one must not join a cluster without: it would refuse the requests of the cluster's head.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        return True
    with grpc.insecure_channel(address) as channel:
        try:
            channel.unary_unary(_ANY_CALL)(b"", timeout=ANSWERS_WITHIN_S)
        except grpc.RpcError as error:
            # A head of another version may not know the call; it has not refused the caller then.
            return error.code() is not grpc.StatusCode.UNIMPLEMENTED
    return False


def address_file() -> Path:
    """Where `ray start` writes the address of its cluster."""
    return ray_folder() / "ray_current_cluster"


def _running_here() -> Cluster | None:
    """What `ray start` started on this machine, as this user, if it is alive."""
    try:
        address = address_file().read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    if not _has_a_head(address.rpartition(":")[2]) or not _answers(address):
        return None
    return Cluster(address, f"{address_file()} names it")


def _has_a_head(port: str) -> bool:
    """Whether a process of this user, which `ray start` started, listens at the port: the file outlives its cluster."""
    for process in psutil.process_iter(["name", "uids"]):
        uids = process.info["uids"]  # none where it is another user's, and the system does not say whose
        if process.info["name"] != "gcs_server" or uids is None or uids.real != os.getuid():
            continue
        try:
            listening = {str(one.laddr.port) for one in process.net_connections() if one.status == psutil.CONN_LISTEN}
            if port in listening and not _is_of_a_program(process):
                return True
        except psutil.Error:
            continue  # it has ended meanwhile
    return False


def _is_of_a_program(head: psutil.Process) -> bool:
    """Whether a Python program started it for itself: `ray start` ends before its cluster, or waits as `ray start`."""
    parent = head.parent()
    if parent is None:
        return False
    try:
        return Path(parent.exe()).name.startswith("python") and "start" not in parent.cmdline()
    except psutil.Error:
        return False  # another user's, such as init, which has adopted it


def _answers(address: str) -> bool:
    """Whether a process answers there: one that is stopped accepts connections too."""
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=ANSWERS_WITHIN_S)
        except grpc.FutureTimeoutError:
            return False
    return True
