"""Memory of a trial's updates, measured: the longest rows, forward, backward and optimizer step, and a validation."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from intelligen.config.schema.experiment import Trial
from intelligen.data.batches import Examples, Rows, cut, evaluation_batches
from intelligen.data.loader import plan_pass
from intelligen.data.prepared_data import Prepared
from intelligen.errors import MemoryShortageError
from intelligen.state.process_memory import clear_peak, peak_bytes
from intelligen.strategies.base import Strategy, UpdateContext
from intelligen.tasks import build_task
from intelligen.training.device_memory import within_free_memory
from intelligen.training.memory_allocator import keep_freed_memory, return_free_pages
from intelligen.training.memory_shortage import tried
from intelligen.training.timing import (
    Bench,
    Stopwatch,
    evaluate_shard_at,
    model_at,
    strategy_at,
    without_pretraining,
)

LOOKED_AT, WIDEST = 64, 4
"""Micro-batches of which the widest are found, and how many of these are trained on."""
MOST_UPDATES = 24
"""Further ones, as a training has them. With every shape that it has not held before, a heap gets more gaps."""
TIMED_UPDATES = 4
ENOUGH_S = 20.0
"""No further update is made after so many seconds, but for those of the longest and the widest rows."""


@dataclass(frozen=True)
class MemoryUse:
    """What a worker's process takes that holds so many rows at once."""

    rows: int
    tokens: int
    """Rows × longest side, as `micro_batch_tokens` counts them."""
    memory_bytes: int
    """The most: of a GPU what its allocator reserved, elsewhere the process' resident memory, all of it."""
    state_bytes: int
    """Of it weights, the optimizer's moments, and what else a strategy keeps, such as a discriminator."""
    update_s: float
    """Of an update of these rows."""

    @property
    def tokens_per_s(self) -> float:
        """Padded tokens, as `tokens` counts them."""
        return self.tokens / self.update_s


@dataclass(frozen=True)
class LongestRows:
    """A training split, its longest rows first."""

    order: Rows
    longest: int
    """Positions of the first one's longest side."""
    update_rows: int
    """Rows of the largest update that the settings make."""
    own_rows: int
    """Of these, rows that a worker holds at once: its first micro-batch."""


def longest_rows(trial: Trial, prepared: Prepared, *, workers: int = 1) -> LongestRows:
    """Of the data that a trial is trained on by so many workers, which share each update."""
    lengths = build_task(trial.task).examples(prepared.split("train"), prepared).lengths
    order: Rows = np.argsort(-lengths, kind="stable")
    lengths, training = lengths[order], trial.training
    update = cut(lengths, training.batch_tokens, max_rows=training.batch_rows)[1]
    own = cut(lengths[:update:workers], training.most_micro_batch_tokens)[1]
    return LongestRows(order, int(lengths[0]), update, own)


def own_peak(trial: Trial, bench: Bench, *, workers: int = 1) -> int:
    """Bytes that a worker's process takes for the longest rows that a trial itself holds at once.

    One update in this process, whose memory that is; see `measure` for a closer look.

    Raises:
        MemoryShortageError: They do not fit.

    """
    trial, task = without_pretraining(trial), build_task(trial.task)
    examples = task.examples(bench.prepared.split("train"), bench.prepared)
    longest = longest_rows(trial, bench.prepared, workers=workers)
    own = longest.order[: longest.update_rows : workers][: longest.own_rows]

    def act() -> None:
        strategy = strategy_at(bench, trial, model=model_at(bench, trial), total_updates=1)
        made = _Updates(strategy, bench.device, trial.seed, 1)
        for rows in (own[:1], own):
            made.update(_batches(examples, [rows]), 1)

    _reset(bench.device)
    with bench.used(), within_free_memory(bench.device):
        outcome = tried(act, bench.device)
    if outcome is not None:
        raise MemoryShortageError(f"out of memory: {outcome.amounts()}")
    return _peak(bench.device)


