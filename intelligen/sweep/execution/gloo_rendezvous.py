"""Rendezvous of a group's workers (gloo): at the addresses by which Ray knows their nodes.

By itself gloo looks up the host's own name, which is the loopback on many machines. Workers of other hosts then wait
for one that they cannot reach.
"""

import os
from dataclasses import dataclass
from typing import Any

import psutil
import ray
from ray.train.torch import TorchConfig

INTERFACE = "GLOO_SOCKET_IFNAME"


@dataclass
class Rendezvous(TorchConfig):  # type: ignore[misc] # Ray is not typed
    """Ray Train's process group, with gloo on the interface of the node's own address."""

    @property
    def backend_cls(self) -> type:
        """Who sets the group up."""
        return _Backend


class _Backend(TorchConfig().backend_cls):  # type: ignore[misc] # Ray is not typed
    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        worker_group.execute(bind_to_own_address)
        super().on_start(worker_group, backend_config)


def bind_to_own_address() -> None:
    """In a worker: name the interface, unless the user has."""
    name = interface_of(ray.util.get_node_ip_address())
    if name is not None:
        os.environ.setdefault(INTERFACE, name)


def interface_of(address: str) -> str | None:
    """The network interface that has an address; none where none has."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(one.address.partition("%")[0] == address for one in addresses):
            return name
    return None
