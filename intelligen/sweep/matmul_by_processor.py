"""By what a sweep's trials compute products, on each kind of processor: found before any is trained, and kept."""

from collections.abc import Mapping
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from intelligen.config.schema.compute import Matmul
from intelligen.config.schema.model import Model
from intelligen.config.schema.training import Training
from intelligen.sweep.cluster.find_cluster import Cluster
from intelligen.sweep.cluster.host_query import LONGEST_ANSWER_S
from intelligen.sweep.cluster.node_checks import node_of
from intelligen.sweep.sweep_context import SweepContext
from intelligen.training.matmul_choice import faster_matmul, fixed_matmul
from intelligen.training.reproducibility_manifest import processor
from intelligen.training.runtime import threads_used


def settle_matmul(context: SweepContext, cluster: Cluster | None) -> None:
    """Have the ledger say it of every kind of processor that there is.

    A sweep that has trials, and none in its ledger, has computed by `mkl` so far, and continues with it. Entries do
    not change. The next launch adds that of a node which joins later; until then `mkl` is used there.

    Args:
        context: Whose ledger is written; Ray is running.
        cluster: That was joined; none = this machine.

    Raises:
        ConfigError: The environment says what is none.
        StorageError: The ledger cannot be written.

    """
    ledger, experiment, fixed = context.ledger, context.experiment, fixed_matmul(context.experiment.compute)
    stages = [stage for stage in (context.sweep.resources, context.sweep.baseline) if not stage.gpus]
    if not stages or fixed == "mkl" or (ledger.trials and not ledger.matmul):
        return
    threads = stages[0].cpus_per_worker
    found: dict[str, Matmul] = {}
    for kind, node in _kinds(cluster, threads).items():
        if kind in ledger.matmul:
            continue
        if fixed is not None:
            found[kind] = fixed
        elif node is None:
            found[kind] = _faster(experiment.model, experiment.training, threads)
        else:
            there = _faster_there.options(**_at(node))
            found |= _answers({kind: there}, experiment.model, experiment.training, threads)
    if found:
        ledger.record_matmul({**ledger.matmul, **found})


def _kinds(cluster: Cluster | None, cpus: int) -> dict[str, str | None]:
    """The name of each kind of processor, and a node that has it; none = it is this machine's."""
    if cluster is None:
        return {processor(): None}
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node_of(node).holds(cpus, 0)]
    names = _answers({node: _processor_there.options(**_at(node)) for node in nodes})
    return {name: node for node, name in names.items()}


def _at(node: str) -> dict[str, Any]:
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node_id=node, soft=False)}


def _answers(questions: Mapping[str, Any], *arguments: object) -> dict[str, Any]:
    """What remote functions return; nothing of a node that is gone, or does not answer."""
    asked = {key: question.remote(*arguments) for key, question in questions.items()}
    ready, _ = ray.wait([*asked.values()], num_returns=len(asked), timeout=LONGEST_ANSWER_S) if asked else ([], [])
    found: dict[str, Any] = {}
    for key, answer in asked.items():
        try:
            if answer in ready:
                found[key] = ray.get(answer)
        except ray.exceptions.RayError:
            continue  # a node that is lost is noticed by who trains on it
    return found


def _faster(model: Model, training: Training, threads: int) -> Matmul:
    with threads_used(threads):
        return faster_matmul(model, training)


@ray.remote(num_cpus=0, max_retries=0)  # type: ignore[untyped-decorator] # Ray is not typed
def _processor_there() -> str:
    return processor()


@ray.remote(num_cpus=0, max_retries=0)  # type: ignore[untyped-decorator] # Ray is not typed
def _faster_there(model: Model, training: Training, threads: int) -> Matmul:
    return _faster(model, training, threads)
