"""Discriminator of SeqGAN and its training: it reads bare text, without ends, bounds or padding."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from intelligen.config.schema.model import Seq2Seq
from intelligen.config.schema.single_strategies import Discriminator
from intelligen.config.schema.training import Optimizer, Schedule, Training
from intelligen.data.batches import Batch
from intelligen.data.device_transfer import to_device
from intelligen.data.special_tokens import EOS, PAD
from intelligen.decoding.generate import evaluating
from intelligen.models.build import build_classifier
from intelligen.models.interfaces import Classifier, Generator
from intelligen.models.row_masks import masks_of_rows
from intelligen.optimization import Loss, MetricSums, Updater, gather_over_ranks, sum_over_ranks
from intelligen.strategies.base import UpdateContext

ACCURACY_MEMORY = 0.9
"""Weight of the former value in the moving average of accuracies."""
_PROCESSOR = torch.device("cpu")


def bare(token_NT: Tensor, bounds_N: Tensor) -> Tensor:
    """Tokens without EOS, cut to a bound: only an output that did not reach its bound has an end to show."""
    behind_NT = torch.arange(token_NT.size(1), device=token_NT.device) >= bounds_N[:, None]
    return token_NT.masked_fill((token_NT == EOS) | behind_NT, PAD)


@dataclass(frozen=True)
class Pairs:
    """References and generated texts of the same sources, all bare."""

    source_BS: Tensor
    reference_BT: Tensor
    generated_NT: Tensor
    """N = B·n: n adjacent texts for each source."""
    rows_B: Tensor
    """The sources' places in their split."""
    counts_B: Tensor
    """Boolean; False = a row that only keeps a rank company, and weighs nothing."""
    update_rows: int
    """Rows that count in the whole update, over all ranks and micro-batches."""

    @classmethod
    def of(cls, batch: Batch, generated_NT: Tensor, *, bounds_B: Tensor) -> "Pairs":
        """A batch's references beside what was generated within `bounds_B` for its sources."""
        samples = generated_NT.size(0) // bounds_B.size(0)
        return cls(
            source_BS=batch.source_BS,
            reference_BT=bare(batch.target_out_BT, bounds_B),
            generated_NT=bare(generated_NT, bounds_B.repeat_interleave(samples)),
            rows_B=torch.from_numpy(batch.rows).to(batch.source_BS.device),
            counts_B=batch.target_out_BT[:, 0] != PAD,
            update_rows=batch.update_rows,
        )

    @property
    def samples(self) -> int:
        """Generated texts of each source, n."""
        return self.generated_NT.size(0) // self.source_BS.size(0)

    def labelled(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Sources, texts, labels (1 = reference) and weights of 2·B or more rows, all texts in one tensor.

        A source weighs 1: half of it its reference, half of it all its generated texts.
        """
        n, width = self.samples, max(self.reference_BT.size(1), self.generated_NT.size(1))
        texts = [F.pad(text, (0, width - text.size(1)), value=PAD) for text in (self.reference_BT, self.generated_NT)]
        half_B = self.counts_B.float() / 2
        return (
            torch.cat([self.source_BS, self.source_BS.repeat_interleave(n, dim=0)]),
            torch.cat(texts),
            torch.cat([torch.ones_like(half_B), torch.zeros_like(half_B).repeat_interleave(n)]),
            torch.cat([half_B, half_B.repeat_interleave(n) / n]),
        )

    def numbers(self) -> Tensor:
        """A number for each row of `labelled`, which no other text of any source has."""
        first_B = self.rows_B * (self.samples + 1)
        generated_Bn = first_B[:, None] + 1 + torch.arange(self.samples, device=first_B.device)
        return torch.cat([first_B, generated_Bn.flatten()])

    def shard(self, rank: int, world_size: int) -> "Pairs":
        """Every world_size-th row; a rank that would come away empty gets a row that does not count."""
        rows = range(rank, self.source_BS.size(0), world_size)
        return self._select(rows) if rows else replace(self._select([0]), counts_B=torch.zeros_like(self.counts_B[:1]))

    def cut(self, tokens: int | None, world_size: int) -> Iterator["Pairs"]:
        """Consecutive parts of which each rank's shard keeps to a bound, as micro-batches do: rows × longest side.

        Generated texts do not count, for a micro-batch is cut before they are there.

        Args:
            tokens: The bound; none = any number.
            world_size: Ranks.

        """
        rows, longest = self.source_BS.size(0), max(self.source_BS.size(1), self.reference_BT.size(1))
        at_once = rows if tokens is None else max(1, tokens // longest) * world_size
        if rows <= at_once:
            yield self
            return
        for start in range(0, rows, at_once):
            yield self._select(range(start, min(start + at_once, rows)))

    def counting(self) -> list["Pairs"]:
        """The rows that count, or nothing where none does."""
        rows = self.counts_B.nonzero().squeeze(1).tolist()
        return [self._select(rows)] if rows else []

    def to(self, device: torch.device) -> "Pairs":
        """The same pairs on a device."""
        moved: dict[str, Any] = {
            name: to_device(value, device) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **moved)

    def _select(self, rows: Sequence[int]) -> "Pairs":
        index_B = to_device(torch.tensor(rows), self.source_BS.device)
        n = self.samples
        index_N = (index_B[:, None] * n + torch.arange(n, device=index_B.device)).flatten()
        return Pairs(
            source_BS=self.source_BS[index_B],
            reference_BT=self.reference_BT[index_B],
            generated_NT=self.generated_NT[index_N],
            rows_B=self.rows_B[index_B],
            counts_B=self.counts_B[index_B],
            update_rows=self.update_rows,
        )


def build_discriminator(settings: Discriminator, generator: Generator, *, seed: int) -> Classifier:
    """A discriminator of the generator's texts, on its device; the same seed gives the same weights anywhere."""
    config = Seq2Seq(
        d_model=settings.heads * settings.head_width,
        d_ff=settings.d_ff,
        heads=settings.heads,
        encoder_layers=settings.layers,
        dropout=settings.dropout,
        max_positions=generator.max_positions,
    )
    vocabularies = generator.source_vocabulary, generator.target_vocabulary
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        discriminator = build_classifier(config, vocabularies, classes=1)
    return discriminator.to(next(generator.parameters()).device)


class DiscriminatorTrainer:
    """Owns the discriminator and all it learns with.

    Args:
        discriminator: (source, text) → one logit, above 0 for a reference; unwrapped.
        settings: Its knobs.
        wrap: Makes a module all-reduce its gradients, where there are several ranks.
        training: For the precision of its updates, and for whether a row's masks of dropout are its own.
        world_size: Ranks that share an update.
        frozen: It never learns.

    """

    def __init__(
        self,
        discriminator: Classifier,
        settings: Discriminator,
        *,
        wrap: Callable[[nn.Module], nn.Module],
        training: Training,
        world_size: int,
        frozen: bool = False,
    ) -> None:
        self.discriminator = discriminator
        self._settings = settings
        self._world_size = world_size
        self._dropout_by_row = training.dropout_by_row
        self.learns = not frozen
        self._forward = wrap(discriminator)
        own = {
            "optimizer": Optimizer(name="adam", learning_rate=settings.learning_rate),
            "schedule": Schedule(name="constant", warmup_updates=0),
        }
        self._updater = Updater(self._forward, training.model_copy(update=own), total_updates=1, world_size=world_size)
        self._replay: deque[list[Pairs]] = deque(maxlen=settings.replay)
        self._rounds = 0
        # From chance upwards, so that one lucky round opens no gate.
        self._accuracy = 0.5
        self._gate_open = False

    @property
    def pretrains(self) -> bool:
        """Whether it is still to learn before the generator plays."""
        return self.learns and not (self._gate_open or self._rounds >= self._settings.pretraining_updates)

    def is_due(self, adversarial_update: int) -> bool:
        """Whether it learns at the generator's adversarial update of this number, 1, 2, …"""
        return self.learns and adversarial_update % self._settings.every == 0

    def score(self, source_NS: Tensor, text_NT: Tensor) -> Tensor:
        """D(source, text) in 0–1, (N,) fp32: how likely the bare text is a reference. Leaves no trace."""
        with torch.no_grad(), evaluating(self.discriminator):
            logit_N1: Tensor = self.discriminator(source_NS, text_NT)
        return torch.sigmoid(logit_N1.squeeze(1).float())

    def learn(self, fresh: Sequence[Pairs], step: UpdateContext) -> MetricSums:
        """One round: measure the accuracy on fresh pairs, then make `steps` updates."""
        sums = self._measure(fresh)
        if self._settings.replay > 1:
            gathered = gather_over_ranks([rest.to(_PROCESSOR) for pairs in fresh for rest in pairs.counting()])
            self._replay.append([pairs for of_rank in gathered for pairs in of_rank])
        for number in range(self._settings.steps):
            sums.add(self._update(self._lesson(fresh, step, number), step, number))
        self._rounds += 1
        return sums

    def divergence(self) -> str | None:
        """Why it cannot go on learning; none where it can."""
        why = self._updater.divergence()
        return why and f"the discriminator's {why}"

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimizer, replay, and how far the pre-training is."""
        return {
            "discriminator": self.discriminator.state_dict(),
            "updater": self._updater.state_dict(),
            "replay": [[dict(vars(pairs)) for pairs in remembered] for remembered in self._replay],
            "turns": self._rounds,
            "accuracy": self._accuracy,
            "gate_open": self._gate_open,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.discriminator.load_state_dict(state["discriminator"])
        self._updater.load_state_dict(state["updater"])
        self._replay.clear()
        self._replay.extend([_pairs(kept).to(_PROCESSOR) for kept in remembered] for remembered in state["replay"])
        self._rounds, self._accuracy, self._gate_open = state["turns"], state["accuracy"], state["gate_open"]

    def _measure(self, fresh: Sequence[Pairs]) -> MetricSums:
        """Accuracy on pairs that it has not learnt from, over all ranks, and what follows for the gate."""
        counts = torch.zeros(2, dtype=torch.float64, device=fresh[0].source_BS.device)
        # Where both writers are equally likely, smoothed labels teach (1 − ε) / 2.
        undecided = (1 - self._settings.label_smoothing) / 2
        for pairs in fresh:
            source_NS, text_NT, label_N, weight_N = pairs.labelled()
            right_N = (self.score(source_NS, text_NT) > undecided) == label_N.bool()
            counts += torch.stack([(weight_N * right_N).sum(), weight_N.sum()])
        right, all_of_them = sum_over_ranks(counts).tolist()
        self._accuracy = ACCURACY_MEMORY * self._accuracy + (1 - ACCURACY_MEMORY) * right / all_of_them
        self._gate_open |= self._accuracy >= self._settings.accuracy_gate
        return MetricSums({"train/discriminator_accuracy": (counts[0], counts[1])})

    def _lesson(self, fresh: Sequence[Pairs], step: UpdateContext, number: int) -> Sequence[Pairs]:
        """Rows for this rank: of the newest round, or of a remembered one, which may have been kept in larger parts."""
        if self._settings.replay == 1:
            return fresh
        remembered = self._replay[int(step.uniform(f"replay/{number}") * len(self._replay))]
        device = fresh[0].source_BS.device
        parts = (part for pairs in remembered for part in pairs.cut(step.part_tokens, self._world_size))
        return [part.shard(step.rank, self._world_size).to(device) for part in parts]

    def _update(self, lesson: Sequence[Pairs], step: UpdateContext, number: int) -> MetricSums:
        sums = MetricSums()

        def loss(pairs: Pairs) -> Loss:
            keys_N = step.row_keys(f"discriminator/{number}", pairs.numbers()) if self._dropout_by_row else None
            with masks_of_rows(keys_N):
                return self._loss(pairs, sums)

        # What the updater itself reports, such as its learning rate, goes by names that are the generator's.
        self._updater.update([partial(loss, pairs) for pairs in lesson], update=1)
        return sums

    def _loss(self, pairs: Pairs, sums: MetricSums) -> Loss:
        """Cross entropy with one-sided label smoothing (Salimans et al. 2016, sec. 3.4); adds its share to `sums`."""
        source_NS, text_NT, label_N, weight_N = pairs.labelled()
        logit_N = self._forward(source_NS, text_NT).squeeze(1).float()
        smoothed_N = label_N * (1 - self._settings.label_smoothing)
        summed = F.binary_cross_entropy_with_logits(logit_N, smoothed_N, weight_N, reduction="sum")
        sums.add(MetricSums({"train/discriminator_loss": (summed, weight_N.sum())}))
        return Loss(summed / pairs.update_rows)


def _pairs(kept: dict[str, Any]) -> Pairs:
    """As they were kept; an earlier version kept no rows, and had no masks of theirs."""
    return Pairs(**{"rows_B": torch.zeros_like(kept["counts_B"], dtype=torch.long)} | kept)
