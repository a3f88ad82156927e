"""Checks of what is for a GPU alone: decoding by CUDA graphs, and attention within segments in the place of a mask."""

import logging
from contextlib import nullcontext
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

LONGEST: Final = 30
TOLERANCES: Final[dict[Precision, float]] = {"fp32": 1e-5, "bf16": 3e-2, "fp16": 1e-2}


def graphs_change_nothing(work: Work) -> str:
    """Searches by steps of a fixed size find the tokens that they find without, and after further updates too."""
    training = work.begun(work.trial(), work.device)
    warned: list[logging.LogRecord] = []
    handler, log = logging.Handler(logging.WARNING), logging.getLogger("intelligen.decoding.fixed_steps")
    handler.emit = warned.append  # type: ignore[method-assign]
    log.addHandler(handler)
    try:
        for _ in range(2):
            training.go_on(5)
            for name in SEARCHES:
                plain_NT, by_graphs_NT = (_found(training, name, cuda_graphs=one) for one in (False, True))
                require(torch.equal(plain_NT, by_graphs_NT), f"{name}: other tokens")
    finally:
        log.removeHandler(handler)
    require(not warned, "; ".join(record.getMessage() for record in warned))
    return f"{', '.join(SEARCHES)}: the same tokens, twice{'' if work.on_gpu else ', without graphs'}"


def segments_change_nothing(work: Work) -> str:
    """Updates with attention within segments have the losses and the weights of updates with a mask."""
    precision: Precision = "bf16" if work.on_gpu else "fp32"
    tolerance = TOLERANCES[precision]
    masked, within = (work.begun(work.trial(precision=precision), work.device) for _ in range(2))
    within.strategy.model.flash_attention = True
    expected = masked.losses(5)
    with nullcontext() if work.on_gpu else segment_attention():
        found = within.losses(5)
    worst = max(abs(one / other - 1) for one, other in zip(found, expected, strict=True))
    require(worst <= tolerance, f"a loss differs by {worst:.1e}, at most {tolerance:.0e}")
    apart, length = _weights(masked) - _weights(within), _weights(masked).norm()
    require(float(apart.norm()) <= tolerance * float(length), f"weights differ by {float(apart.norm()):.1e}")
    return f"{precision}: losses differ by at most {worst:.0e}"


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


def _weights(training: Started) -> Tensor:
    return torch.cat([one.flatten() for one in training.weights().values()])