def measure(trial: Trial, bench: Bench, *, rows: int) -> MemoryUse:
    """Make updates of micro-batches of one size in this process, and validate a batch, as an epoch does.

    The updates lie all over the run, so that a strategy that draws what an update learns from is seen at all of it, and
    have the shapes of a training's, between which a process' heap keeps gaps.

    Args:
        trial: Complete settings.
        bench: Data and device; the process should do nothing else.
        rows: Of a micro-batch of the longest rows, at most those of the training split. Others have as many tokens.

    """
    trial, task = without_pretraining(trial), build_task(trial.task)
    keep_freed_memory()
    examples = task.examples(bench.prepared.split("train"), bench.prepared)
    longest = longest_rows(trial, bench.prepared)
    micro_batches = _micro_batches(examples, longest, trial, rows=rows)
    total = MOST_UPDATES * max(1, trial.training.epochs)
    valid = task.examples(bench.prepared.split("valid"), bench.prepared)
    evaluated = _elements(evaluation_batches(valid, batch_tokens=trial.decoding.batch_tokens))
    with bench.used():
        model = model_at(bench, trial)
        made = _Updates(strategy_at(bench, trial, model=model, total_updates=total), bench.device, trial.seed, total)
        _reset(bench.device)
        # Where an update has several, the second one comes beside the gradient of the first.
        accumulated = 2 if longest.update_rows > rows else 1
        made.various(
            _batches(examples, micro_batches[start : start + accumulated])
            for start in range(0, len(micro_batches), accumulated)
        )
        seconds = made.seconds(_batches(examples, micro_batches[:1]))
        return_free_pages()
        for batch in sorted([0, *_widest(evaluated)]):
            evaluate_shard_at(bench, trial, batch, len(evaluated), model=model)
    return MemoryUse(
        rows=rows,
        tokens=rows * longest.longest,
        memory_bytes=_peak(bench.device),
        state_bytes=_bytes([model.state_dict(), made.strategy.state_dict()]),
        update_s=seconds,
    )


def _micro_batches(examples: Examples[Any], longest: LongestRows, trial: Trial, *, rows: int) -> list[Rows]:
    """That of the longest rows, the widest of the others, and those with which a training of this size begins.

    The widest ones may be larger than the first where a row has several sides.
    """
    update_rows = trial.training.batch_rows
    plan = plan_pass(
        examples.lengths,
        batch_tokens=rows * longest.longest,
        batch_rows=None if update_rows is None else max(rows, update_rows),
        seed=trial.seed,
        number=0,
    )
    number = len(plan.groups)
    some = sorted({one * (number - 1) // max(1, LOOKED_AT - 1) for one in range(LOOKED_AT)})
    groups = [plan.order[plan.bounds[one] : plan.bounds[one + 1]] for one in some]
    widest = _widest(_elements(_batches(examples, [group])[0] for group in groups))
    return [groups[index] for index in (0, *widest)] + [plan.rows(one) for one in range(min(number, MOST_UPDATES))]


def _elements(batches: Iterable[Any]) -> list[int]:
    """Of each batch, on all its sides together; no batch is held longer than that takes."""
    return [sum(value.numel() for value in vars(one).values() if isinstance(value, Tensor)) for one in batches]


def _widest(elements: Sequence[int]) -> list[int]:
    """Those of the batches behind the first that have most elements, the widest first."""
    return sorted(range(1, len(elements)), key=elements.__getitem__, reverse=True)[:WIDEST]


@dataclass(frozen=True)
class _Updates:
    """Makes updates of one strategy."""

    strategy: Strategy[Any, Any]
    device: torch.device
    seed: int
    total: int

    def update(self, batches: list[Any], number: int) -> float:
        """Seconds of the update of that number."""
        watch, step = Stopwatch(self.device), UpdateContext(self.seed, number, self.total)
        self.strategy.train_step([batch.to(self.device) for batch in batches], step)
        return watch.seconds()

    def various(self, updates: Iterable[list[Any]]) -> None:
        """Updates of several shapes, all over the run."""
        begun = time.perf_counter()
        for made, batches in enumerate(updates):
            if made > WIDEST and time.perf_counter() - begun > ENOUGH_S:
                return
            self.update(batches, 1 + made * (self.total - 1) // (WIDEST + MOST_UPDATES))

    def seconds(self, batches: list[Any]) -> float:
        """Mean seconds of some updates from the first to the last."""
        return fmean(
            self.update(batches, 1 + made * (self.total - 1) // (TIMED_UPDATES - 1)) for made in range(TIMED_UPDATES)
        )


def _batches(examples: Examples[Any], parts: list[Rows]) -> list[Any]:
    """An update's micro-batches."""
    rows = np.concatenate(parts)
    targets = examples.targets(rows)
    return [examples.batch(part, update_targets=targets, update_rows=len(rows)) for part in parts]


def _reset(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    else:
        clear_peak()


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else peak_bytes()


def _bytes(state: object) -> int:
    """Of all tensors in nested containers, each storage once."""
    return sum({one.data_ptr(): one.untyped_storage().nbytes() for one in _tensors(state)}.values())


def _tensors(state: object) -> Iterator[Tensor]:
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, dict):
        yield from _tensors([*state.values()])
    elif isinstance(state, Iterable) and not isinstance(state, str | bytes):
        for one in state:
            yield from _tensors(one)
