"""One optimizer step: losses in, updated weights out."""

from intelligen.optimization.loss import Loss, Sums
from intelligen.optimization.updater import Updater, learning_rate

__all__ = ["Loss", "Sums", "Updater", "learning_rate"]
