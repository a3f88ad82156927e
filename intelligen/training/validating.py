"""Validation decodes and scores the validation set over all ranks; no test set is ever touched here."""

from collections.abc import Mapping

from intelligen.config.experiment import Trial
from intelligen.data.prepared import Prepared
from intelligen.evaluation import Evaluation, evaluate_shard, score
from intelligen.models.interfaces import Generator
from intelligen.training.history import Sample
from intelligen.training.runtime import Runtime

SHOWN_SAMPLES = 8


def validate(
    model: Generator, trial: Trial, prepared: Prepared, runtime: Runtime
) -> tuple[Evaluation, tuple[Sample, ...]]:
    """What a model scores on the validation set, the same on every rank, and its first sentences."""
    valid = prepared.split("valid")
    shard = evaluate_shard(
        model,
        valid,
        vocabulary=prepared.tokenizer("target"),
        search=trial.decoding.validation,
        decoding=trial.decoding,
        device=runtime.device,
        tokenizer=trial.task.tokenizer,
        seed=trial.seed,
        rank=runtime.rank,
        world_size=runtime.world_size,
    )
    shards = runtime.gather(shard)
    references = valid.texts("target")
    # Scored once; the other ranks wait for rank 0's numbers, so that all decide alike.
    evaluation = runtime.broadcast(
        score(shards, references, tokenizer=trial.task.tokenizer, moses_language=trial.task.moses_bleu)
        if runtime.rank == 0
        else None
    )
    assert evaluation is not None
    triples = zip(valid.texts("source"), evaluation.hypotheses, references, strict=True)
    return evaluation, tuple(Sample(*triple) for triple, _ in zip(triples, range(SHOWN_SAMPLES), strict=False))


def named(evaluation: Evaluation) -> Mapping[str, float]:
    """`valid/bleu`, …"""
    return {f"valid/{name}": value for name, value in evaluation.metrics.items()}
