"""Evaluation: decode a split, score it, say with which signature and how surely."""

from intelligen.evaluation.corpus import evaluate_shard
from intelligen.evaluation.intervals import RESAMPLES, Interval, interval
from intelligen.evaluation.metric import Metric
from intelligen.evaluation.scoring import score
from intelligen.evaluation.shards import Evaluation, Shard

__all__ = ["RESAMPLES", "Evaluation", "Interval", "Metric", "Shard", "evaluate_shard", "interval", "score"]
