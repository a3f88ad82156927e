"""Evaluation: decode a split, score it, with signatures and intervals."""

from intelligen.evaluation.confidence_interval import RESAMPLES, Interval, interval
from intelligen.evaluation.corpus_scores import score
from intelligen.evaluation.evaluate import evaluate_shard
from intelligen.evaluation.metric import Metric
from intelligen.evaluation.sharded_evaluation import Evaluation, Shard

__all__ = ["RESAMPLES", "Evaluation", "Interval", "Metric", "Shard", "evaluate_shard", "interval", "score"]
