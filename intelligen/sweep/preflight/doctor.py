"""`doctor`: checks all that a sweep needs, leaves nothing behind, names a fix for each finding."""

import os
import platform
import resource
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import psutil
import torch
from packaging.requirements import Requirement
from packaging.version import Version

from intelligen.errors import UnavailableError
from intelligen.models.matmul import offers
from intelligen.state import layout
from intelligen.state.redaction import redact_text
from intelligen.sweep.cluster.find_cluster import Cluster
from intelligen.sweep.cluster.node_checks import WORST_SKEW_S, NodeReport, check_nodes
from intelligen.sweep.cluster.ray_directories import require_home, require_ray_folder, short_temporary_directory
from intelligen.sweep.cluster.ray_session import cluster_joined
from intelligen.sweep.preflight.probes import ProbeError, probe_ray, probe_store, probe_tracking

OLDEST_PYTHON = (3, 11)
CONSTRAINTS = Path(__file__).parents[3] / "constraints.txt"
GIB = 2**30
LEAST_DISK_GIB, WANTED_DISK_GIB, WANTED_MEMORY_GIB = 1, 10, 2
WANTED_FILES = 4096
NAMED = 5
ROOMS = (layout.PREPARED, layout.BASELINES, layout.SWEEPS)
"""Of the runs directory, in which a launch makes directories."""
INSTALL = "pip install -c constraints.txt -e . in the repository"


class CheckStatus(StrEnum):
    """Whether a check passed."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """Result of one check: a line of `doctor`; its fields are keys of `doctor --json`."""

    check: str
    verdict: CheckStatus
    found: str
    fix: str = ""
    """What to do about it; empty where all is well."""


def run_checks(store: Path, *, tracking_uri: str, cluster: Cluster | None) -> Iterator[Finding]:
    """Look at this machine, the runs directory, MLflow, and every node of the cluster that sweeps would join.

    Args:
        store: The runs directory; it need not exist.
        tracking_uri: Of MLflow.
        cluster: The one that sweeps would join; none = they run on this machine.

    """
    directory = next(path for path in (store, *store.parents) if path.exists())
    yield _python()
    yield from _packages()
    yield from _machine()
    yield _products()
    yield _gpu()
    yield _permissions(store)
    yield from _storage(directory, *(found for name in ROOMS if (found := store / name).exists()))
    yield _disk(directory)
    yield _tracking(tracking_uri)
    yield _hub_token()
    if cluster is None:
        yield Finding("nodes", CheckStatus.OK, "no Ray cluster to join: sweeps run on this machine")
        yield _ray()
    else:
        yield from _nodes(cluster, directory)


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.platform()}"
    if sys.version_info < OLDEST_PYTHON:
        return Finding("python", CheckStatus.FAIL, found, f"use Python {'.'.join(map(str, OLDEST_PYTHON))} or newer")
    return Finding("python", CheckStatus.OK, found)


def _packages() -> Iterator[Finding]:
    """What the package requires, then what its constraints pin."""
    asked = [Requirement(text) for text in requires("intelligen") or ()]
    needed = [one for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    installed = {one.name: _installed(one.name) for one in needed}
    unmet = [
        one
        for one in needed
        if installed[one.name] is None or not one.specifier.contains(str(installed[one.name]), prereleases=True)
    ]
    if unmet:
        found = [f"{one.name} {installed[one.name] or 'is missing'} ({one.specifier})" for one in unmet]
        install = INSTALL if CONSTRAINTS.exists() else shlex.join(["pip", "install", *map(str, unmet)])
        yield Finding("packages", CheckStatus.FAIL, _listed(found), install)
    else:
        yield Finding(
            "packages", CheckStatus.OK, f"intelligen {version('intelligen')}, all of {len(needed)} requirements"
        )
    yield _pins({name: found for name, found in installed.items() if found is not None})


def _pins(installed: Mapping[str, str]) -> Finding:
    if not CONSTRAINTS.exists():
        return Finding(
            "pins", CheckStatus.OK, "installed without the repository's constraints.txt, so no version is pinned"
        )
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    pins = {name: pinned for name, _, pinned in (line.partition("==") for line in lines)}
    moved = [
        f"{name} {found}, pinned {pins[name]}"
        for name, found in installed.items()
        # Of a local version, such as 2.13.0+cpu, only the public part is pinned.
        if name in pins and Version(found).public != pins[name]
    ]
    if moved:
        return Finding("pins", CheckStatus.WARN, _listed(moved), INSTALL)
    return Finding("pins", CheckStatus.OK, "all requirements have the versions of constraints.txt")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _machine() -> Iterator[Finding]:
    cpus = len(psutil.Process().cpu_affinity() or ()) if hasattr(psutil.Process, "cpu_affinity") else os.cpu_count()
    free = psutil.virtual_memory().available / GIB
    found = f"{cpus} processors, {free:.1f} GiB of memory available"
    if free < WANTED_MEMORY_GIB:
        yield Finding(
            "machine", CheckStatus.WARN, found, "a sweep needs about 2 GiB besides its models: free some memory"
        )
    else:
        yield Finding("machine", CheckStatus.OK, found)
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files < WANTED_FILES:
        yield Finding("open files", CheckStatus.WARN, f"at most {files} per process", "ulimit -n 65536: Ray opens many")
    else:
        yield Finding("open files", CheckStatus.OK, f"at most {files:,} per process")


def _products() -> Finding:
    """By what a processor can compute products of weights."""
    if offers("onednn"):
        return Finding("products", CheckStatus.OK, "by MKL or oneDNN, whichever is faster here (compute.matmul: auto)")
    return Finding(
        "products", CheckStatus.OK, f"by MKL alone: torch {torch.__version__} does not offer oneDNN's operator"
    )


def _gpu() -> Finding:
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    if names:
        return Finding("gpu", CheckStatus.OK, f"torch {torch.__version__} can use {len(names)}: {_listed(names)}")
    present = _driver_gpus()
    if present:
        found = f"the driver shows {present}, but torch {torch.__version__} can use none"
        return Finding(
            "gpu", CheckStatus.WARN, found, "install torch for this driver's CUDA, or check CUDA_VISIBLE_DEVICES"
        )
    return Finding("gpu", CheckStatus.OK, "none: trials run on processors")


def _driver_gpus() -> int:
    import pynvml

    try:
        pynvml.nvmlInit()
        count: int = pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError:
        return 0
    return count


def _permissions(store: Path) -> Finding:
    if not store.exists():
        return Finding("runs folder", CheckStatus.OK, f"{store}: does not exist yet; the first command creates it")
    mode = store.stat().st_mode & 0o777
    if mode & 0o022:
        fix = f"chmod go-w {store}: anyone who can write there can change what trials load"
        return Finding("runs folder", CheckStatus.WARN, f"{store}: other users can write to it ({mode:o})", fix)
    return Finding("runs folder", CheckStatus.OK, f"{store}: only its owner can write to it ({mode:o})")


def _storage(directory: Path, *rooms: Path) -> Iterator[Finding]:
    """The runs directory or, before it is made, the place for it; and what is in it, which may be another user's."""
    fix = "name another directory with --runs, or fix this one"
    try:
        probe = probe_store(directory)
        for room in rooms:
            probe_store(room)
    except ProbeError as error:
        yield Finding("storage", CheckStatus.FAIL, str(error), fix)
        return
    found = f"{directory}: wrote, synced, locked and read back 1 MiB in {1000 * probe.seconds:.0f} ms"
    yield Finding("storage", CheckStatus.OK, found)
    if abs(probe.skew_s) > WORST_SKEW_S:
        found = f"files of {directory} are dated {probe.skew_s:+.1f} s from this machine's clock"
        yield Finding("clock", CheckStatus.WARN, found, "let NTP set the clocks of this machine and of the file server")
    else:
        yield Finding("clock", CheckStatus.OK, "this machine and its storage agree")


