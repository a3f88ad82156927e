"""What makes the processor wait for the device: torch's sync debug mode on a GPU, the stand-in elsewhere."""

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from math import ceil
from typing import Final

import torch
from torch import Tensor

from gpu_checks.outcome import require
from gpu_checks.segment_attention import segment_attention
from gpu_checks.stand_in_gpu import DEVICE, OnStandIn, stand_in_gpu
from gpu_checks.work import PROCESSOR, STRATEGIES, UPDATES, WAIT_FREE, Work
from intelligen.config.schema.decoding import Beam, DecodingSearch, Greedy, Sample
from intelligen.config.schema.training import Precision
from intelligen.decoding.generate import generate

LENGTH: Final = 32
"""Tokens of the rollouts; a model before its first update hardly ever ends one."""
MOST_WAITS: Final = 2 + ceil(LENGTH / 8)
"""The largest bound, a look at each eighth token, and the length of what was found."""
SEARCHES: Final[dict[str, DecodingSearch]] = {"greedy": Greedy(), "sample": Sample(), "beam": Beam(size=4)}


def updates_do_not_wait(work: Work) -> str:
    """Updates of `standard`, and of the others that roll out nothing, do not make the processor wait."""
    for name in WAIT_FREE:
        found = _waits_of_updates(work, name, UPDATES if name == "standard" else 3)
        require(not found, f"{name} waits {len(found)} times, first for {found[:1]}")
    with nullcontext() if work.on_gpu else segment_attention():
        found = _waits_of_updates(work, "standard", 3, flash_attention=True)
    require(not found, f"standard within segments waits {len(found)} times, first for {found[:1]}")
    return f"{UPDATES} updates of standard, 3 within segments, 3 of {', '.join(WAIT_FREE[1:])}"


def rollouts_seldom_wait(work: Work) -> str:
    """A rollout makes the processor wait once in some tokens; on the stand-in it finds what the processor finds."""
    counts = {name: _waits_of_rollout(work, name, search) for name, search in SEARCHES.items()}
    for name, search in SEARCHES.items():
        counts[f"{name} by graphs"] = _waits_of_rollout(work, name, search, cuda_graphs=True)
    most = max(counts.values())
    require(most <= MOST_WAITS, f"{counts} waits for {LENGTH} tokens, at most {MOST_WAITS}")
    return f"at most {most} waits for {LENGTH} tokens"


def _waits_of_updates(work: Work, name: str, updates: int, *, flash_attention: bool = False) -> list[str]:
    precision: Precision = "bf16" if flash_attention and work.on_gpu else "fp32"

    def begin(device: torch.device) -> Callable[[], object]:
        training = work.begun(work.trial(STRATEGIES[name], precision=precision), device)
        training.strategy.model.flash_attention = flash_attention
        training.go_on(2)
        return lambda: training.go_on(updates)

    return _waits(work, begin)


def _waits_of_rollout(work: Work, name: str, search: DecodingSearch, *, cuda_graphs: bool = False) -> int:
    source_BS = torch.arange(4, 24).view(4, 5)
    bounds_B, uniforms_NT = torch.tensor([LENGTH, LENGTH, 20, 15]), torch.rand(4, LENGTH)
    found: list[Tensor] = []

    def begin(device: torch.device) -> Callable[[], object]:
        model, source, bounds = work.model(device), source_BS.to(device), bounds_B.to(device)
        uniforms = uniforms_NT.to(device) if isinstance(search, Sample) else None
        model.cuda_graphs = cuda_graphs and device != PROCESSOR

        def act() -> None:
            found.append(generate(model, source, search, max_lengths_B=bounds, uniforms_NT=uniforms).tokens_NT)

        if model.cuda_graphs and work.on_gpu:
            act()  # which records the graph
        return act

    waits = len(_waits(work, begin))
    if not work.on_gpu:
        begin(PROCESSOR)()
        on_stand_in, on_processor = found[0], found[-1]
        same = isinstance(on_stand_in, OnStandIn) and torch.equal(on_stand_in.on_processor, on_processor)
        require(same, f"{name}: other tokens than the processor finds")
    return waits


def _waits(work: Work, begin: Callable[[torch.device], Callable[[], object]]) -> list[str]:
    """What an act makes the processor wait for, once it has begun on the device."""
    if not work.on_gpu:
        with stand_in_gpu() as gpu:
            act = begin(DEVICE)
            gpu.waits.clear()
            act()
            return list(gpu.waits)
    act = begin(work.device)
    torch.cuda.synchronize(work.device)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            act()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return [f"{one.filename}:{one.lineno}" for one in caught if "synchronizing CUDA operation" in str(one.message)]
