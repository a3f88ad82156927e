"""Learned metric: the mean of what a regression model says of reference and hypothesis; shown, never tested."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Final, Protocol

from intelligen.config.schema.columns import references as references_in
from intelligen.evaluation.sharded_evaluation import Evaluation

LEARNED: Final = "learned"
"""In the names of scores: `test/learned`."""
LEARNED_SIGNATURE: Final = f"{LEARNED}_signature"


class PairModel(Protocol):
    """What gives a pair of texts one number."""

    @property
    def signature(self) -> str:
        """What two scores must have in common to be comparable."""

    def values(self, firsts: Sequence[str], seconds: Sequence[str]) -> list[float]:
        """Of each pair."""


def with_learned(evaluation: Evaluation, references: Sequence[str], model: PairModel, *, several: bool) -> Evaluation:
    """The evaluation with the learned metric's mean over the rows, and its signature.

    Args:
        evaluation: Of a split.
        references: Of its rows.
        model: Reads the reference first, then the hypothesis.
        several: Whether a row may have several references (`joined_references`); it counts by the best of them.

    """
    rows = [references_in(text) if several else (text,) for text in references]
    pairs = [(one, ours) for found, ours in zip(rows, evaluation.hypotheses, strict=True) for one in found]
    values = iter(model.values([one for one, _ in pairs], [ours for _, ours in pairs]))
    best = [max(next(values) for _ in found) for found in rows]
    return replace(
        evaluation,
        metrics={**evaluation.metrics, LEARNED: fmean(best)},
        signatures={**evaluation.signatures, LEARNED_SIGNATURE: model.signature},
    )
