"""One optimizer step: losses in, updated weights out."""

from intelligen.optimization.loss import Loss, Sums
from intelligen.optimization.ranks import gather_over_ranks, sum_over_ranks
from intelligen.optimization.updater import Updater, autocast, learning_rate

__all__ = ["Loss", "Sums", "Updater", "autocast", "gather_over_ranks", "learning_rate", "sum_over_ranks"]
