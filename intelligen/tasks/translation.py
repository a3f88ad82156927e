"""Translation: sentence pairs; models write sentences, scored by sacreBLEU's corpus BLEU and chrF."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

from intelligen.config import experiment
from intelligen.config.decoding import Decoding, Search
from intelligen.config.model import Model
from intelligen.data.batches import Batch, SentencePairs
from intelligen.data.bleu import require_bleu_tokenizer, unspaced_references
from intelligen.data.prepared import Prepared, Split
from intelligen.data.tokens import EOS, PAD
from intelligen.decoding.bounds import LengthBound
from intelligen.decoding.generate import generate
from intelligen.evaluation import Evaluation, Shard, evaluate_shard, score
from intelligen.evaluation.sacrebleu_metrics import Bleu, ChrF
from intelligen.models.build import build_model
from intelligen.models.interfaces import Generator
from intelligen.tasks.base import Task


class Translation(Task[Generator, Batch]):
    """From a source sentence to a target sentence.

    Args:
        settings: The experiment's; they name BLEU's tokenizer and what selects weights, and so what ranks.

    """

    def __init__(self, settings: experiment.Translation) -> None:
        self._settings = settings
        super().__init__(
            (Bleu(settings.tokenizer), ChrF()),
            reported=settings.reported_scores,
            watched=settings.watched_metric.partition("/")[2],
            further={"ter": "TER", "moses_bleu": "Moses BLEU"},
        )

    def require_scorable(self, prepared: Prepared, *, key: str = "task") -> None:
        """Refuse references whose words BLEU's tokenizer does not tell apart."""
        require_bleu_tokenizer(self._settings, prepared, key=f"{key}.bleu_tokenizer")

    def build_model(self, settings: Model, prepared: Prepared, *, seed: int) -> Generator:
        """From the source's vocabulary to the target's."""
        return build_model(settings, prepared.vocabularies, seed=seed)

    def examples(self, split: Split) -> SentencePairs:
        """Sentence pairs."""
        return SentencePairs(split)

    def inputs(self, split: Split) -> list[str]:
        """Source sentences."""
        return split.texts("source")

    def references(self, split: Split) -> list[str]:
        """Target sentences."""
        return split.texts("target")

    def evaluate(
        self,
        model: Generator,
        split: Split,
        *,
        prepared: Prepared,
        search: Search,
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
            vocabulary=prepared.tokenizer("target"),
            search=search,
            decoding=decoding,
            device=device,
            tokenizer=self._settings.tokenizer,
            seed=seed,
            rank=rank,
            world_size=world_size,
        )

    def score(self, shards: Sequence[Shard], references: Sequence[str]) -> Evaluation:
        """By sacreBLEU itself, with more measures than the metrics'."""
        settings = self._settings
        return score(shards, references, tokenizer=settings.tokenizer, moses_language=settings.moses_bleu)

    def predict(
        self,
        model: Generator,
        texts: Sequence[str],
        *,
        prepared: Prepared,
        search: Search,
        decoding: Decoding,
        device: torch.device,
        notes: Counter[str],
    ) -> list[str]:
        """A translation of each, all in one batch."""
        data = prepared.manifest.data
        encoded = prepared.tokenizer("source").encode([text.lower() if data.lowercase else text for text in texts])
        notes["cut"] += sum(len(ids) > data.max_tokens for ids in encoded)
        pieces = [torch.tensor([*ids[: data.max_tokens], EOS]) for ids in encoded]
        source_BS = pad_sequence(pieces, batch_first=True, padding_value=PAD).to(device)
        bounds_B = LengthBound.of(decoding).of_sources(source_BS)
        found = generate(model, source_BS, search, max_lengths_B=bounds_B)
        return self.written(prepared, found.tokens_NT.tolist())

    def written(self, prepared: Prepared, tokens: Sequence[Sequence[int]]) -> list[str]:
        """Sentences of the target's vocabulary."""
        return prepared.tokenizer("target").decode(tokens)

    def trained_share(self, valid: Split, decoding: Decoding) -> float:
        """Mean length of the references over the mean length bound of hypotheses: random weights write until there."""
        source, target = (valid.columns[side].lengths.mean() for side in ("source", "target"))
        return float(min(1.0, target / (source * decoding.max_length_ratio + decoding.max_length_offset)))

    def caution(self, split: str, references: Sequence[str]) -> str | None:
        """Why its BLEU says little, where the words of its references are not apart."""
        return unspaced_references(self._settings, split, references)

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
