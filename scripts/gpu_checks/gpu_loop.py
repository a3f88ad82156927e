"""Checks of what is for a GPU alone: decoding by CUDA graphs, and attention within segments in the place of a mask."""

import logging
from contextlib import nullcontext
from logging.handlers import BufferingHandler
from typing import Final

import torch
from torch import Tensor

from gpu_checks.outcome import require
from gpu_checks.segment_attention import segment_attention
from gpu_checks.waiting import SEARCHES
from gpu_checks.work import Started, Work
from intelligen.config.schema.decoding import Sample
from intelligen.config.schema.training import Precision
from intelligen.decoding.generate import generate
from intelligen.models.losses import Targets
from intelligen.optimization import autocast

LONGEST: Final = 30
TOLERANCES: Final[dict[Precision, float]] = {"fp32": 1e-5, "bf16": 5e-2}


def graphs_change_nothing(work: Work) -> str:
    """Searches by steps of a fixed size find the tokens that they find without, and after further updates too."""
    training = work.begun(work.trial(), work.device)
    warned, log = BufferingHandler(100), logging.getLogger("intelligen.decoding.fixed_steps")
    log.addHandler(warned)
    try:
        for _ in range(2):
            training.go_on(5)
            for name in SEARCHES:
                plain_NT, by_graphs_NT = (_found(training, name, cuda_graphs=one) for one in (False, True))
                require(torch.equal(plain_NT, by_graphs_NT), f"{name}: other tokens")
    finally:
        log.removeHandler(warned)
    require(not warned.buffer, "; ".join(record.getMessage() for record in warned.buffer))
    return f"{', '.join(SEARCHES)}: the same tokens, twice{'' if work.on_gpu else ', without graphs'}"


def segments_change_nothing(work: Work) -> str:
    """With attention within segments, losses and gradients are those with a mask."""
    precision: Precision = "bf16" if work.on_gpu else "fp32"
    tolerance = TOLERANCES[precision]
    masked, within = (work.begun(work.trial(precision=precision), work.device) for _ in range(2))
    within.strategy.model.flash_attention = True
    expected_gradient, expected = _gradient(masked, precision), masked.losses(5)
    with nullcontext() if work.on_gpu else segment_attention():
        gradient, found = _gradient(within, precision), within.losses(5)
    worst = max(abs(one / other - 1) for one, other in zip(found, expected, strict=True))
    require(worst <= tolerance, f"a loss differs by {worst:.1e}, at most {tolerance:.0e}")
    apart = float((gradient - expected_gradient).norm() / expected_gradient.norm())
    require(apart <= tolerance, f"the gradient differs by {apart:.1e} of its length, at most {tolerance:.0e}")
    return f"{precision}: losses differ by at most {worst:.0e}, the gradient by {apart:.0e} of its length"


def _found(training: Started, search: str, *, cuda_graphs: bool) -> Tensor:
    network = training.strategy.model
    network.cuda_graphs = cuda_graphs
    generator = torch.Generator().manual_seed(1)
    source_BS = torch.randint(4, 200, (6, 9), generator=generator)
    uniforms_NT = torch.rand(6, LONGEST, generator=generator) if isinstance(SEARCHES[search], Sample) else None
    device = next(network.parameters()).device
    return generate(
        network,
        source_BS.to(device),
        SEARCHES[search],
        max_lengths_B=torch.tensor([LONGEST, 9, LONGEST, 20, 15, LONGEST], device=device),
        uniforms_NT=None if uniforms_NT is None else uniforms_NT.to(device),
    ).tokens_NT


def _gradient(training: Started, precision: Precision) -> Tensor:
    """Of the first update's loss."""
    network = training.strategy.model
    device = next(network.parameters()).device
    first = training.loader.next_update()[0].to(device)
    with autocast(device, precision):
        states_NTD = network.states(first.target_in_BT, network.encode(first.source_BS))
        loss = network.summed_loss(states_NTD, Targets(first.target_out_BT, 0.1))
    loss.backward()
    gradient = torch.cat([weight.grad.flatten() for weight in network.parameters() if weight.grad is not None])
    network.zero_grad()
    return gradient
