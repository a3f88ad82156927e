"""Checks of decoding with a cache, of a shortage of memory, and of the speed beside the peers."""

import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import torch

from gpu_checks.outcome import FailedError, require, require_gpu
from gpu_checks.work import Work
from intelligen.config.schema.decoding import Beam, DecodingSearch, Greedy
from intelligen.decoding.decoding_step import mask_unwritable_
from intelligen.decoding.generate import evaluating, generate
from intelligen.models.losses import token_log_probs
from intelligen.state.memory_bounds import MemoryBounds
from intelligen.strategies.generative import shift_right
from intelligen.strategies.teacher_forcing import TeacherForcing
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime

BENCHMARK: Final = Path(__file__).parents[2] / "benchmarks" / "training.py"
BENCHMARK_SECONDS: Final = 240


def cache_changes_nothing(work: Work) -> str:
    """Hypotheses that were found with a cache have the probabilities that one parallel pass gives them."""
    model = work.begun(work.trial(), work.device)
    model.go_on(10)
    network = model.strategy.model
    source_BS = model.loader.next_update()[0].to(work.device).source_BS
    bounds_B = torch.full((len(source_BS),), 30, device=work.device)
    searches: dict[str, DecodingSearch] = {"greedy": Greedy(), "beam": Beam(size=4)}
    worst = 0.0
    for name, search in searches.items():
        found = generate(network, source_BS, search, max_lengths_B=bounds_B, log_probs=True)
        with torch.no_grad(), evaluating(network):
            logits_NTV = mask_unwritable_(network(source_BS, shift_right(found.tokens_NT)).float())
        log_probs_N = token_log_probs(logits_NTV, found.tokens_NT).sum(dim=1)
        apart = math.inf if found.log_probs_N is None else float((log_probs_N - found.log_probs_N).abs().max())
        require(apart <= 1e-3, f"{name}: log-probabilities differ by {apart:.1e}")
        worst = max(worst, apart)
    return f"greedy and beam: log-probabilities of {len(source_BS)} hypotheses differ by at most {worst:.0e}"


def shortage_halves_the_parts(work: Work) -> str:
    """Where an update does not fit in the memory, it is made in parts of half as many tokens, and the trial goes on."""
    directory = work.store / "shortage"
    with _little_memory(work):
        result = fit(work.trial(), Runtime(work.store, directory, work.device))
    tokens = MemoryBounds.read(directory).newest_micro_batch_tokens
    require(tokens is not None, "nothing was made smaller")
    require(all(math.isfinite(value) for value in result.metrics.values()), f"{result.metrics}")
    return f"trained in parts of at most {tokens} tokens"


def benchmark_runs(work: Work) -> str:
    """`benchmarks/training.py`, which prints our speed beside that of the peers that are installed."""
    require_gpu(work.on_gpu)
    command = [sys.executable, str(BENCHMARK)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BENCHMARK_SECONDS, check=False)
    if done.returncode:
        raise FailedError(
            done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
        )
    return done.stdout.strip()


@contextmanager
def _little_memory(work: Work) -> Iterator[None]:
    """Memory for half of an update: of a GPU a fraction of its own; elsewhere the error is raised for large batches."""
    if not work.on_gpu:
        with patch.object(TeacherForcing, "__call__", _short_of_memory(TeacherForcing.__call__)):
            yield
        return
    training = work.begun(work.trial(), work.device)
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved(work.device)
    torch.cuda.reset_peak_memory_stats(work.device)
    training.go_on(4)
    taken = torch.cuda.max_memory_allocated(work.device) - before
    del training
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info(work.device)
    try:
        torch.cuda.set_per_process_memory_fraction((before + 0.7 * max(taken, 2**20)) / total, work.device)
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, work.device)


def _short_of_memory(compute: Any) -> Any:
    def computed(criterion: Any, model: Any, batch: Any, step: Any) -> Any:
        if batch.source_BS.numel() > 200:
            raise torch.OutOfMemoryError("Tried to allocate 1.00 GiB.")
        return compute(criterion, model, batch, step)

    return computed
