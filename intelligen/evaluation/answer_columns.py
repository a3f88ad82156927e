"""Ways to answer the same questions, side by side: what is said with the answer in sight, and without."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from intelligen.config.schema.bleu_tokenizer_names import DEFAULT_BLEU_TOKENIZER, BleuTokenizer
from intelligen.config.schema.decoding import Decoding, DecodingSearch
from intelligen.data.batches import Batch, Examples, evaluation_batches
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.data.vocabulary_file import Vocabulary
from intelligen.decoding.generate import evaluating
from intelligen.evaluation.evaluate import hypotheses_of
from intelligen.evaluation.exposure_bias import of_width, rightly_predicted
from intelligen.evaluation.text_utility import TextUtility
from intelligen.models.interfaces import EncoderOutput, Generator
from intelligen.models.losses import token_log_probs
from intelligen.optimization import MetricSums


@dataclass(frozen=True)
class AnswerColumn:
    """One way to answer, with its scores."""

    name: str
    title: str
    note: str
    """What it is worth."""
    answers: Sequence[str]
    """In the split's order."""
    scores: Mapping[str, float]
    """`token_accuracy` in 0–1 and `loss` in nats per token, where tokens are predicted, and the task's metrics."""


@dataclass(frozen=True)
class Readings:
    """What a model predicts after the reference's prefix, and after its own."""

    forced: tuple[str, ...]
    """The most probable tokens after the reference's prefixes, as text, in the split's order."""
    sums: MetricSums
    """`forced_accuracy`, `forced_loss`, `own_accuracy` and `own_loss`. All of the reference's tokens count, but the
    loss after the model's own prefix counts only those that its answer is long enough to come to."""


def read_both_ways(
    model: Generator,
    examples: Examples[Batch],
    *,
    vocabulary: Vocabulary,
    search: DecodingSearch,
    decoding: Decoding,
    device: torch.device,
    seed: int,
    tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER,
) -> Readings:
    """Predict every reference token after the reference's own prefix, and after what the model itself has written.

    Args:
        model: Unwrapped; found in its own mode again after.
        examples: Of the split. Their `target_in_BT` is what the decoder reads, right or wrong.
        vocabulary: Of the answers.
        search: How the model's own answers are searched for.
        decoding: Bounds and batch size.
        device: Where the model lies.
        seed: Of sampled answers.
        tokenizer: BLEU's, where answers are chosen by that.

    """
    utility = TextUtility(vocabulary.decode, tokenizer)
    texts: dict[int, str] = {}
    sums = MetricSums()
    with torch.no_grad(), evaluating(model):
        for batch in (one.to(device) for one in evaluation_batches(examples, batch_tokens=decoding.batch_tokens)):
            encoded = model.encode(batch.source_BS)
            own = hypotheses_of(model, batch, encoded, search=search, decoding=decoding, seed=seed, utility=utility)
            said_BT, measured = _read_batch(model, batch, encoded, own.tokens_NT)
            texts.update(zip(batch.rows.tolist(), vocabulary.decode([*_until_eos(said_BT.tolist())]), strict=True))
            sums.add(measured)
    return Readings(tuple(texts[row] for row in range(len(texts))), sums)


def _read_batch(model: Generator, batch: Batch, encoded: EncoderOutput, own_NT: Tensor) -> tuple[Tensor, MetricSums]:
    """The most probable tokens after the reference's prefixes, EOS behind the reference, and the sums of `Readings`."""
    target_in_BT, target_BT = (side[:, : model.max_positions] for side in (batch.target_in_BT, batch.target_out_BT))
    own_BT = of_width(own_NT, target_BT.size(1))
    own_in_BT = torch.cat([torch.full_like(own_BT[:, :1], BOS), own_BT[:, :-1]], dim=1)
    forced_BTV, after_own_BTV = model.decode(target_in_BT, encoded), model.decode(own_in_BT, encoded)
    real_BT = target_BT != PAD
    reached_BT = real_BT & (own_BT != PAD)
    forced_nats = -token_log_probs(forced_BTV, target_BT)[real_BT].sum()
    own_nats = -token_log_probs(after_own_BTV, target_BT)[reached_BT].sum()
    right_BT = rightly_predicted(forced_BTV, target_BT) & real_BT  # PAD and BOS are no longer probable from here on
    sums = {
        "forced_loss": (forced_nats, real_BT.sum()),
        "own_loss": (own_nats, reached_BT.sum()),
        "forced_accuracy": (right_BT.sum(), real_BT.sum()),
        "own_accuracy": ((own_BT == target_BT)[real_BT].sum(), real_BT.sum()),
    }
    return forced_BTV.argmax(dim=-1).where(real_BT, EOS), MetricSums(sums)


def _until_eos(rows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    for row in rows:
        yield [*row[: row.index(EOS)]] if EOS in row else [*row]
