"""Language modelling: each token of a document is predicted from those before it, scored by perplexity."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from intelligen.config.schema import tasks
from intelligen.config.schema.decoding import Decoding, DecodingSearch, draws_of
from intelligen.config.schema.model import Model
from intelligen.data.batches import Batch, evaluation_batches
from intelligen.data.document_windows import DocumentWindows, windows_of
from intelligen.data.prepared_data import Prepared, Split
from intelligen.data.special_tokens import PAD
from intelligen.decoding.generate import evaluating, generate
from intelligen.decoding.length_bound import LengthBound
from intelligen.decoding.token_sampling import Uniforms
from intelligen.evaluation import Evaluation, Shard
from intelligen.evaluation.metric import Perplexity
from intelligen.evaluation.sharded_evaluation import merge_shards
from intelligen.evaluation.text_utility import TextUtility
from intelligen.models.build import build_model
from intelligen.models.interfaces import Generator
from intelligen.models.losses import Targets, token_log_probs
from intelligen.optimization import Loss, MetricSums
from intelligen.tasks.base import Task, whole


class LanguageModellingTask(Task[Generator, Batch]):
    """Documents, cut into windows.

    What a model says of a document is how surprised it is by it, in nats; what it should say is measured by the
    document's number of tokens. `predict` goes on from a text.

    Args:
        settings: The experiment's; they say how long a window is.

    """

    text = "text"

    def __init__(self, settings: tasks.LanguageModelling) -> None:
        self._n_seq, self._packing = settings.n_seq, settings.packing
        super().__init__(settings, (Perplexity(),))

    def build_model(self, settings: Model, prepared: Prepared, *, seed: int) -> Generator:
        """Of the documents' vocabulary."""
        size = prepared.vocabularies[self.text]
        return build_model(settings, {"source": size, "target": size}, seed=seed)

    def examples(self, split: Split, prepared: Prepared) -> DocumentWindows:
        """Windows as training has them."""
        return DocumentWindows(split.columns[self.text], n_seq=self._n_seq, packing=self._packing)

    def preparation_lines(self, prepared: Prepared) -> list[str]:
        """How many windows each split is cut into, and that they hold every piece."""
        return [self._windows_line(name, prepared) for name in prepared.manifest.splits]

    def _windows_line(self, name: str, prepared: Prepared) -> str:
        column = prepared.split(name).columns[self.text]
        packing = self._packing and name == "train"
        lengths = DocumentWindows(column, n_seq=self._n_seq, packing=packing).lengths
        tokens = int((column.lengths + 1).sum())
        windows = f"{len(lengths):,} {'packed ' * packing}windows of at most {self._n_seq} tokens"
        return f"{name}: {windows}; of {tokens:,} pieces and ends of documents {tokens - int(lengths.sum()):,} are lost"

    def inputs(self, split: Split) -> list[str]:
        """The documents."""
        return split.texts(self.text)

    def references(self, split: Split) -> list[str]:
        """The number of each document's tokens, EOS included."""
        return [Perplexity.tokens(int(length) + 1) for length in split.columns[self.text].lengths]

    @torch.no_grad()
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
        """The nats of this rank's windows, which `score` puts together; nothing is written."""
        found: dict[int, str] = {}
        sums = MetricSums()
        windows = DocumentWindows(split.columns[self.text], n_seq=self._n_seq, packing=False)
        batches = evaluation_batches(windows, batch_tokens=decoding.batch_tokens, rank=rank, world_size=world_size)
        with evaluating(model):
            for batch in (one.to(device) for one in batches):
                logits_BTV = model(batch.source_BS, batch.target_in_BT)
                nats_B = -token_log_probs(logits_BTV, batch.target_out_BT).double().sum(dim=1).cpu()
                found |= zip(batch.rows.tolist(), map(Perplexity.nats, nats_B.tolist()), strict=True)
                sums.add(MetricSums({"loss": (nats_B.sum(), batch.num_targets)}))
        return Shard(found, sums)

    def score(self, shards: Sequence[Shard], references: Sequence[str]) -> Evaluation:
        """By document: the ranks share windows, and the windows of a document lie next to each other."""
        lengths = np.array([int(text.partition(" ")[0]) for text in references])
        windows = windows_of(lengths, self._n_seq)
        texts, sums = merge_shards(shards, rows=int(windows.sum()))
        nats = np.array([float(text.partition(" ")[0]) for text in texts])
        documents = np.add.reduceat(nats, np.cumsum(windows) - windows)
        joined = Shard({row: Perplexity.nats(float(one)) for row, one in enumerate(documents)}, sums)
        return super().score([joined], references)

    def loss(self, model: Generator, batch: Batch, *, label_smoothing: float) -> Loss:
        """Label-smoothed cross entropy, a mean over the update's tokens."""
        states_BTD = model.states(batch.target_in_BT, model.encode(batch.source_BS))
        summed = model.summed_loss(states_BTD, Targets(batch.target_out_BT, label_smoothing))
        return Loss(summed / batch.update_targets, MetricSums({"train/loss": (summed, batch.num_targets)}))

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
        """Each text with what the model writes after it, all in one batch; of a long one only the end is read.

        That is half the model's positions, so that it has as many to write.
        """
        pieces, most = whole(texts, prepared, self.text), model.max_positions // 2
        notes["cut_start"] += sum(len(ids) > most for ids in pieces)
        pieces = [ids[-most:] for ids in pieces]
        longest = max(map(len, pieces))
        prefix_NT = torch.tensor([[PAD] * (longest - len(ids)) + ids for ids in pieces], device=device)
        bounds_N = (prefix_NT != PAD).sum(dim=1) + LengthBound.of(decoding).of_sources(prefix_NT)
        source_N0 = prefix_NT[:, :0]
        uniforms_NT, samples = None, draws_of(search)
        if uniforms is not None and samples:
            uniforms_NT = uniforms(int(bounds_N.max()), samples).to(device)
        vocabulary = prepared.tokenizer(self.text)
        found = generate(
            model,
            source_N0,
            search,
            max_lengths_B=bounds_N,
            prefix_NT=prefix_NT,
            uniforms_NT=uniforms_NT,
            utility=TextUtility(vocabulary.decode),
        )
        return vocabulary.decode(found.tokens_NT.tolist())

    def summary(self, metrics: Mapping[str, float]) -> Iterator[str]:
        """Loss, by token."""
        yield f"loss {metrics['loss']:.4f} nats/token"
