"""Ray session: Ray started on this machine, or a cluster joined, and left again."""

import json
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
import torch
from ray._private.node import Node as RayNode
from ray._raylet import AuthenticationTokenLoader, Config, PlacementGroupID  # type: ignore[attr-defined]
from ray.util.placement_group import PlacementGroup

from intelligen.config.schema.sweep import Sweep
from intelligen.errors import UnavailableError
from intelligen.sweep.cluster.autoscaler import await_nodes
from intelligen.sweep.cluster.capacity import Capacity, Node
from intelligen.sweep.cluster.cluster_monitor import LONGEST_CONNECT_S, interrupted_by_cluster_loss, leave_ray
from intelligen.sweep.cluster.find_cluster import IN_A_JOB, Cluster, demands_token
from intelligen.sweep.cluster.node_checks import require_ready_nodes
from intelligen.sweep.cluster.ray_directories import require_ray_folder
from intelligen.sweep.execution.gloo_rendezvous import INTERFACE
from intelligen.sweep.signals import keeping_handlers, processes_apart

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
    # Errors of attempts are handled, and reported in one line where they end the trial or the launch.
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # Ray would start a task that was killed for memory again and again, beside whatever took the memory.
    "RAY_task_oom_retries": "0",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    # Ctrl-C comes to us, who pass it on to Tune.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}
OWN_RAY = {
    # Ray's metrics would be served to everybody who reaches this machine, without a token. The last
    # two servers have no switch: a port that is none leaves them out.
    "RAY_enable_metrics_collection": "0",
    "DASHBOARD_METRIC_PORT": "-1",
    "AUTOSCALER_METRIC_PORT": "-1",
    # Ray would start a worker for each processor that no trial takes: a trial's has an environment of its own.
    "RAY_prestart_worker_first_driver": "0",
}
PASSED_ON = (INTERFACE,)
"""Variables that workers get where the launcher has them."""


def capacity_here() -> Capacity:
    """What Ray will find on this machine, found without starting it."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Capacity("this machine", (Node("this machine", allowed, torch.cuda.device_count()),))


def require_no_ray() -> None:
    """Refuse to go on beside a Ray that the caller has started in this process: there can be one, and it is theirs.

    Raises:
        UnavailableError: There is one.

    """
    if ray.is_initialized():
        raise UnavailableError(
            "this process has started or joined Ray itself, and can use only one Ray at a time: call ray.shutdown()"
            " first; a sweep starts its own, or joins the cluster that RAY_ADDRESS names"
        )


@contextmanager
def ray_running(sweep: Sweep, cluster: Cluster | None, *, store: Path, on_hang: Callable[[], int]) -> Iterator[None]:
    """Ray for the time of a sweep: a cluster that is joined, or one of our own on this machine.

    Args:
        sweep: What it is to hold, without `auto`.
        cluster: The one to join; none = this machine.
        store: The runs directory.
        on_hang: Called where the cluster is lost and the main thread waits for it all the same; see
            `interrupted_by_cluster_loss`.

    Raises:
        UnavailableError: Ray does not start, or the cluster is too small, or a node of it cannot hold a trial.
        ClusterLostError: It was there, and is gone.

    """
    require_no_ray()
    os.environ.update({key: os.environ.get(key, value) for key, value in ENVIRONMENT.items()})
    quieten()
    try:
        if cluster is None:
            _start(sweep)
        else:
            _join(cluster, runtime_env={"env_vars": workers_environment()})
        with interrupted_by_cluster_loss(on_hang):  # which may happen while nodes are waited for, too
            if _has_new_nodes(sweep, cluster):
                require_ready_nodes(sweep, store)
            yield
    finally:
        leave_ray()


def quieten() -> None:
    """Have Ray say nothing that no one can act on."""
    # Warnings: of the copies that are switched off above, and of half a second on a busy machine.
    for module in ("analysis.experiment_analysis", "utils.util"):
        logging.getLogger(f"ray.tune.{module}").setLevel(logging.ERROR)
    logging.getLogger("ray._private.authentication.authentication_token_setup").addFilter(_asks_for_something)


def _asks_for_something(record: logging.LogRecord) -> bool:
    """False of the lines on the token by which Ray's processes know each other; that it lacks one is worth a line."""
    return not record.getMessage().startswith(("Token authentication is enabled", "Generated new authentication token"))


def _has_new_nodes(sweep: Sweep, cluster: Cluster | None) -> bool:
    """Whether there are nodes, or GPUs, that were not looked at yet; an autoscaler's are waited for."""
    if cluster is None:
        return bool(sweep.resources.gpus or sweep.baseline.gpus)
    _require_slots(sweep, cluster)
    stages = {"baseline": (sweep.baseline, sweep.baselines_at_once())}
    stages["resources"] = (sweep.resources, sweep.resources.at_once)
    return await_nodes(cluster.address, stages)


