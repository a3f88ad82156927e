"""Text generation tasks: models read one column and write another, token by token."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

import torch
from torch.nn.utils.rnn import pad_sequence

from intelligen.config.schema.columns import first_reference
from intelligen.config.schema.decoding import Decoding, DecodingSearch, draws_of
from intelligen.config.schema.model import Model
from intelligen.data.batches import Batch, SentencePairs
from intelligen.data.prepared_data import Prepared, Split, TokenColumn
from intelligen.data.special_tokens import EOS, PAD
from intelligen.decoding.generate import generate
from intelligen.decoding.length_bound import LengthBound
from intelligen.decoding.token_sampling import Uniforms
from intelligen.evaluation import Evaluation, Shard, evaluate_shard
from intelligen.evaluation.output_distribution import output_distribution
from intelligen.evaluation.self_bleu import self_bleu
from intelligen.evaluation.text_health import TEXT_SHARES, text_measures
from intelligen.evaluation.text_utility import TextUtility
from intelligen.models.build import build_model
from intelligen.models.interfaces import Generator
from intelligen.tasks.base import Task, encoded, whole


class TextGeneration(Task[Generator, Batch]):
    """From one column's text to another's; a subclass says which, and how what was written is scored."""

    source: ClassVar[str] = "source"
    """The column that models read."""
    target: ClassVar[str] = "target"
    """The column that they should write."""

    def build_model(self, settings: Model, prepared: Prepared, *, seed: int) -> Generator:
        """From the source's vocabulary to the target's."""
        sizes = prepared.vocabularies
        return build_model(settings, {"source": sizes[self.source], "target": sizes[self.target]}, seed=seed)

    def examples(self, split: Split, prepared: Prepared) -> SentencePairs:
        """Pairs of the two columns."""
        return SentencePairs(split, source=self.source, target=self.target)

    def inputs(self, split: Split) -> list[str]:
        """Source texts."""
        return split.texts(self.source)

    def references(self, split: Split) -> list[str]:
        """Target texts."""
        return split.texts(self.target)

    def evaluate(
        self,
        model: Generator,
        split: Split,
        *,
        prepared: Prepared,
        search: DecodingSearch,
        decoding: Decoding,
        device: torch.device,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> Shard:
        """Hypotheses and references, by teacher forcing and free running."""
        return evaluate_shard(
            model,
            split,
            source=self.source,
            target=self.target,
            examples=self.examples(split, prepared),
            references=self._first_of(split.texts(self.target)),
            vocabulary=prepared.tokenizer(self.target),
            search=search,
            decoding=decoding,
            device=device,
            tokenizer=self.settings.tokenizer,
            seed=seed,
            rank=rank,
            world_size=world_size,
        )

    def score(self, shards: Sequence[Shard], references: Sequence[str]) -> Evaluation:
        """By the task's metrics, with what health checks and people see of the texts beside them."""
        found = super().score(shards, references)
        measures = text_measures(found.hypotheses, self._first_of(references), tokenizer=self.settings.tokenizer)
        # Hypotheses without a token repeat and copy nothing.
        return replace(found, metrics={**measures, **dict.fromkeys(TEXT_SHARES, 0.0), **found.metrics})

    def described(
        self,
        model: Generator,
        split: Split,
        evaluation: Evaluation,
        *,
        prepared: Prepared,
        search: DecodingSearch,
        decoding: Decoding,
        device: torch.device,
        seed: int,
    ) -> Mapping[str, float]:
        """How alike the hypotheses are, and how spread out the distributions that they were written from."""
        hypotheses = evaluation.hypotheses
        column = TokenColumn.of(whole(hypotheses, prepared, self.target))
        written = self.examples(replace(split, columns={**split.columns, self.target: column}), prepared)
        spread = output_distribution(model, written, batch_tokens=decoding.batch_tokens, device=device)
        return {"self_bleu": self_bleu(hypotheses, tokenizer=self.settings.tokenizer), **spread.means()}

    def _first_of(self, references: Sequence[str]) -> Sequence[str]:
        """By which lengths and copies are measured where a row has several."""
        several = any(column.several for column in self.settings.columns)
        return [*map(first_reference, references)] if several else references

    def predict(
        self,
        model: Generator,
        texts: Sequence[str],
        *,
        prepared: Prepared,
        search: DecodingSearch,
        decoding: Decoding,
        device: torch.device,
        notes: Counter[str],
        uniforms: Uniforms | None = None,
    ) -> list[str]:
        """A hypothesis for each, all in one batch."""
        pieces = [torch.tensor([*ids, EOS]) for ids in encoded(texts, prepared, self.source, notes=notes)]
        source_BS = pad_sequence(pieces, batch_first=True, padding_value=PAD).to(device)
        bounds_B = LengthBound.of(decoding).of_sources(source_BS)
        uniforms_NT, samples = None, draws_of(search)
        if uniforms is not None and samples:
            uniforms_NT = uniforms(int(bounds_B.max()), samples).to(device)
        found = generate(
            model,
            source_BS,
            search,
            max_lengths_B=bounds_B,
            uniforms_NT=uniforms_NT,
            utility=self.utility(prepared),
        )
        return self.written(prepared, found.tokens_NT.tolist())

    def written(self, prepared: Prepared, tokens: Sequence[Sequence[int]]) -> list[str]:
        """Texts of the target's vocabulary."""
        return prepared.tokenizer(self.target).decode(tokens)

    def utility(self, prepared: Prepared) -> TextUtility:
        """By which minimum Bayes risk decoding chooses among texts of the target's vocabulary."""
        return TextUtility(partial(self.written, prepared), self.settings.tokenizer)

    def trained_share(self, valid: Split, decoding: Decoding) -> float:
        """Mean length of the references over the mean length bound of hypotheses: random weights write until there."""
        source, target = (valid.columns[side].lengths.mean() for side in (self.source, self.target))
        return float(min(1.0, target / (source * decoding.max_length_ratio + decoding.max_length_offset)))

    def summary(self, metrics: Mapping[str, float]) -> Iterator[str]:
        """Loss, lengths, and how surely the model goes on after the reference's words and its own."""
        yield (
            f"loss {metrics['loss']:.4f} nats/token  length ratio {metrics['length_ratio']:.3f}"
            f"  unfinished {metrics['unfinished_pct']:.1f} %"
        )
        yield (
            f"token accuracy {metrics['teacher_forced_accuracy']:.3f} teacher-forced,"
            f" {metrics['free_running_accuracy']:.3f} free-running"
        )
