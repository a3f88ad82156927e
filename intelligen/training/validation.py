"""Validation: evaluates and scores the validation set over all ranks; no test set is touched."""

from collections.abc import Mapping

from intelligen.config.schema.decoding import Decoding
from intelligen.evaluation import Evaluation, Shard
from intelligen.state.history import ValidationSample
from intelligen.training.evaluation_memory import evaluate_within_memory
from intelligen.training.training_setup import Setup

SHOWN_SAMPLES = 8


def validate(setup: Setup, *, update: int) -> tuple[Evaluation, tuple[ValidationSample, ...]]:
    """Scores of the weights on the validation set, the same on every rank, and samples of its first rows.

    Args:
        setup: What is validated.
        update: After which; where the memory does not suffice, its later validations have smaller batches too.

    Raises:
        MemoryShortageError: Not even a single row fits.

    """
    task, runtime, valid = setup.task, setup.runtime, setup.prepared.split("valid")
    shards = _shards(setup, update=update)
    references = task.references(valid)
    # Scored once; the other ranks wait for rank 0's numbers, so that all decide alike.
    evaluation = runtime.broadcast(task.score(shards, references) if runtime.rank == 0 else None)
    assert evaluation is not None
    triples = zip(task.inputs(valid), evaluation.hypotheses, references, strict=True)
    return evaluation, tuple(
        ValidationSample(*triple) for triple, _ in zip(triples, range(SHOWN_SAMPLES), strict=False)
    )


def _shards(setup: Setup, *, update: int) -> list[Shard]:
    """What every rank finds of its rows."""
    task, trial, runtime, valid = setup.task, setup.trial, setup.runtime, setup.prepared.split("valid")

    def evaluate(decoding: Decoding) -> Shard:
        return task.evaluate(
            setup.model,
            valid,
            prepared=setup.prepared,
            search=decoding.validation,
            decoding=decoding,
            device=runtime.device,
            seed=trial.seed,
            rank=runtime.rank,
            world_size=runtime.world_size,
        )

    tokens = setup.memory.evaluation_tokens(update) or trial.decoding.batch_tokens
    evaluated = evaluate_within_memory(
        evaluate,
        trial.decoding.model_copy(update={"batch_tokens": tokens}),
        lengths=lambda: task.examples(valid, setup.prepared).lengths,
        device=runtime.device,
    )
    if evaluated.shortage is not None:
        setup.memory.bound_evaluation(evaluated.batch_tokens, since=update, shortage=evaluated.shortage)
    return evaluated.values


def named(evaluation: Evaluation) -> Mapping[str, float]:
    """`valid/bleu`, …"""
    return {f"valid/{name}": value for name, value in evaluation.metrics.items()}
