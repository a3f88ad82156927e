"""Generates hypotheses by any search, without a gradient or dropout, and restores each module's mode."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import assert_never

import torch
from torch import Tensor, nn

from intelligen.config.schema.decoding import Beam, DecodingSearch, Greedy, Mbr, Sample
from intelligen.data.special_tokens import BOS
from intelligen.decoding.autoregressive import Pick, free_run, most_probable
from intelligen.decoding.beam_search import beam_search
from intelligen.decoding.complete_prefixes import complete, complete_by_beam
from intelligen.decoding.fixed_steps import stepping
from intelligen.decoding.hypotheses import Hypotheses
from intelligen.decoding.minimum_bayes_risk import DRAWN_TOGETHER, PairUtility, least_risk
from intelligen.decoding.token_sampling import draw
from intelligen.models.compiled_layers import uncompiled
from intelligen.models.interfaces import EncoderOutput, Generator


def generate(
    model: Generator,
    source_BS: Tensor,
    search: DecodingSearch,
    *,
    max_lengths_B: Tensor,
    uniforms_NT: Tensor | None = None,
    samples: int = 1,
    prefix_NT: Tensor | None = None,
    encoded: EncoderOutput | None = None,
    log_probs: bool = False,
    utility: PairUtility | None = None,
) -> Hypotheses:
    """Search for the continuations of a batch of sources.

    Args:
        model: the unwrapped model.
        source_BS: source tokens, right-padded.
        search: which search, with its settings.
        max_lengths_B: per source, the largest number of tokens, EOS included: at least 1, and cut to the model's
            positions. A hypothesis that reaches it without EOS stays unfinished.
        uniforms_NT: the randomness of `Sample`: hypothesis i's new token j is drawn with [i, j], so there are at least
            as many columns as new tokens; none = torch's default generator. `Mbr` has a row for each of its samples,
            those of a source adjacent.
        samples: adjacent draws per source; `Sample` only.
        prefix_NT: what each of the B·samples hypotheses begins with, PAD on the left and neither BOS nor EOS; rows may
            differ in length, and a row may be empty. It counts towards the bound, and a prefix that is as long stays
            as it is.
        encoded: What `model.encode` made of the sources in evaluation mode; none = they are read here.
        log_probs: Whether those of the hypotheses are wanted, which beam search gives anyway.
        utility: By which `Mbr` chooses.

    Returns:
        B·samples hypotheses; the prefixes are part of their tokens, and not of their log-probabilities.

    """
    assert samples == 1 or isinstance(search, Sample), f"{search.name} finds one hypothesis per source"
    bounds_B = max_lengths_B.to(source_BS.device).clamp(max=model.max_positions)
    # What is made in inference mode could not enter a later gradient pass, and rollouts are trained on: hence the copy.
    with _decoding(model, source_BS.device):
        longest = int(bounds_B.max())  # Once, and while the queue is short: an accelerator is waited for.
        encoded = model.encode(source_BS) if encoded is None else encoded
        found = _search(
            model,
            encoded,
            search,
            bounds_B,
            longest=longest,
            uniforms_NT=uniforms_NT,
            samples=samples,
            prefix_NT=prefix_NT,
            log_probs=log_probs,
            utility=utility,
        )
    return Hypotheses(found.tokens_NT.clone(), None if found.log_probs_N is None else found.log_probs_N.clone())


def read_sources(model: Generator, source_BS: Tensor) -> EncoderOutput:
    """What `generate` makes of the sources before it searches, for several searches over the same."""
    with _decoding(model, source_BS.device):
        encoded: EncoderOutput = model.encode(source_BS)
    return encoded


def _search(
    model: Generator,
    encoded: EncoderOutput,
    search: DecodingSearch,
    bounds_B: Tensor,
    *,
    longest: int,
    uniforms_NT: Tensor | None,
    samples: int,
    prefix_NT: Tensor | None,
    log_probs: bool,
    utility: PairUtility | None,
) -> Hypotheses:
    free_run_of = partial(
        _free_run, model, encoded, bounds_B, longest=longest, prefix_NT=prefix_NT, log_probs=log_probs
    )
    match search:
        case Greedy():
            return free_run_of(pick=most_probable)
        case Sample():
            uniforms_NT = _uniforms(uniforms_NT, bounds_B, samples=samples, longest=longest)
            return free_run_of(pick=_drawing(search, uniforms_NT), samples=samples)
        case Mbr(samples=samples):
            assert utility is not None, "minimum Bayes risk is of a utility"
            uniforms_NT = _uniforms(uniforms_NT, bounds_B, samples=samples, longest=longest)
            # As many at once as a wide beam has prefixes: a cache of all of them could take many times the memory.
            drawn = [
                free_run_of(
                    pick=_drawing(search.drawing, part_BSW.flatten(0, 1)),
                    samples=part_BSW.size(1),
                    prefix_NT=None if prefix_NT is None else prefix_NT.repeat_interleave(part_BSW.size(1), dim=0),
                )
                for part_BSW in torch.split(uniforms_NT.view(-1, samples, uniforms_NT.size(1)), DRAWN_TOGETHER, dim=1)
            ]
            return least_risk(drawn, sources=bounds_B.numel(), utility=partial(utility, metric=search.utility))
        case Beam(size=1):
            # Of two tokens whose log-probabilities are rounded to one number, the beam might take the other.
            return free_run_of(pick=most_probable, log_probs=True)
        case Beam(size=size, length_penalty=length_penalty):
            if prefix_NT is not None:
                return complete_by_beam(model, encoded, prefix_NT, search=search, max_lengths_B=bounds_B)
            extend, cache = stepping(model, model.new_cache(encoded, max_length=longest, rows_per_source=size))
            return beam_search(
                extend,
                cache,
                size=size,
                length_penalty=length_penalty,
                max_lengths_B=bounds_B,
                longest=longest,
            )
        case _:
            assert_never(search)


def _uniforms(uniforms_NT: Tensor | None, bounds_B: Tensor, *, samples: int, longest: int) -> Tensor:
    """As they were given, else drawn."""
    rows = bounds_B.numel() * samples
    if uniforms_NT is None:
        return torch.rand(rows, longest, device=bounds_B.device)
    assert uniforms_NT.size(0) == rows, f"uniforms of {uniforms_NT.size(0)} rows for {rows} hypotheses"
    return uniforms_NT


def _drawing(search: Sample, uniforms_NT: Tensor) -> Pick:
    def pick(logits_MV: Tensor, row_M: Tensor, step: int) -> Tensor:
        return draw(
            logits_MV,
            uniforms_NT[row_M, step],
            temperature=search.temperature,
            top_k=search.top_k,
            top_p=search.top_p,
        )

    return pick


def _free_run(
    model: Generator,
    encoded: EncoderOutput,
    bounds_B: Tensor,
    *,
    longest: int,
    pick: Pick,
    prefix_NT: Tensor | None,
    log_probs: bool,
    samples: int = 1,
) -> Hypotheses:
    bounds_N = bounds_B.repeat_interleave(samples)
    if prefix_NT is not None:
        return complete(
            model,
            encoded,
            prefix_NT,
            rows_per_source=samples,
            max_lengths_N=bounds_N,
            pick=pick,
            log_probs=log_probs,
        )
    extend, cache = stepping(model, model.new_cache(encoded, max_length=longest, rows_per_source=samples))
    return free_run(
        extend,
        cache,
        first_N=torch.full_like(bounds_N, BOS),
        max_lengths_N=bounds_N,
        longest=longest,
        pick=pick,
        log_probs=log_probs,
    )


@contextmanager
def _decoding(model: Generator, device: torch.device) -> Iterator[None]:
    # Autocast remembers the weights that it has cast, but not in inference mode: each step would cast them again.
    no_gradient = torch.no_grad if torch.is_autocast_enabled(device.type) else torch.inference_mode
    with no_gradient(), evaluating(model), uncompiled(model):
        yield


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
