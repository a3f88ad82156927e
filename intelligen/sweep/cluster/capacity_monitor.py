"""Capacity monitor: fails a launch where no node is left that could hold its trials."""

import time

import ray

from intelligen.config.schema.resources import Resources
from intelligen.errors import NodeLostError
from intelligen.sweep.cluster.autoscaler import capacity_now, cluster_capacity
from intelligen.sweep.cluster.cluster_monitor import require_cluster

LOOK_EVERY_S = 10.0


class CapacityMonitor:
    """Checks now and then whether the trials of a stage that waits for Ray can be scheduled at all.

    Args:
        resources: What each trial of the stage takes.

    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._looked_s = time.monotonic()

    def look(self) -> None:
        """Check, unless that was done a moment ago.

        Raises:
            NodeLostError: No trial can be scheduled any more.
            ClusterLostError: The cluster is gone.

        """
        if time.monotonic() - self._looked_s >= LOOK_EVERY_S:
            require_capacity(self._resources, NodeLostError("a node was lost"))
            self._looked_s = time.monotonic()


def require_capacity(resources: Resources, lost: NodeLostError) -> None:
    """Refuse to wait where a trial's workers do not fit, now or on nodes that can be added.

    Args:
        resources: What the trial takes.
        lost: What is said before that there is none.

    Raises:
        NodeLostError: They do not.
        ClusterLostError: The cluster is gone.

    """
    require_cluster()
    address = ray.get_runtime_context().gcs_address
    if capacity_now(address).fitting(resources):
        return
    capacity = cluster_capacity(address)
    if not capacity.fitting(resources):
        left = f"the nodes that are left have no room for the trial ({capacity.listed() or 'there are none'})"
        raise NodeLostError(f"{lost}; {left}: run the same command once there is room")
