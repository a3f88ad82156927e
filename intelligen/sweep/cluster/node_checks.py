"""Checks of cluster nodes: versions, runs directory, clock, GPUs.

All of it looks at the Ray that this process has joined.
"""

import platform
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import ray
import torch
from packaging.version import Version
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from intelligen.analysis.trial_outcome import last_line
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import UnavailableError
from intelligen.sweep.cluster.capacity import Node
from intelligen.sweep.cluster.host_query import LONGEST_ANSWER_S

COMPARED = ("intelligen", "ray", "torch", "numpy", "sentencepiece", "sacrebleu", "safetensors")
"""For all nodes together."""
SEEN_WITHIN_S = 5.0
"""A network's file system may show a new file late."""
WORST_SKEW_S = 2.0
PRODUCT_SIZE = 256
# Ray hides a node's GPUs from what asks for none; the probe takes none from other trials, and looks at all.
SEES_ALL_GPUS = {"env_vars": {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}}


@dataclass(frozen=True)
class NodeReport:
    """One node, compared with this process."""

    host: str
    differences: tuple[str, ...] = ()
    """`torch 2.12.0, here 2.13.0`"""
    sees_store: bool = True
    skew_s: float = 0.0
    """Its clock minus ours."""
    gpus: str | None = None
    """Why its GPUs cannot be used."""
    error: str | None = None
    """Why it could not be asked."""

    def trouble(self, directory: Path) -> tuple[str, str] | None:
        """Why no trial can run there, and what to do about it; none where one can.

        Args:
            directory: The directory that it was to see.

        """
        if self.error is not None:
            return self.error, "check that its Ray works and that it has the same environment"
        if self.differences:
            return ", ".join(self.differences), "install the same versions on every node"
        if not self.sees_store:
            return f"does not see {directory}", "put --runs on a directory that every node has"
        if self.gpus is not None:
            return self.gpus, "install torch for its CUDA there, or start its Ray with --num-gpus=0"
        return None


def check_nodes(directory: Path, *, wanted: Callable[[Node], bool] = lambda node: True) -> list[NodeReport]:
    """Check living nodes, all at once.

    Args:
        directory: The runs directory, or what exists of it: a file there is looked for from every node.
        wanted: Which nodes are asked.

    Raises:
        OSError: The directory cannot be written.

    """
    found = [node for node in ray.nodes() if node["Alive"] and wanted(node_of(node))]
    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=directory) as folder:
        token, content = Path(folder) / socket.gethostname(), secrets.token_hex()
        token.write_text(content)
        before = time.time()
        deadline = time.monotonic() + LONGEST_ANSWER_S
        asked = [(node, _ask(node, token, content)) for node in found]
        return [_answer(node, answer, before, deadline) for node, answer in asked]


def require_ready_nodes(sweep: Sweep, store: Path) -> list[str]:
    """Check every node that can hold a worker of the sweep, before anything is trained.

    Args:
        sweep: Without `auto`.
        store: The runs directory; it need not exist.

    Returns:
        Warnings.

    Raises:
        UnavailableError: No trial could run on one of them.
        OSError: The directory cannot be written.

    """
    directory = next(path for path in (store, *store.parents) if path.exists())
    stages = (sweep.baseline, sweep.resources)

    def can_hold(node: Node) -> bool:
        return any(node.holds(stage.cpus_per_worker, stage.gpus) for stage in stages)

    reports = check_nodes(directory, wanted=can_hold)
    uses_gpus = any(stage.gpus for stage in stages)
    for report in reports:
        trouble = report.trouble(directory)
        if trouble is not None and (trouble[0] != report.gpus or uses_gpus):
            raise UnavailableError(
                f"node {report.host}: {'; '.join(trouble)}; `intelligen doctor` looks at all of them"
            )
    return [
        f"warning: the clock of node {report.host} is {report.skew_s:+.1f} s from ours; let NTP set both"
        for report in reports
        if abs(report.skew_s) > WORST_SKEW_S
    ]


def node_of(facts: dict[str, Any]) -> Node:
    """A node as Ray lists it."""
    return node_with(str(facts["NodeManagerHostname"]), facts["Resources"])


def node_with(name: str, resources: Mapping[str, float]) -> Node:
    """A node by Ray's names of resources."""
    return Node(name, int(resources.get("CPU", 0)), int(resources.get("GPU", 0)))


def _ask(node: dict[str, Any], token: Path, content: str) -> Any:
    there = NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False)
    options = {"scheduling_strategy": there, "runtime_env": SEES_ALL_GPUS}
    return _look.options(**options).remote(str(token), content, node_of(node).gpus)


def _answer(node: dict[str, Any], answer: Any, before: float, deadline: float) -> NodeReport:
    host = str(node["NodeManagerHostname"])
    try:
        found = ray.get(answer, timeout=max(0.0, deadline - time.monotonic()))
    except ray.exceptions.GetTimeoutError:
        return NodeReport(host, error=f"has not answered for {LONGEST_ANSWER_S:.0f} s")
    except ray.exceptions.RayError as error:
        return NodeReport(host, error=last_line(error))
    # Starting a process there takes seconds, so its time may lie anywhere between the question and the answer.
    skew = found["time"] - min(max(found["time"], before), time.time())
    theirs = found["versions"]
    different = tuple(
        f"{name} {theirs[name]}, here {ours}" for name, ours in _versions().items() if theirs[name] != ours
    )
    return NodeReport(host, different, sees_store=found["sees"], skew_s=skew, gpus=found["gpus"])


@ray.remote(num_cpus=0, max_retries=0)  # type: ignore[untyped-decorator] # Ray is not typed
def _look(token: str, content: str, gpus: int) -> dict[str, Any]:
    return {
        "versions": _versions(),
        "sees": can_read_file(Path(token), content),
        "gpus": unusable_gpus(gpus),
        "time": time.time(),
    }


def can_read_file(token: Path, content: str) -> bool:
    """Whether the file can be read there; a file system that hangs would keep its reader for ever."""
    seen = threading.Event()

    def look() -> None:
        if _appears(token, content):
            seen.set()

    reader = threading.Thread(target=look, daemon=True)
    reader.start()
    reader.join(SEEN_WITHIN_S + 1)
    return seen.is_set()


def _appears(token: Path, content: str) -> bool:
    deadline = time.monotonic() + SEEN_WITHIN_S
    while True:
        try:
            if token.read_text() == content:
                return True
        except OSError:
            pass  # it is not there, or not yet
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.2)


def unusable_gpus(gpus: int) -> str | None:
    """Why this process cannot use so many GPUs: each has a matrix product to make.

    Args:
        gpus: How many Ray counts on this node.

    """
    there = torch.cuda.device_count()
    if there < gpus:
        return f"Ray counts {gpus} GPUs, torch {torch.__version__} can use {there}"
    for index in range(gpus):
        try:
            ones = torch.ones(PRODUCT_SIZE, PRODUCT_SIZE, device=torch.device("cuda", index))
            product = float((ones @ ones).mean())
        except RuntimeError as error:
            return f"GPU {index}: {last_line(error)}"
        if product != PRODUCT_SIZE:
            return f"GPU {index} computes wrong results: {product:g} instead of {PRODUCT_SIZE}"
    return None


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: _version(name) for name in COMPARED}


def _version(name: str) -> str:
    try:
        # One node may have the build for processors, another that for GPUs.
        return Version(version(name)).public
    except PackageNotFoundError:
        return "missing"
