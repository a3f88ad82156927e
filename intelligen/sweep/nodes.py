"""Every node of a cluster runs what the launcher runs, sees what it sees, and has its time: each is asked."""

import platform
import socket
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import ray
from packaging.version import Version
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from intelligen.errors import UnavailableError
from intelligen.sweep.cluster import cluster_joined
from intelligen.sweep.outcome import last_line
from intelligen.sweep.probes import ProbeError

COMPARED = ("intelligen", "ray", "torch", "numpy", "sentencepiece", "sacrebleu", "safetensors")
TIMEOUT_S = 60


@dataclass(frozen=True)
class NodeReport:
    """One node, beside this process."""

    host: str
    differences: list[str]
    """`torch 2.12.0, here 2.13.0`"""
    sees_store: bool
    skew_s: float
    """Its clock minus ours."""
    error: str | None = None
    """Why it could not be asked."""


def look_at_nodes(address: str, place: Path) -> list[NodeReport]:
    """Ask every living node.

    Args:
        address: Of the cluster.
        place: The runs directory, or what exists of it: a file there is looked for from every node.

    Raises:
        ProbeError: The cluster does not answer, or the directory cannot be written.

    """
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=place) as folder, cluster_joined(address):
            token = Path(folder) / socket.gethostname()
            token.touch()
            nodes = [node for node in ray.nodes() if node["Alive"]]
            return [_asked(node, token) for node in nodes]
    except (UnavailableError, OSError) as error:
        raise ProbeError(str(error)) from error


def _asked(node: dict[str, Any], token: Path) -> NodeReport:
    there = NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False)
    host = str(node["NodeManagerHostname"])
    before = time.time()
    try:
        found = ray.get(_look.options(scheduling_strategy=there).remote(str(token)), timeout=TIMEOUT_S)
    except ray.exceptions.RayError as error:
        return NodeReport(host, [], sees_store=False, skew_s=0.0, error=last_line(error))
    # Starting a process there takes seconds, so its time may lie anywhere between the question and the answer.
    skew = found["time"] - min(max(found["time"], before), time.time())
    theirs = found["versions"]
    different = [f"{name} {theirs[name]}, here {ours}" for name, ours in _versions().items() if theirs[name] != ours]
    return NodeReport(host, different, sees_store=found["sees"], skew_s=skew)


@ray.remote(num_cpus=0, max_retries=0)  # type: ignore[untyped-decorator] # Ray is not typed
def _look(token: str) -> dict[str, Any]:
    return {"versions": _versions(), "sees": Path(token).exists(), "time": time.time()}


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: _version(name) for name in COMPARED}


def _version(name: str) -> str:
    try:
        # One node may have the build for processors, another that for GPUs.
        return Version(version(name)).public
    except PackageNotFoundError:
        return "missing"
