"""Streams one hypothesis: each token as soon as it is found."""

from collections.abc import Iterator

import torch
from torch import Tensor

from intelligen.config.schema.decoding import Beam, DecodingSearch, Sample
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.decoding.autoregressive import most_probable
from intelligen.decoding.decoding_step import next_logits
from intelligen.decoding.generate import generate
from intelligen.decoding.token_sampling import draw
from intelligen.models.interfaces import Generator


def stream_tokens(model: Generator, source_1S: Tensor, search: DecodingSearch, *, most: int) -> Iterator[int]:
    """The tokens of a hypothesis for one source, without its EOS; those of beam search all at once, at its end.

    Args:
        model: In evaluation mode.
        source_1S: Source tokens.
        search: How the hypothesis is searched for.
        most: Largest number of tokens, EOS included; cut to the model's positions.

    """
    most = min(most, model.max_positions)
    if isinstance(search, Beam):
        found = generate(model, source_1S, search, max_lengths_B=torch.tensor([most])).tokens_NT[0].tolist()
        yield from (token for token in found if token not in (EOS, PAD))
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
