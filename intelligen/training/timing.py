"""Timing of updates and validation: measured on a few of them, to estimate what a trial takes."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from intelligen.config.schema.compute import Matmul
from intelligen.config.schema.experiment import Trial
from intelligen.data.loader import Loader
from intelligen.data.prepared_data import Prepared
from intelligen.models.matmul import matmul_used
from intelligen.strategies.base import Strategy, UpdateContext
from intelligen.strategies.build import build_strategy
from intelligen.tasks import build_task
from intelligen.training.checkpoint import load_weights
from intelligen.training.fit import epoch_updates
from intelligen.training.memory_allocator import keep_freed_memory
from intelligen.training.runtime import threads_used

TIMED_UPDATES = 4
LONGEST_S = 20.0
VALIDATED_ROWS = 32


@dataclass(frozen=True)
class TimeRange:
    """From the least to the most, in seconds or whatever is said beside it."""

    low: float
    high: float

    def __add__(self, other: "TimeRange") -> "TimeRange":
        return TimeRange(self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> "TimeRange":
        """Both ends multiplied."""
        return TimeRange(self.low * factor, self.high * factor)

    def between(self, fewest: float, most: float) -> "TimeRange":
        """Of so many at least and at most."""
        return TimeRange(self.low * fewest, self.high * most)


@dataclass(frozen=True)
class Bench:
    """Data, device, threads and weights with which times are measured."""

    prepared: Prepared
    device: torch.device
    threads: int
    """Of one worker."""
    start: Path | None
    """The baseline's selected weights; None = it has not been trained yet, so random weights are used."""
    matmul: Matmul = "mkl"
    """By what the worker computes products."""

    @contextmanager
    def used(self) -> Iterator[None]:
        """Compute as the worker does, for a while."""
        with threads_used(self.threads), matmul_used(self.matmul):
            yield


def time_epoch(trial: Trial, bench: Bench) -> TimeRange:
    """Seconds of one epoch's updates, by one worker on processors that do nothing else.

    The updates that are timed lie all over the run, so that schedules are seen at work: the span is from the mean of
    the faster half to the mean of the slower half of them. A discriminator is taken to be trained already.
    """
    keep_freed_memory()
    pretrained = without_pretraining(trial)
    with bench.used():
        loader = Loader(
            build_task(trial.task).examples(bench.prepared.split("train"), bench.prepared),
            batch_tokens=trial.training.batch_tokens,
            batch_rows=trial.training.batch_rows,
            micro_batch_tokens=trial.training.most_micro_batch_tokens,
            seed=trial.seed,
        )
        updates = epoch_updates(trial, loader)
        seconds = _time_updates(pretrained, bench, loader, total=updates * trial.training.epochs)
    return _halves(seconds).times(updates)


def _time_updates(trial: Trial, bench: Bench, loader: Loader[Any], *, total: int) -> list[float]:
    """Seconds of some updates from the first to the last of `total`."""
    strategy = strategy_at(bench, trial, model=model_at(bench, trial), total_updates=total)

    def timed_update(number: int) -> float:
        batches = [batch.to(bench.device) for batch in loader.next_update()]
        return _timed(lambda: strategy.train_step(batches, UpdateContext(trial.seed, number, total)), bench)

    begun = time.perf_counter()
    # The first one includes allocations and kernels; it counts only where there is time for no other.
    first = timed_update(1)
    seconds: list[float] = []
    while len(seconds) < TIMED_UPDATES and time.perf_counter() - begun < LONGEST_S:
        seconds.append(timed_update(1 + (total - 1) * len(seconds) // (TIMED_UPDATES - 1)))
    return seconds or [first]


def time_validation(trial: Trial, bench: Bench) -> TimeRange:
    """Seconds of one validation, by one such worker, from a sample of the validation set.

    The low end is what trained weights may take, as the task has it: random ones write until the length bound.
    """
    keep_freed_memory()
    task, valid = build_task(trial.task), bench.prepared.split("valid")
    shards = max(1, len(valid) // VALIDATED_ROWS)
    with bench.used():
        model = model_at(bench, trial)
        high = shards * _timed(lambda: evaluate_shard_at(bench, trial, 0, shards, model=model), bench)
    return TimeRange(high if bench.start else high * task.trained_share(valid, trial.decoding), high)


def model_at(bench: Bench, trial: Trial) -> Any:
    """A trial's model with the bench's weights, on its device."""
    model: nn.Module = build_task(trial.task).build_model(trial.model, bench.prepared, seed=trial.seed)
    if bench.start is not None:
        load_weights(model, bench.start)
    return model.to(bench.device)


def strategy_at(bench: Bench, trial: Trial, *, model: Any, total_updates: int) -> Strategy[Any, Any]:
    """A trial's strategy over such a model, by one worker."""
    task = build_task(trial.task)
    return build_strategy(
        trial,
        model=model,
        wrap=lambda module: module,
        decode=partial(task.written, bench.prepared),
        loss=partial(task.loss, label_smoothing=trial.training.label_smoothing),
        total_updates=total_updates,
        world_size=1,
    )


def evaluate_shard_at(bench: Bench, trial: Trial, shard: int, shards: int, *, model: Any) -> None:
    """Evaluate one shard of the validation set, as a validation does: every so many-th of its batches."""
    build_task(trial.task).evaluate(
        model,
        bench.prepared.split("valid"),
        prepared=bench.prepared,
        search=trial.decoding.validation,
        decoding=trial.decoding,
        device=bench.device,
        seed=trial.seed,
        rank=shard,
        world_size=shards,
    )


class Stopwatch:
    """Runs from its making on: how long work takes on a device that does nothing else."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._begun, self._processor_begun = time.perf_counter(), time.process_time()

    def seconds(self) -> float:
        """Since it was made; of a GPU, until its work is done."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            return time.perf_counter() - self._begun
        return alone_s(time.perf_counter() - self._begun, time.process_time() - self._processor_begun)


def alone_s(wall_s: float, processor_s: float) -> float:
    """Seconds that work takes on processors that do nothing else, at most.

    While other work has the processor, only the wall clock goes on. Of several threads, processor time is the sum, so
    that the wall clock shows less of it where they do not wait.
    """
    return min(wall_s, processor_s)


def _timed(call: Callable[[], object], bench: Bench) -> float:
    watch = Stopwatch(bench.device)
    call()
    return watch.seconds()


def _halves(seconds: list[float]) -> TimeRange:
    ordered = sorted(seconds)
    half = (len(ordered) + 1) // 2
    return TimeRange(sum(ordered[:half]) / half, sum(ordered[-half:]) / half)


def without_pretraining(trial: Trial) -> Trial:
    """The trial, whose discriminator is taken to be trained already."""
    return Trial.model_validate_json(json.dumps(_without_pretraining(trial.model_dump(mode="json"))))


def _without_pretraining(settings: Any) -> Any:
    if not isinstance(settings, dict):
        return settings
    return {key: 0 if key == "pretraining_updates" else _without_pretraining(value) for key, value in settings.items()}
