"""Evaluation in shards: what each rank finds of its own rows, and the sum of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from intelligen.optimization import MetricSums


@dataclass(frozen=True)
class Shard:
    """What one rank found out about its rows."""

    hypotheses: dict[int, str]
    """Row of the split → what the model says of it, as text: a detokenised sentence, a label."""
    sums: MetricSums
    """Every measure that is a quotient of two sums over rows, on the CPU."""


@dataclass(frozen=True)
class Evaluation:
    """One split, evaluated and scored."""

    metrics: Mapping[str, float]
    """Of a translation `bleu` and `chrf` in 0–100, `ter` in per cent, `loss` in nats per target token, `length_ratio`,
    and so on: docs/measures.md. All are finite where the model is. A bucket of positions, lengths or prefixes with
    nothing in it has no entry."""
    hypotheses: tuple[str, ...]
    """In the split's order."""
    signatures: Mapping[str, str]
    """`bleu_signature`, `chrf_signature` and so on: without them a score cannot be compared."""


def merge_shards(shards: Sequence[Shard], *, rows: int) -> tuple[tuple[str, ...], MetricSums]:
    """The hypotheses of all ranks in the split's order, and the sums of all.

    Args:
        shards: Of every rank; together they hold each row once.
        rows: Of the split.

    """
    by_row = {row: text for shard in shards for row, text in shard.hypotheses.items()}
    assert len(by_row) == rows, f"{len(by_row)} hypotheses for {rows} references"
    sums = MetricSums()
    for shard in shards:
        sums.add(shard.sums)
    return tuple(by_row[row] for row in range(rows)), sums