@contextmanager
def cluster_joined(cluster: Cluster) -> Iterator[None]:
    """A cluster, for a look at it.

    Raises:
        UnavailableError: It does not answer.

    """
    require_no_ray()
    _join(cluster, runtime_env={})
    try:
        yield
    finally:
        leave_ray()


def _join(cluster: Cluster, *, runtime_env: Mapping[str, Any]) -> None:
    try:
        _require_listening(cluster.address)
        _show_token(cluster.address)
        with keeping_handlers():
            ray.init(
                address=cluster.address,
                log_to_driver=False,
                configure_logging=False,
                runtime_env=dict(runtime_env) or None,
            )
    except Exception as error:  # Ray's own class, or none: a node that is slow to start is a bare `Exception`
        fix = "; --local runs the sweep on this machine instead" if cluster.is_a_choice else ""
        reason = " ".join(str(error).split())
        raise UnavailableError(
            f"cannot join the Ray cluster at {cluster.address} ({cluster.found}): {reason}{fix}"
        ) from error


def _show_token(address: str) -> None:
    """`ray start` asks for a token wherever its user has one, so a launch that joins shows one unasked."""
    if "RAY_AUTH_MODE" in os.environ or not demands_token(address):
        return  # before Ray looks for a token: once it has one, it demands one of its callers too
    if AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True):
        os.environ["RAY_AUTH_MODE"] = "token"
        Config.initialize("")  # Ray has read its environment when it was imported


def workers_environment() -> dict[str, str]:
    """What our workers' processes need, without what the user gave to a whole job: that counts, and Ray merges none."""
    job = json.loads(os.environ.get(IN_A_JOB, "{}"))
    given = ((job.get("runtime_env") or {}).get("env_vars") or {}).keys()
    names = [*ENVIRONMENT, *(name for name in PASSED_ON if name in os.environ)]
    return {name: os.environ[name] for name in names if name not in given}


def _require_slots(sweep: Sweep, cluster: Cluster) -> None:
    slots = ray.cluster_resources().get(TRIAL_SLOT, 0)
    if sweep.resources.workers > 1 and slots < sweep.resources.at_once:
        raise UnavailableError(
            f"the cluster at {cluster.address} has {slots:.0f} of the resource {TRIAL_SLOT!r}, the sweep needs"
            f" {sweep.resources.at_once}: start its head with --resources='{{\"{TRIAL_SLOT}\": 64}}', as"
            " cluster.yaml does"
        )


def _require_listening(address: str) -> None:
    """Ray itself would try for minutes to reach a head that is gone."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=LONGEST_CONNECT_S).close()


def _start(sweep: Sweep) -> None:
    require_ray_folder()
    port, capacity = _free_port(), capacity_here()
    # Ray Train frees the placement groups of stopped trials through the dashboard; with another Ray on this machine
    # the workers would ask that one's by default. Trials of one worker are Tune's own actors, and need none; nor does
    # a baseline, which is not stopped early: `remove_groups`.
    in_groups = sweep.resources.workers > 1
    os.environ.update({key: os.environ.get(key, value) for key, value in OWN_RAY.items()})
    environment = {**workers_environment(), "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{port}"}
    try:
        with processes_apart(), keeping_handlers(), _without_unused_services(dashboard=in_groups):
            ray.init(
                address="local",
                num_cpus=capacity.cpus,
                num_gpus=capacity.gpus,
                resources={TRIAL_SLOT: sweep.resources.at_once},
                include_dashboard=in_groups,
                dashboard_host="127.0.0.1",
                dashboard_port=port,
                log_to_driver=False,
                configure_logging=False,
                runtime_env={"env_vars": environment},
            )
    except Exception as error:  # as in `_join`
        why = " ".join(str(error).split()).rstrip(".")
        again = "if the machine is busy, run the same command again"
        raise UnavailableError(f"cannot start Ray on this machine: {why}; {again}") from error


@contextmanager
def _without_unused_services(*, dashboard: bool) -> Iterator[None]:
    """Have no services started here that nothing uses: no log is sent to this process, and no node joins.

    Ray has no switch for them. Without a dashboard it would start the dashboard's process all the same, and wait until
    that has imported for seconds.

    Args:
        dashboard: Whether that is used.

    """
    unused = ("start_log_monitor", "start_monitor", *(() if dashboard else ("start_api_server",)))
    started = {name: getattr(RayNode, name) for name in unused}
    for name in unused:
        setattr(RayNode, name, lambda *_, **__: None)
    try:
        yield
    finally:
        for name, start in started.items():
            setattr(RayNode, name, start)


def remove_groups() -> None:
    """Give back what groups of workers hold, in a Ray of our own where nothing trains any more.

    A controller that is killed leaves its placement group, and no other group finds room.
    """
    for identity, group in ray.util.placement_group_table().items():
        if group["state"] != "REMOVED":
            ray.util.remove_placement_group(PlacementGroup(PlacementGroupID.from_hex(identity)))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
