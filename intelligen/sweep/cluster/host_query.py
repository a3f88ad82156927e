"""Asks a host of the cluster by a short Ray task."""

from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

LONGEST_ANSWER_S = 120.0
"""Of a host that works: it may first have to start a process and import torch, on a busy processor."""


def query_host(host: str, task: Any, *arguments: Any) -> Any:
    """The result of a remote function that runs on a host; None where it has no living node.

    Raises:
        RayError: It fails, or does not answer in time.

    """
    for node in ray.nodes():
        if node["Alive"] and node["NodeManagerHostname"] == host:
            there = NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False)
            return ray.get(task.options(scheduling_strategy=there).remote(*arguments), timeout=LONGEST_ANSWER_S)
    return None
