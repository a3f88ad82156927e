"""Scores by sacreBLEU (Post 2018), always with their signature; the task says which count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sacrebleu.metrics import BLEU, CHRF

from intelligen.evaluation.corpus import Shard


@dataclass(frozen=True)
class Evaluation:
    """One split, decoded and scored."""

    metrics: Mapping[str, float]
    """`bleu` and `chrf` in 0–100, `loss` in nats per target token, `length_ratio`, `unfinished_pct`."""
    hypotheses: tuple[str, ...]
    """In the split's order."""
    signatures: Mapping[str, str]
    """`bleu_signature`, `chrf_signature`: without them a score cannot be compared."""


@dataclass(frozen=True)
class Interval:
    """A score and the bounds of its 95 % confidence interval."""

    value: float
    low: float
    high: float


def score(shards: Sequence[Shard], references: Sequence[str]) -> Evaluation:
    """Put the ranks' shards together and score them.

    Args:
        shards: Of every rank; together they hold each row once.
        references: Detokenised, in the split's order.

    """
    by_row = {row: text for shard in shards for row, text in shard.hypotheses.items()}
    assert len(by_row) == len(references), f"{len(by_row)} hypotheses for {len(references)} references"
    hypotheses = tuple(by_row[row] for row in range(len(references)))
    bleu, chrf = BLEU(), CHRF()
    bleu_score = bleu.corpus_score(hypotheses, [references])
    metrics = {
        "bleu": bleu_score.score,
        "chrf": chrf.corpus_score(hypotheses, [references]).score,
        "loss": sum(s.negative_log_likelihood for s in shards) / sum(s.target_tokens for s in shards),
        "length_ratio": bleu_score.ratio,
        "unfinished_pct": 100 * sum(s.unfinished for s in shards) / len(references),
    }
    signatures = {"bleu_signature": str(bleu.get_signature()), "chrf_signature": str(chrf.get_signature())}
    return Evaluation(metrics, hypotheses, signatures)


def bleu_interval(hypotheses: Sequence[str], references: Sequence[str], *, resamples: int = 1000) -> Interval:
    """Corpus BLEU with the 95 % interval of sacreBLEU's bootstrap over sentences (Koehn 2004)."""
    found = BLEU().corpus_score(hypotheses, [references], n_bootstrap=resamples)
    return Interval(found.score, max(0.0, found._mean - found._ci), found._mean + found._ci)


def higher_is_better(metric: str) -> bool:
    """Losses are minimised, scores maximised."""
    return not metric.endswith("loss")
