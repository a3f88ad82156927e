"""What the checks train: a small Transformer on sentences of the embedded grammar, by every strategy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import Data, EmbeddedCorpus, Tokenizer
from intelligen.config.schema.decoding import Decoding
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.generative_strategies import GenerativeOffpolicy, GenerativePosition, GenerativeRisk
from intelligen.config.schema.model import Seq2Seq
from intelligen.config.schema.probability_schedule import ProbabilitySchedule
from intelligen.config.schema.single_strategies import (
    Auxiliary,
    Discriminator,
    RDrop,
    Recurrent,
    SeqGan,
    Standard,
)
from intelligen.config.schema.strategies import Strategy as Settings
from intelligen.config.schema.strategy_mixture import DrawnSeqGan, Intelligen, Static, Weights
from intelligen.config.schema.tasks import Translation
from intelligen.config.schema.training import Optimizer, Precision, Schedule, Training
from intelligen.data.batches import Batch, SentencePairs
from intelligen.data.loader import Loader
from intelligen.data.preparation import prepare
from intelligen.data.prepared_data import Prepared
from intelligen.models.build import build_model
from intelligen.models.interfaces import Generator
from intelligen.optimization import MetricSums
from intelligen.strategies.base import Strategy, UpdateContext
from intelligen.strategies.build import build_strategy
from intelligen.tasks import build_task

PROCESSOR: Final = torch.device("cpu")
UPDATES: Final = 20
_ALWAYS = ProbabilitySchedule(start=1.0)
_JUDGE = Discriminator(head_width=8, d_ff=32, heads=2, layers=1, dropout=0.0, pretraining_updates=0)
STRATEGIES: Final[Mapping[str, Settings]] = {
    "standard": Standard(),
    "R-Drop": RDrop(weight=1.0),
    "auxiliary": Auxiliary(weight=0.5),
    "recurrent": Recurrent(),
    "recurrent, Gumbel": Recurrent(pick="gumbel"),
    "generative, by position": GenerativePosition(probability=_ALWAYS),
    "generative, risk": GenerativeRisk(probability=_ALWAYS, candidates=2),
    "generative, off-policy": GenerativeOffpolicy(probability=_ALWAYS),
    "seqgan": SeqGan(discriminator=_JUDGE, mle_ratio=0.0),
    "seqgan, cut points": SeqGan(discriminator=_JUDGE, mle_ratio=0.0, cut_points=2, completions=2),
    "intelligen": Intelligen(
        policy=Static(
            weights=Weights(standard=0.2, auxiliary=0.2, recurrent=0.2, generative=0.2, seqgan=0.2),
        ),
        seqgan=DrawnSeqGan(discriminator=_JUDGE),
    ),
}
WAIT_FREE: Final = (
    "standard",
    "R-Drop",
    "auxiliary",
    "recurrent",
    "recurrent, Gumbel",
    "generative, off-policy",
)
"""Strategies of which no update makes the processor wait; the others read what they have rolled out."""


@dataclass(frozen=True)
class Work:
    """Where the checks run, and the data that they train on."""

    device: torch.device
    store: Path
    """Holds `prepared/`; the checks' own directories are beside it."""
    prepared: Prepared

    @classmethod
    def begin(cls, device: torch.device, store: Path) -> "Work":
        """Prepare the data."""
        corpus = EmbeddedCorpus(train=400, valid=16, test=16)
        data = Data(corpus=corpus, tokenizer=Tokenizer(vocabulary=300), max_tokens=40)
        return cls(device, store, prepare(data, store, columns=SOURCE_AND_TARGET))

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.type == "cuda"

    def trial(self, settings: Settings | None = None, *, precision: Precision = "fp32", epochs: int = 1) -> Trial:
        """A trial without dropout, whose masks are drawn otherwise on another device."""
        return Trial(
            experiment="gpu_check",
            task=Translation(selection_metric="valid/loss"),
            prepared=self.prepared.identity,
            model=Seq2Seq(
                d_model=32, d_ff=64, heads=2, encoder_layers=1, decoder_layers=1, dropout=0.0, max_positions=96
            ),
            training=Training(
                epochs=epochs,
                epoch_updates=4,
                batch_tokens=400,
                precision=precision,
                optimizer=Optimizer(learning_rate=2e-3),
                schedule=Schedule(name="constant", warmup_updates=2),
            ),
            strategy=settings or Standard(),
            decoding=Decoding(),
            seed=1,
            start=None,
        )

    def model(self, device: torch.device) -> Generator:
        """The model before its first update."""
        return build_model(self.trial().model, self.prepared.vocabularies, seed=1).to(device)

    def begun(
        self, trial: Trial, device: torch.device, *, wrap: Callable[[nn.Module], nn.Module] = lambda module: module
    ) -> "Started":
        """The training of a trial before its first update."""
        task = build_task(trial.task)
        strategy = build_strategy(
            trial,
            model=self.model(device),
            wrap=wrap,
            decode=partial(task.written, self.prepared),
            loss=partial(task.loss, label_smoothing=trial.training.label_smoothing),
            total_updates=4 * UPDATES,
            world_size=1,
        )
        pairs = SentencePairs(self.prepared.split("train"))
        return Started(strategy, Loader(pairs, batch_tokens=trial.training.batch_tokens, seed=1), device)


class Started:
    """A training under way."""

    def __init__(self, strategy: Strategy[Any, Any], loader: Loader[Batch], device: torch.device) -> None:
        self.strategy = strategy
        self.loader = loader
        self._device = device
        self.update = 0

    def go_on(self, updates: int) -> list[MetricSums]:
        """Make so many updates; what they report is not read yet."""
        return [self._update() for _ in range(updates)]

    def losses(self, updates: int = UPDATES) -> list[float]:
        """Make so many updates; each one's teacher-forced loss."""
        return [sums.means()["train/loss"] for sums in self.go_on(updates)]

    def weights(self) -> dict[str, torch.Tensor]:
        """A copy of the model's, on the processor."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self.strategy.model.state_dict().items()}

    def _update(self) -> MetricSums:
        self.update += 1
        step = UpdateContext(seed=1, update=self.update, total_updates=4 * UPDATES)
        return self.strategy.train_step([batch.to(self._device) for batch in self.loader.next_update()], step)
