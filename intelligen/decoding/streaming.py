"""Streams one hypothesis: each token as soon as it is found."""

from collections.abc import Iterator

import torch
from torch import Tensor

from intelligen.config.schema.decoding import Beam, DecodingSearch, Mbr, Sample
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.decoding.autoregressive import most_probable
from intelligen.decoding.decoding_step import next_logits
from intelligen.decoding.generate import generate
from intelligen.decoding.minimum_bayes_risk import PairUtility
from intelligen.decoding.token_sampling import draw
from intelligen.models.interfaces import Generator


def stream_tokens(
    model: Generator, source_1S: Tensor, search: DecodingSearch, *, most: int, utility: PairUtility | None = None
) -> Iterator[int]:
    """The tokens of a hypothesis for one source, without its EOS.

    Those of beam search and of minimum Bayes risk come all at once, at their end.

    Args:
        model: In evaluation mode.
        source_1S: Source tokens.
        search: How the hypothesis is searched for.
        most: Largest number of tokens, EOS included; cut to the model's positions.
        utility: By which minimum Bayes risk chooses.

    """
    most = min(most, model.max_positions)
    if isinstance(search, Beam | Mbr):
        found = generate(model, source_1S, search, max_lengths_B=torch.tensor([most]), utility=utility)
        yield from (token for token in found.tokens_NT[0].tolist() if token not in (EOS, PAD))
        return
    # The mode is left before each token is handed over: a generator would take its caller along.
    with torch.inference_mode():
        cache = model.new_cache(model.encode(source_1S), max_length=most, rows_per_source=1)
        row_1, token_1 = source_1S.new_zeros(1), source_1S.new_full((1,), BOS)
    for step in range(most):
        with torch.inference_mode():
            logits_1V = next_logits(model.extend, token_1, cache)
            token_1 = _drawn(logits_1V, search) if isinstance(search, Sample) else most_probable(logits_1V, row_1, step)
        if (token := int(token_1)) == EOS:
            return
        yield token


def _drawn(logits_1V: Tensor, search: Sample) -> Tensor:
    uniform_1 = torch.rand(1, device=logits_1V.device)
    return draw(logits_1V, uniform_1, temperature=search.temperature, top_k=search.top_k, top_p=search.top_p)
