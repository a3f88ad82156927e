"""Survey of resources before a launch: capacity, devices, nodes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from intelligen.config.schema.sweep import Sweep
from intelligen.sweep.cluster.autoscaler import cluster_capacity
from intelligen.sweep.cluster.capacity import Capacity
from intelligen.sweep.cluster.device_choice import devices_line, on_devices
from intelligen.sweep.cluster.find_cluster import Cluster
from intelligen.sweep.cluster.node_checks import require_ready_nodes
from intelligen.sweep.cluster.ray_session import capacity_here, cluster_joined


@dataclass(frozen=True)
class Survey:
    """A sweep that can run, with the resources that were found for it."""

    sweep: Sweep
    """With numbers in place of `auto`."""
    lines: tuple[str, ...]
    """Lines for the user: where it runs, on what, and warnings."""


def capacity_at(cluster: Cluster | None) -> Capacity:
    """What a cluster has, or this machine.

    Raises:
        UnavailableError: It does not answer.

    """
    if cluster is None:
        return capacity_here()
    with cluster_joined(cluster):
        return cluster_capacity(cluster.address)


def survey(sweep: Sweep, cluster: Cluster | None, *, recorded: Mapping[str, int], store: Path) -> Survey:
    """Check capacity, devices and nodes for a sweep.

    Args:
        sweep: As it was given.
        cluster: The one to join; none = this machine.
        recorded: Stage → GPUs per worker at its last launch; empty before its first.
        store: The runs directory; it need not exist.

    Raises:
        UnavailableError: It cannot run there; the message says why, and the fix.
        OSError: The runs directory cannot be written.

    """
    if cluster is None:
        capacity = capacity_here()
        fitted = _fitted(sweep, capacity, recorded)
        return Survey(fitted, (devices_line(sweep, fitted, capacity),))
    with cluster_joined(cluster):
        capacity = cluster_capacity(cluster.address)
        fitted = _fitted(sweep, capacity, recorded)
        warnings = require_ready_nodes(fitted, store)
    return Survey(fitted, (f"{cluster}", devices_line(sweep, fitted, capacity), *warnings))


def _fitted(sweep: Sweep, capacity: Capacity, recorded: Mapping[str, int]) -> Sweep:
    fitted = on_devices(sweep, capacity, recorded)
    capacity.require(fitted)
    return fitted
