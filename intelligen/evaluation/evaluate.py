"""Evaluates a split in one pass: the reference by teacher forcing, and the model's own hypothesis."""

from collections.abc import Sequence

import torch
from torch import Tensor

from intelligen.config.schema.bleu_tokenizer_names import DEFAULT_BLEU_TOKENIZER, BleuTokenizer
from intelligen.config.schema.decoding import Decoding, DecodingSearch, Greedy, draws_of
from intelligen.data.batches import Batch, Examples, SentencePairs, evaluation_batches
from intelligen.data.prepared_data import Split
from intelligen.data.special_tokens import PAD
from intelligen.data.vocabulary_file import Vocabulary
from intelligen.decoding.generate import evaluating, generate
from intelligen.decoding.hypotheses import Hypotheses
from intelligen.decoding.length_bound import LengthBound
from intelligen.decoding.minimum_bayes_risk import PairUtility
from intelligen.decoding.token_sampling import row_uniforms
from intelligen.evaluation.exposure_bias import PREFIXES, prefix_switch, rightly_predicted, token_accuracy
from intelligen.evaluation.sharded_evaluation import Shard
from intelligen.evaluation.text_health import text_shares
from intelligen.evaluation.text_utility import TextUtility
from intelligen.models.interfaces import EncoderOutput, Generator
from intelligen.models.losses import token_log_probs
from intelligen.optimization import MetricSums


def evaluate_shard(
    model: Generator,
    split: Split,
    *,
    source: str = "source",
    target: str = "target",
    examples: Examples[Batch] | None = None,
    references: Sequence[str] | None = None,
    vocabulary: Vocabulary,
    search: DecodingSearch,
    decoding: Decoding,
    device: torch.device,
    tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER,
    seed: int = 0,
    rank: int = 0,
    world_size: int = 1,
) -> Shard:
    """Decode and score this rank's rows of a split.

    Args:
        model: Unwrapped; found in its own mode again after.
        split: What is decoded.
        source: The column that the model reads.
        target: The column that it should write.
        examples: The split as the model trains on it; its sentence pairs where not given.
        references: What the hypotheses' texts are measured against; the target's texts where not given.
        vocabulary: Of the target.
        search: How hypotheses are searched for.
        decoding: Bounds and batch size.
        device: Where the model lies.
        tokenizer: BLEU's, by which the measures of the hypotheses' text count.
        seed: Of sampled hypotheses, which depend on nothing else but their rows.
        rank: This process among `world_size`.
        world_size: Processes that share the split.

    """
    hypotheses: dict[int, str] = {}
    sums = MetricSums()
    utility = TextUtility(vocabulary.decode, tokenizer)
    examples = examples or SentencePairs(split, source=source, target=target)
    batches = evaluation_batches(examples, batch_tokens=decoding.batch_tokens, rank=rank, world_size=world_size)
    with torch.no_grad(), evaluating(model):
        for batch in (found.to(device) for found in batches):
            hypothesis, measured = _evaluate_batch(
                model, batch, search=search, decoding=decoding, seed=seed, utility=utility
            )
            texts = vocabulary.decode(hypothesis.tokens_NT.tolist())
            hypotheses.update(zip(batch.rows.tolist(), texts, strict=True))
            sums.add(measured)
    source_texts = split.texts(source)
    target_texts = split.texts(target) if references is None else references
    sums.add(
        text_shares(
            list(hypotheses.values()),
            sources=[source_texts[row] for row in hypotheses],
            references=[target_texts[row] for row in hypotheses],
            tokenizer=tokenizer,
        )
    )
    return Shard(hypotheses, sums)


def _evaluate_batch(
    model: Generator, batch: Batch, *, search: DecodingSearch, decoding: Decoding, seed: int, utility: PairUtility
) -> tuple[Hypotheses, MetricSums]:
    # A reference beyond the position table is scored as far as the table goes.
    target_in_BT, target_out_BT = (side[:, : model.max_positions] for side in (batch.target_in_BT, batch.target_out_BT))
    encoded = model.encode(batch.source_BS)
    log_probs_BT, right_BT = _teacher_forced(model, encoded, target_in_BT, target_out_BT)
    hypothesis = hypotheses_of(model, batch, encoded, search=search, decoding=decoding, seed=seed, utility=utility)
    greedy = hypothesis
    if not isinstance(search, Greedy):
        bounds_B = LengthBound.of(decoding).of_sources(batch.source_BS)
        bounds_B = bounds_B.clamp(max=PREFIXES[-1])
        greedy = generate(model, batch.source_BS, Greedy(), max_lengths_B=bounds_B, encoded=encoded)
    sums = MetricSums(
        {
            "loss": (-log_probs_BT.sum().item(), int((target_out_BT != PAD).sum())),
            "unfinished_pct": (100 * int((~hypothesis.finished_N).sum()), len(batch.rows)),
        }
    )
    sums.add(token_accuracy(right_BT, hypothesis.tokens_NT, target_out_BT))
    sums.add(
        prefix_switch(
            model,
            encoded,
            target_in_BT=target_in_BT,
            target_out_BT=target_out_BT,
            log_probs_BT=log_probs_BT,
            greedy_NT=greedy.tokens_NT,
            rows=batch.rows,
        )
    )
    return hypothesis, sums


def hypotheses_of(
    model: Generator,
    batch: Batch,
    encoded: EncoderOutput,
    *,
    search: DecodingSearch,
    decoding: Decoding,
    seed: int,
    utility: PairUtility,
) -> Hypotheses:
    """The model's own hypothesis for each row, which depends on nothing else but the row and the seed.

    Args:
        model: In evaluation mode.
        batch: The rows.
        encoded: Of their sources.
        search: How hypotheses are searched for.
        decoding: The length bound.
        seed: Of sampled hypotheses.
        utility: By which minimum Bayes risk chooses.

    """
    bounds_B = LengthBound.of(decoding).of_sources(batch.source_BS)
    uniforms_NT = None
    if samples := draws_of(search):
        uniforms_NT = row_uniforms(seed, batch.rows, width=int(bounds_B.max()), samples=samples)
        uniforms_NT = uniforms_NT.to(batch.source_BS.device)
    return generate(
        model,
        batch.source_BS,
        search,
        max_lengths_B=bounds_B,
        uniforms_NT=uniforms_NT,
        encoded=encoded,
        utility=utility,
    )


def _teacher_forced(
    model: Generator, encoded: EncoderOutput, target_in_BT: Tensor, target_out_BT: Tensor
) -> tuple[Tensor, Tensor]:
    """Each reference token's log-probability after the reference's prefix, and whether it is the most probable one."""
    logits_BTV = model.decode(target_in_BT, encoded)
    return token_log_probs(logits_BTV, target_out_BT), rightly_predicted(logits_BTV, target_out_BT)
