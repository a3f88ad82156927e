"""Cluster monitor: ends a launch soon where its Ray cluster is gone."""

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ray

from intelligen.errors import ClusterLostError
from intelligen.sweep.signals import end_process, interrupt_main_thread, interrupt_requested

LOST = "the Ray cluster was lost; run the same command to resume"
LONGEST_CONNECT_S = 5.0
POLL_S = 1.0
LOST_AFTER_S = 10.0
"""What does not answer for so long is gone."""
LEAVE_WITHIN_S = 10.0

Address = tuple[str, int]


class ClusterMonitor:
    """Connections that no trial can do without: to the cluster's head, and to the raylet of this node.

    Args:
        addresses: Of both.

    """

    def __init__(self, addresses: list[Address]) -> None:
        self._addresses = addresses
        self.is_cut = threading.Event()

    def require(self) -> None:
        """Wait until both answer, but not for long.

        Raises:
            ClusterLostError: One of them does not.

        """
        deadline = time.monotonic() + LOST_AFTER_S
        while not all(listens(address) for address in self._addresses):
            # A signal that ends us may have been for every process of the machine, Ray's too.
            if self.is_cut.is_set() or interrupt_requested() or time.monotonic() >= deadline:
                self.is_cut.set()
                raise ClusterLostError(LOST)
            time.sleep(POLL_S)


_held: ClusterMonitor | None = None
"""One in a process, as there is one Ray."""


def require_cluster() -> None:
    """Make sure that the cluster is alive and not being left, before a trial is blamed for its end.

    Raises:
        ClusterLostError: It is gone, or the launch is being ended by a signal, which its workers may have had as well.

    """
    if _held is not None:
        if interrupt_requested():
            raise ClusterLostError(LOST)
        _held.require()


@contextmanager
def interrupted_by_cluster_loss(on_hang: Callable[[], int]) -> Iterator[None]:
    """Interrupt the main thread, as Ctrl-C does, once the cluster is lost. Ray is left at the end.

    Args:
        on_hang: Called by another thread where the main one waits for a lost cluster and nothing ends that: closes
            what is open within a bound, and returns the exit code with which the process then ends.

    Raises:
        ClusterLostError: In place of whatever came of the loss.

    """
    global _held
    _held = monitor = ClusterMonitor(_addresses())
    ended, left = threading.Event(), threading.Event()
    threading.Thread(target=_watch, args=(monitor, ended, left, on_hang), name="cluster-monitor", daemon=True).start()
    try:
        yield
    except BaseException:
        ended.set()  # what has ended by itself needs no interrupt
        monitor.require()
        raise
    finally:
        _held = None
        ended.set()
        leave_ray()
        left.set()


def leave_ray() -> None:
    """Shut Ray down. A reference that another thread dropped meanwhile would end the process, with exit code 1."""
    gc.collect()
    gc.disable()  # it runs in whichever thread allocates
    try:
        ray.shutdown()
    finally:
        gc.enable()


def listens(address: Address) -> bool:
    """Whether a process accepts connections there."""
    try:
        socket.create_connection(address, timeout=LONGEST_CONNECT_S).close()
    except OSError:
        return False
    return True


def _addresses() -> list[Address]:
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    (node,) = (node for node in ray.nodes() if node["NodeID"] == context.get_node_id())
    return [(host, int(port)), (node["NodeManagerAddress"], node["NodeManagerPort"])]


def _watch(monitor: ClusterMonitor, ended: threading.Event, left: threading.Event, on_hang: Callable[[], int]) -> None:
    while not ended.wait(POLL_S):
        try:
            monitor.require()
        except ClusterLostError:
            if not ended.is_set():
                interrupt_main_thread()
            break
    if monitor.is_cut.is_set() and not left.wait(LEAVE_WITHIN_S):
        # Some of Ray's calls wait for its head, and nothing ends them.
        code = ClusterLostError.exit_code
        try:
            code = on_hang()
        finally:
            end_process(code, f"error: {LOST}\n" if code == ClusterLostError.exit_code else "")
