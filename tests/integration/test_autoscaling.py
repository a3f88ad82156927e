"""A sweep waits for a node that the autoscaler can add, for as long as it is configured to."""

import json
import signal
import socket
from pathlib import Path

import pytest
import ray
from started_clusters import started
from test_joining import ONE_TRIAL, call
from test_sweep import Project

pytestmark = [pytest.mark.slow, pytest.mark.extended]

FAKE_HEAD = "f" * 51 + "00000"
FAKE = {
    "AUTOSCALER_UPDATE_INTERVAL_S": "1",
    "RAY_FAKE_CLUSTER": "1",
    "RAY_enable_autoscaler_v2": "0",
    "RAY_OVERRIDE_NODE_ID_FOR_TESTING": FAKE_HEAD,
}
LISTS = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")


def autoscaling_config(address: str) -> dict:
    """Of Ray's simulated provider: no node now, three of one processor at most."""
    node = {"node_config": {}, "min_workers": 0}
    return {
        "cluster_name": "simulated",
        "max_workers": 3,
        "upscaling_speed": 20.0,
        "idle_timeout_minutes": 5,
        "docker": {},
        "auth": {},
        "provider": {"type": "fake_multinode", "gcs_address": address},
        "available_node_types": {
            "head": {"resources": {"CPU": 0}, "max_workers": 0, **node},
            "small": {"resources": {"CPU": 1}, "max_workers": 3, **node},
        },
        "head_node_type": "head",
        "file_mounts": {},
        "cluster_synced_files": [],
        "file_mounts_sync_continuously": False,
        "rsync_exclude": [],
        "rsync_filter": [],
        **{f"{name}_commands": [] for name in LISTS},
    }


def test_a_launch_waits_for_the_autoscaler_as_long_as_configured(tmp_path: Path) -> None:
    project = Project(tmp_path, ONE_TRIAL)
    project.train_baseline()
    with socket.socket() as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "autoscaling.json"
    config.write_text(json.dumps(autoscaling_config(f"{ray.util.get_node_ip_address()}:{port}")))
    with started("--num-cpus=0", f"--port={port}", f"--autoscaling-config={config}", **FAKE) as cluster:
        code, output = call(project, cluster, "run", "sweep.yaml", "-o", "resources.cpus_per_worker=2")
        assert (code, output.count("\n")) == (69, 1), output
        assert "a worker asks for 2 CPUs on one node" in output
        assert "3 × node type small 1 CPUs" in output

        (monitor,) = (one for one in cluster.processes() if f"--autoscaling-config={config}" in one.cmdline())
        monitor.send_signal(signal.SIGSTOP)
        code, output = call(project, cluster, "run", "sweep.yaml", "-o", "baseline.wait_s=2")
        assert code == 69, output
        assert "baseline: the cluster at" in output.splitlines()[-1]
        assert "and its autoscaler added none in 2 s" in output.splitlines()[-1]

        monitor.send_signal(signal.SIGCONT)
        code, output = call(project, cluster, "run", "sweep.yaml")
        assert code == 0, output
        assert "search 1 trial at once" in output
