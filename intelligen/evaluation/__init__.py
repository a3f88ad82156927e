"""Evaluation: decode a split, score it, say with which signature and how surely."""

from intelligen.evaluation.corpus import Shard, evaluate_shard
from intelligen.evaluation.scoring import RESAMPLES, Evaluation, Interval, bleu_interval, score

__all__ = ["RESAMPLES", "Evaluation", "Interval", "Shard", "bleu_interval", "evaluate_shard", "score"]
