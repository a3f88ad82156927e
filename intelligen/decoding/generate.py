"""Generation leaves no trace: no gradient, no dropout, and every module in the mode in which it was found."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from intelligen.config.decoding import Beam, Greedy, Sample, Search
from intelligen.decoding.beam import beam_search
from intelligen.decoding.free_running import Pick, free_run, most_probable
from intelligen.decoding.hypotheses import Hypotheses
from intelligen.decoding.sample import draw
from intelligen.models.seq2seq import Seq2SeqTransformer


def generate(
    model: Seq2SeqTransformer | DistributedDataParallel,
    source_BS: Tensor,
    search: Search,
    *,
    max_lengths_B: Tensor,
    generator: torch.Generator | None = None,
    samples: int = 1,
) -> Hypotheses:
    """Search for the continuations of a batch of sources.

    Args:
        model: the model, or what DDP made of it; the searches run on the model itself.
        source_BS: source tokens, right-padded.
        search: which search, with its settings.
        max_lengths_B: per source, the largest number of tokens, EOS included: at least 1, and cut to the model's
            positions. A hypothesis that reaches it without EOS stays unfinished.
        generator: the source of randomness of `Sample`; none = torch's global one.
        samples: adjacent draws per source; `Sample` only.

    Returns:
        B·samples hypotheses.

    """
    module = model.module if isinstance(model, DistributedDataParallel) else model
    assert isinstance(module, Seq2SeqTransformer)
    assert samples == 1 or isinstance(search, Sample), f"{search.name} finds one hypothesis per source"
    bounds_B = max_lengths_B.to(source_BS.device).clamp(max=module.max_positions)
    # Not `inference_mode`: its tensors could not enter a later gradient pass, and rollouts are trained on.
    with torch.no_grad(), evaluating(module):
        match search:
            case Greedy():
                return _free_run(module, source_BS, bounds_B, pick=most_probable)
            case Sample(temperature=temperature, top_k=top_k, top_p=top_p):
                pick = partial(draw, temperature=temperature, top_k=top_k, top_p=top_p, generator=generator)
                return _free_run(module, source_BS, bounds_B, pick=pick, samples=samples)
            case Beam(size=size, length_penalty=length_penalty):
                memory = module.encode(source_BS)
                cache = module.new_cache(memory, max_length=int(bounds_B.max()), rows_per_source=size)
                return beam_search(
                    module.extend, cache, size=size, length_penalty=length_penalty, max_lengths_B=bounds_B
                )
            case _:
                assert_never(search)


def _free_run(
    module: Seq2SeqTransformer, source_BS: Tensor, bounds_B: Tensor, *, pick: Pick, samples: int = 1
) -> Hypotheses:
    memory = module.encode(source_BS).repeat(samples)
    cache = module.new_cache(memory, max_length=int(bounds_B.max()))
    return free_run(module.extend, cache, max_lengths_N=bounds_B.repeat_interleave(samples), pick=pick)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, and every submodule's own mode again after."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
