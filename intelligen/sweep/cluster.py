"""Ray, started so that stopped trials give their resources back, or joined where a cluster is named."""

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray
import torch

from intelligen.config.sweep import Resources, Sweep
from intelligen.errors import UnavailableError
from intelligen.sweep.interrupts import processes_apart
from intelligen.sweep.lifeline import LONGEST_CONNECT_S, heeding_loss, leave_ray

TRIAL_SLOT = "trial_slot"
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    # Reports wait for the controller's poll: at its default of 2 s a half-second epoch takes 2 s.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "120",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # A reused actor runs every trial on a new thread: with an arena per thread its memory would only grow.
    "MALLOC_ARENA_MAX": "1",
    # CSV, JSON and TensorBoard copies of what the histories hold, written while the next trial waits.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # What ended an attempt is judged, and told in one line where it ends the trial or the launch.
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # Ray would start a task that was killed for memory again and again, beside whatever took the memory.
    "RAY_task_oom_retries": "0",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    # Ctrl-C comes to us, who pass it on to Tune.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}


@dataclass(frozen=True)
class Capacity:
    """Processors and accelerators that can be had."""

    cpus: int
    gpus: int
    place: str
    """`this machine`, or the cluster's address."""

    @classmethod
    def of_this_machine(cls) -> "Capacity":
        """What Ray will find here, found without starting it."""
        allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return cls(allowed, torch.cuda.device_count(), "this machine")

    def require(self, sweep: Sweep) -> None:
        """Refuse what could never be scheduled: Ray itself would wait for it for ever.

        Raises:
            UnavailableError: Naming the stage, what it asks for, and what there is.

        """
        for key, resources, times in (
            ("baseline", sweep.baseline, sweep.baselines_at_once()),
            ("resources", sweep.resources, sweep.resources.concurrent_trials),
        ):
            self._require(key, resources, times)

    def fitting(self, resources: Resources) -> int:
        """Trials that could run at once."""
        fit = self.cpus // (resources.workers * resources.cpus_per_worker)
        if resources.gpus_per_worker:
            fit = min(fit, self.gpus // (resources.workers * resources.gpus_per_worker))
        return fit

    def _require(self, key: str, resources: Resources, times: int) -> None:
        asked = resources.workers * times
        for kind, each, there in (
            ("CPU", resources.cpus_per_worker, self.cpus),
            ("GPU", resources.gpus_per_worker, self.gpus),
        ):
            if asked * each > there:
                concurrent = f" × {times} concurrent trials" if times > 1 else ""
                raise UnavailableError(
                    f"{key}: asks for {asked * each} {kind}s ({resources.workers} workers × {each}{concurrent}),"
                    f" {self.place} has {there}; lower {key}.workers, {key}.{kind.lower()}s_per_worker or"
                    f" {key}.concurrent_trials"
                )


def require_no_ray() -> None:
    """Refuse to go on beside a Ray that whoever calls has started in this process: there can be one, and it is theirs.

    Raises:
        UnavailableError: There is one.

    """
    if ray.is_initialized():
        raise UnavailableError(
            "this process has started or joined Ray itself, and can hold one only: call ray.shutdown() first; a sweep"
            " starts its own, or joins the cluster that RAY_ADDRESS names"
        )


@contextmanager
def ray_running(sweep: Sweep, last_words: Callable[[], int]) -> Iterator[None]:
    """Ray for the time of a sweep: the cluster that RAY_ADDRESS names, or one of our own on this machine.

    Args:
        sweep: What it is to hold.
        last_words: Called where the cluster is lost and the main thread waits for it all the same; see `heeding_loss`.

    Raises:
        UnavailableError: Ray does not start, or the cluster is too small.
        ClusterLostError: It was there, and is gone.

    """
    require_no_ray()
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        Capacity.of_this_machine().require(sweep)
    os.environ.update({key: os.environ.get(key, value) for key, value in ENVIRONMENT.items()})
    # Warnings that help nobody: of the copies that are switched off above, and of half a second on a busy machine.
    for module in ("analysis.experiment_analysis", "utils.util"):
        logging.getLogger(f"ray.tune.{module}").setLevel(logging.ERROR)
    try:
        _start(sweep, address)
        if address is not None:
            total = ray.cluster_resources()
            _joined_capacity(address).require(sweep)
            if sweep.resources.workers > 1 and total.get(TRIAL_SLOT, 0) < sweep.resources.concurrent_trials:
                raise UnavailableError(
                    f"the cluster at {address} has {total.get(TRIAL_SLOT, 0):.0f} of the resource {TRIAL_SLOT!r}, the"
                    f" sweep needs {sweep.resources.concurrent_trials}: start its head with"
                    f" --resources='{{\"{TRIAL_SLOT}\": 64}}', as cluster.yaml does"
                )
        with heeding_loss(last_words):
            yield
    finally:
        leave_ray()


@contextmanager
def cluster_joined(address: str) -> Iterator[None]:
    """The cluster at an address, for a look at it.

    Raises:
        UnavailableError: It does not answer.

    """
    require_no_ray()
    try:
        _require_listening(address)
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreachable(f"the Ray cluster at {address}", error) from error
    try:
        yield
    finally:
        leave_ray()


def capacity_of_cluster(address: str) -> Capacity:
    """What the cluster at an address has now.

    Raises:
        UnavailableError: It does not answer.

    """
    with cluster_joined(address):
        return _joined_capacity(address)


def _joined_capacity(address: str) -> Capacity:
    total = ray.cluster_resources()
    return Capacity(int(total.get("CPU", 0)), int(total.get("GPU", 0)), f"the cluster at {address}")


def _require_listening(address: str) -> None:
    """Ray itself would try for minutes to reach a head that is gone."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=LONGEST_CONNECT_S).close()


def _unreachable(where: str, error: Exception) -> UnavailableError:
    reason = " ".join(str(error).split())
    return UnavailableError(f"cannot reach or start {where}: {reason}; unset RAY_ADDRESS to run on this machine")


def _start(sweep: Sweep, address: str | None) -> None:
    worker_environment = {key: os.environ[key] for key in ENVIRONMENT}
    try:
        if address is not None:
            _require_listening(address)
            ray.init(address=address, log_to_driver=False, runtime_env={"env_vars": worker_environment})
            return
        port = _free_port()
        # Placement groups of stopped trials are freed through the dashboard; with another Ray on this
        # machine the workers would ask that one's unless they are told.
        worker_environment["RAY_API_SERVER_ADDRESS"] = f"http://127.0.0.1:{port}"
        capacity = Capacity.of_this_machine()
        with processes_apart():
            ray.init(
                address="local",
                num_cpus=capacity.cpus,
                num_gpus=capacity.gpus,
                resources={TRIAL_SLOT: sweep.resources.concurrent_trials},
                include_dashboard=True,
                dashboard_host="127.0.0.1",
                dashboard_port=port,
                log_to_driver=False,
                configure_logging=False,
                runtime_env={"env_vars": worker_environment},
            )
    except (OSError, RuntimeError, ValueError) as error:
        where = f"the Ray cluster at {address}" if address else "Ray on this machine"
        raise _unreachable(where, error) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