def _disk(directory: Path) -> Finding:
    free = shutil.disk_usage(directory).free / GIB
    found = f"{free:.1f} GiB free at {directory}"
    if free >= WANTED_DISK_GIB:
        return Finding("disk", CheckStatus.OK, found)
    fix = "free some space, or name another directory with --runs: each trial keeps up to three checkpoints"
    return Finding("disk", CheckStatus.FAIL if free < LEAST_DISK_GIB else CheckStatus.WARN, found, fix)


def _tracking(tracking_uri: str) -> Finding:
    try:
        return Finding("mlflow", CheckStatus.OK, f"{redact_text(tracking_uri)}: {probe_tracking(tracking_uri)}")
    except ProbeError as error:
        fix = "start it, or name another with --tracking-uri"
        return Finding("mlflow", CheckStatus.FAIL, f"{redact_text(tracking_uri)}: {error}", fix)


def _hub_token() -> Finding:
    from huggingface_hub import get_token

    if get_token() is None:
        return Finding("hub token", CheckStatus.OK, "none: public data can be downloaded, gated data need HF_TOKEN")
    return Finding("hub token", CheckStatus.OK, "present")


def _ray() -> Finding:
    try:
        require_home()
        with short_temporary_directory():
            require_ray_folder()
            return Finding("ray", CheckStatus.OK, f"starts on this machine in {probe_ray():.0f} s")
    except UnavailableError as error:
        return Finding("ray", CheckStatus.FAIL, str(error))
    except ProbeError as error:
        return Finding("ray", CheckStatus.FAIL, str(error), "sweeps cannot run here until Ray starts")


def _nodes(cluster: Cluster, directory: Path) -> Iterator[Finding]:
    try:
        with cluster_joined(cluster):
            reports = check_nodes(directory)
    except (UnavailableError, OSError) as error:
        yield Finding("nodes", CheckStatus.FAIL, str(error), "start the cluster, or check its head")
        return
    yield Finding("nodes", CheckStatus.OK, str(cluster))
    for report in reports:
        yield _node(report, directory)


def _node(report: NodeReport, directory: Path) -> Finding:
    name = f"node {report.host}"
    trouble = report.trouble(directory)
    if trouble is not None:
        return Finding(name, CheckStatus.FAIL, *trouble)
    if abs(report.skew_s) > WORST_SKEW_S:
        return Finding(
            name, CheckStatus.WARN, f"its clock is {report.skew_s:+.1f} s from ours", "let NTP set both clocks"
        )
    return Finding(name, CheckStatus.OK, "same versions, same time, access to the runs directory, working GPUs")


def _listed(words: list[str]) -> str:
    more = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return ", ".join(words[:NAMED]) + more
