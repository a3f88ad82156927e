"""Autoscaler: what nodes it could add, and waiting for them."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import ray
import yaml
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from intelligen.analysis.trial_outcome import last_line
from intelligen.config.schema.resources import Resources
from intelligen.errors import UnavailableError
from intelligen.sweep.cluster.capacity import Capacity, Node
from intelligen.sweep.cluster.host_query import LONGEST_ANSWER_S
from intelligen.sweep.cluster.node_checks import node_of, node_with

POLL_S = 1.0
CONFIG = "--autoscaling-config="
HEAD = "node:__internal_head__"
"""A resource that Ray gives the node with the cluster's head."""


def cluster_capacity(address: str) -> Capacity:
    """What the cluster that has been joined has now, and what its autoscaler can add.

    Args:
        address: Of the cluster, for its name.

    """
    alive = [node for node in ray.nodes() if node["Alive"]]
    heads = [node["NodeID"] for node in alive if HEAD in node["Resources"]]
    workers = [node_of(node) for node in alive if HEAD not in node["Resources"]]
    addable = addable_nodes(_autoscaler_config(heads[0]), workers) if heads else ()
    return Capacity(f"the cluster at {address}", tuple(map(node_of, alive)), addable)


def addable_nodes(config: Mapping[str, Any], workers: list[Node]) -> tuple[Node, ...]:
    """Node types with how many of each can still come.

    Args:
        config: What the autoscaler was started with; empty where none runs.
        workers: The nodes beside the head.

    """
    most = int(config.get("max_workers", 0)) - len(workers)
    found = []
    for name, kind in config.get("available_node_types", {}).items():
        one = node_with(f"node type {name}", kind.get("resources", {}))
        there = sum((node.cpus, node.gpus) == (one.cpus, one.gpus) for node in workers)
        count = min(most, int(kind.get("max_workers", most)) - there)
        if count > 0 and name != config.get("head_node_type"):
            found.append(Node(one.name, one.cpus, one.gpus, count))
    return tuple(found)


def await_nodes(address: str, stages: Mapping[str, tuple[Resources, int]]) -> bool:
    """Ask the autoscaler for all that the stages take, and wait until each of them has room for one trial.

    Args:
        address: Of the cluster, for its name.
        stages: Key of the sweep file → its resources, and how many trials at once.

    Returns:
        Whether there was anything to wait for.

    Raises:
        UnavailableError: `wait_s` of a stage has passed.

    """
    from ray.autoscaler.sdk import request_resources  # brings Ray's commands along, which no launch without one needs

    begun, asked = time.monotonic(), False
    try:
        for key, (resources, _) in stages.items():
            while (capacity := capacity_now(address)).fitting(resources) < 1:
                if time.monotonic() - begun >= resources.wait_s:
                    raise UnavailableError(
                        f"{key}: {capacity.location} has no room for a trial ({capacity.listed()}), and its autoscaler"
                        f" added none in {resources.wait_s:g} s; `ray status` says why, or raise {key}.wait_s"
                    )
                if not asked:
                    request_resources(bundles=[bundle for stage in stages.values() for bundle in _bundles(*stage)])
                    asked = True
                time.sleep(POLL_S)
    finally:
        if asked:
            request_resources(bundles=[])  # what is needed from now on, Tune asks for
    return asked


def _bundles(resources: Resources, times: int) -> list[dict[str, int]]:
    gpus = {"GPU": resources.gpus} if resources.gpus else {}
    return [{"CPU": resources.cpus_per_worker, **gpus}] * (resources.workers * times)


def capacity_now(address: str) -> Capacity:
    """What the cluster that has been joined has now.

    Args:
        address: Of the cluster, for its name.

    """
    return Capacity(f"the cluster at {address}", tuple(node_of(node) for node in ray.nodes() if node["Alive"]))


def _autoscaler_config(head: str) -> Mapping[str, Any]:
    there = NodeAffinitySchedulingStrategy(node_id=head, soft=False)
    try:
        config: Mapping[str, Any] = ray.get(
            _read_config.options(scheduling_strategy=there).remote(), timeout=LONGEST_ANSWER_S
        )
    except ray.exceptions.RayError as error:
        raise UnavailableError(f"the cluster's head does not answer: {last_line(error)}") from error
    return config


@ray.remote(num_cpus=0, max_retries=0)  # type: ignore[untyped-decorator] # Ray is not typed
def _read_config() -> dict[str, Any]:
    return config_of(ray.get_runtime_context().gcs_address)


def config_of(address: str) -> dict[str, Any]:
    """On a cluster's head: the file that its autoscaler was started with; empty where it has none.

    Args:
        address: Of the cluster. Others may run on this machine, each with an autoscaler of its own.

    """
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if f"--gcs-address={address}" not in words:
            continue
        for word in words:
            if word.startswith(CONFIG):
                config: dict[str, Any] = yaml.safe_load(Path(word.removeprefix(CONFIG)).read_text(encoding="utf-8"))
                return config
    return {}
