"""Capacity is decided node by node: a sum over nodes holds no worker."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from searches import sweep

from intelligen.config.schema.resources import Resources
from intelligen.errors import UnavailableError
from intelligen.sweep.cluster.autoscaler import addable_nodes, config_of
from intelligen.sweep.cluster.capacity import Capacity, Node

TWO_SMALL = Capacity("the cluster", (Node("a", 1, 0), Node("b", 1, 0)))


def resources(**given: object) -> Resources:
    return Resources(**{"gpus_per_worker": 0, **given})


@pytest.mark.parametrize(
    ("given", "trials"),
    [
        ({}, 2),
        ({"workers": 2}, 1),
        ({"cpus_per_worker": 2}, 0),
        ({"gpus_per_worker": 1}, 0),
    ],
)
def test_each_worker_must_fit_one_node(given: dict, trials: int) -> None:
    assert TWO_SMALL.fitting(resources(**given)) == trials


def test_workers_are_packed_over_nodes_of_several_sizes() -> None:
    nodes = (Node("big", 7, 2), Node("small", 3, 0), Node("alike", 4, 1, count=2))
    assert Capacity("", nodes).workers(2, 0) == 3 + 1 + 2 * 2
    assert Capacity("", nodes).workers(2, 1) == 2 + 0 + 2


def test_what_fits_the_sum_but_no_node_is_refused_with_the_nodes() -> None:
    with pytest.raises(UnavailableError) as refused:
        TWO_SMALL.require_for("resources", resources(cpus_per_worker=2), 1)
    assert "a worker asks for 2 CPUs on one node, and the cluster has room for 0 of the 1" in str(refused.value)
    assert "a 1 CPUs, b 1 CPUs; lower resources.cpus_per_worker" in str(refused.value)


def test_what_an_autoscaler_can_add_is_not_refused_and_its_node_types_are_named_where_it_does_not_do() -> None:
    grown = Capacity("the cluster", TWO_SMALL.nodes, (Node("node type small", 1, 0, count=3),))
    grown.require_for("resources", resources(), 5)
    with pytest.raises(UnavailableError, match=r"with all that its autoscaler can add .*3 × node type small 1 CPUs"):
        grown.require_for("resources", resources(), 6)
    with pytest.raises(UnavailableError, match=r"room for 0 of the 1 .*3 × node type small 1 CPUs"):
        grown.require_for("resources", resources(cpus_per_worker=2), 1)


def test_each_cluster_of_a_machine_has_its_own_autoscaler(tmp_path: Path) -> None:
    config = tmp_path / "autoscaling.yaml"
    config.write_text("max_workers: 3")
    with ExitStack() as running:
        for port, file in ((1, tmp_path / "of somebody else"), (2, config)):
            words = [f"--gcs-address=127.0.0.1:{port}", f"--autoscaling-config={file}"]
            monitor = [sys.executable, "-c", "print(flush=True); input()", *words]
            process = subprocess.Popen(
                monitor, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            running.enter_context(process)
            assert process.stdout is not None
            process.stdout.readline()  # a process that has only just begun may not show its command line yet
        assert config_of("127.0.0.1:2") == {"max_workers": 3}
        assert config_of("127.0.0.1:3") == {}


def test_an_autoscaler_adds_up_to_the_limits_of_each_type_and_of_all() -> None:
    config = {
        "max_workers": 4,
        "head_node_type": "head",
        "available_node_types": {
            "head": {"resources": {"CPU": 8}},
            "small": {"resources": {"CPU": 1}, "max_workers": 2},
            "gpu": {"resources": {"CPU": 4, "GPU": 1}, "max_workers": 9},
        },
    }
    there = [Node("one", 1, 0)]
    assert addable_nodes(config, there) == (Node("node type small", 1, 0, 1), Node("node type gpu", 4, 1, 3))
    assert addable_nodes({}, there) == ()


def test_both_stages_are_named_where_neither_fits() -> None:
    with pytest.raises(UnavailableError) as refused:
        TWO_SMALL.require(sweep(resources=resources(workers=3), baseline=resources(workers=4)))
    assert [line.partition(" (")[0] for line in str(refused.value).splitlines()] == [
        "baseline: asks for 4 CPUs",
        "resources: asks for 3 CPUs",
    ]


def test_the_stage_that_does_not_fit_is_named() -> None:
    settings = sweep(resources=resources(workers=3), baseline=resources())
    with pytest.raises(UnavailableError, match=r"resources: asks for 3 CPUs \(3 workers × 1\), the cluster has 2"):
        TWO_SMALL.require(settings)
    settings = sweep(resources=resources(gpus_per_worker=1), baseline=resources())
    with pytest.raises(
        UnavailableError, match=r"asks for 1 GPU \(1 worker × 1\), .* has 0; set resources.gpus_per_worker to 0$"
    ):
        TWO_SMALL.require(settings)
