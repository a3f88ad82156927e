"""One optimizer step: losses in, updated weights out."""

from intelligen.optimization.collectives import gather_over_ranks, sum_over_ranks
from intelligen.optimization.loss_sums import Loss, MetricSums
from intelligen.optimization.updater import Updater, autocast, learning_rate

__all__ = ["Loss", "MetricSums", "Updater", "autocast", "gather_over_ranks", "learning_rate", "sum_over_ranks"]
