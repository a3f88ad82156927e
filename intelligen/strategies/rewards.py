"""Rewards: sentence metrics of hypotheses against references, in 0–1."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal

import torch
from sacrebleu.metrics import BLEU, CHRF
from torch import Tensor

from intelligen.config.schema.bleu_tokenizer_names import DEFAULT_BLEU_TOKENIZER, BleuTokenizer
from intelligen.data.bleu_tokenizers import bleu_metric
from intelligen.data.device_transfer import to_device
from intelligen.data.special_tokens import EOS, PAD

Decode = Callable[[Sequence[Sequence[int]]], list[str]]


@cache
def _metric(name: Literal["bleu", "chrf"], tokenizer: BleuTokenizer) -> BLEU | CHRF:
    # Effective order and exponential smoothing: without them a short sentence without a 4-gram match scores 0.
    return bleu_metric(tokenizer, effective_order=True) if name == "bleu" else CHRF()


def sentence_rewards(
    hypothesis_NT: Tensor,
    reference_NT: Tensor,
    *,
    decode: Decode,
    name: Literal["bleu", "chrf"],
    tokenizer: BleuTokenizer = DEFAULT_BLEU_TOKENIZER,
) -> Tensor:
    """Reward of each row against the reference row of the same index.

    Args:
        hypothesis_NT: Token ids; EOS and what follows it do not count.
        reference_NT: Token ids, likewise; any width.
        decode: Token ids → detokenised text.
        name: Smoothed sentence BLEU, or sentence chrF.
        tokenizer: BLEU's: what is rewarded is what is measured.

    Returns:
        (N,) fp32 on the hypotheses' device, each in 0–1.

    """
    hypotheses, references = decode(_rows(hypothesis_NT)), decode(_rows(reference_NT))
    metric = _metric(name, tokenizer)
    scores = [metric.sentence_score(h, [r]).score / 100 for h, r in zip(hypotheses, references, strict=True)]
    return to_device(torch.tensor(scores), hypothesis_NT.device)


def _rows(token_NT: Tensor) -> list[list[int]]:
    return [[token for token in row if token not in (PAD, EOS)] for row in token_NT.tolist()]
