"""The entry points: settings, and what builds a task, a network or a criterion from them."""

from collections.abc import Mapping

from prompted import Prompted

from intelligen.config.schema.model import Seq2Seq
from intelligen.config.schema.plugins import Plugin
from intelligen.data.batches import Batch
from intelligen.evaluation.metric import ExactMatch, TokenF1
from intelligen.models.interfaces import Generator
from intelligen.optimization import Loss
from intelligen.strategies.base import Criterion, UpdateContext
from intelligen.strategies.criterion_parts import CriterionParts
from intelligen.strategies.teacher_forcing import TeacherForcing
from intelligen.tasks import TextGeneration
from toy_lm.settings import Copying, Ramped, TinyLm


class CopyingTask(TextGeneration):
    target = "source"

    def __init__(self, settings: Copying) -> None:
        super().__init__(settings, (TokenF1(), ExactMatch()))


class RampedCriterion(Criterion):
    def __init__(self, settings: Ramped, teacher: TeacherForcing) -> None:
        self._settings = settings
        self._teacher = teacher

    def __call__(self, model: Generator, batch: Batch, step: UpdateContext) -> Loss:
        first, last = self._settings.span
        share = step.progress if self._settings.shape == "linear" else step.progress**2
        whole = self._teacher(model, batch, step)
        return Loss((first + (last - first) * share) * whole.total, whole.sums)


def build_model(settings: TinyLm, vocabularies: Mapping[str, int]) -> Generator:
    shape = Seq2Seq(
        d_model=settings.width,
        d_ff=2 * settings.width,
        heads=2,
        decoder_layers=settings.layers,
        dropout=settings.dropout,
        max_positions=settings.max_positions,
    )
    return Prompted(shape, vocabulary=vocabularies["target"])


def build_strategy(settings: Ramped, parts: CriterionParts) -> Criterion:
    return RampedCriterion(settings, parts.teacher)


TASK = Plugin(settings=Copying, build=CopyingTask)
MODEL = Plugin(settings=TinyLm, build=build_model)
STRATEGY = Plugin(settings=Ramped, build=build_strategy)
