"""Validation: evaluates and scores the validation set over all ranks; no test set is touched."""

from collections.abc import Mapping

from intelligen.evaluation import Evaluation
from intelligen.state.history import ValidationSample
from intelligen.training.training_setup import Setup

SHOWN_SAMPLES = 8


def validate(setup: Setup) -> tuple[Evaluation, tuple[ValidationSample, ...]]:
    """Scores of the weights on the validation set, the same on every rank, and samples of its first rows."""
    task, trial, runtime, valid = setup.task, setup.trial, setup.runtime, setup.prepared.split("valid")
    shard = task.evaluate(
        setup.model,
        valid,
        prepared=setup.prepared,
        search=trial.decoding.validation,
        decoding=trial.decoding,
        device=runtime.device,
        seed=trial.seed,
        rank=runtime.rank,
        world_size=runtime.world_size,
    )
    shards = runtime.gather(shard)
    references = task.references(valid)
    # Scored once; the other ranks wait for rank 0's numbers, so that all decide alike.
    evaluation = runtime.broadcast(task.score(shards, references) if runtime.rank == 0 else None)
    assert evaluation is not None
    triples = zip(task.inputs(valid), evaluation.hypotheses, references, strict=True)
    return evaluation, tuple(
        ValidationSample(*triple) for triple, _ in zip(triples, range(SHOWN_SAMPLES), strict=False)
    )


def named(evaluation: Evaluation) -> Mapping[str, float]:
    """`valid/bleu`, …"""
    return {f"valid/{name}": value for name, value in evaluation.metrics.items()}
