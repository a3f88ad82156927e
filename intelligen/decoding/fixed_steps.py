"""Decoding steps of a fixed size: a GPU runs each as one graph, and the processor does not launch its kernels singly.

Never run on a GPU. On another device the same steps run as they are written, which is how they are tested.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from intelligen.decoding.decoding_step import Extend, SearchCache
from intelligen.models.fixed_cache import CacheContents, FixedCache, FixedShape, HasContents
from intelligen.models.interfaces import DecoderCache, Generator

MOST_BYTES: Final = 2**31
"""Of the caches of a model's steps together; the newest step is kept in any case."""
_WARM_UP_STEPS: Final = 3
_log = logging.getLogger(__name__)


def stepping(model: Generator, cache: DecoderCache) -> tuple[Extend, SearchCache]:
    """What a search asks for the next logits, and the cache that it does so with.

    Args:
        model: In evaluation mode.
        cache: What comes before the search's first token.

    """
    if not model.cuda_graphs:
        return model.extend, cache
    assert isinstance(cache, HasContents), f"{type(model).__name__} has no cache of a fixed size"
    steps = _STEPS.setdefault(model, FixedSteps())
    step = steps.of(model, cache.contents())
    return (model.extend, cache) if step is None else (partial(step.extend, model), step.cache)


class FixedSteps:
    """Steps of a model that were made for the searches so far, the one used last at the end."""

    def __init__(self) -> None:
        self._steps: dict[tuple[FixedShape, tuple[int, ...]], _Step] = {}
        self._recorder: _Recorder | None = None
        self._refused = False
        """Whether the device could not record a step."""

    def of(self, model: Generator, contents: CacheContents) -> "_Step | None":
        """A step that holds these contents; none where the device could not record one."""
        if self._refused:
            return None
        device = contents.next_N.device
        self._recorder = self._recorder or _recorder(device)
        # A graph reads the memory in which the weights were when it was recorded.
        weights = () if self._recorder is None else tuple(weight.data_ptr() for weight in model.parameters())
        key = FixedShape.of(contents), weights
        try:
            step = self._steps.pop(key, None) or self._made(model, key[0], contents)
        except torch.OutOfMemoryError:
            self._steps.clear()
            raise
        if step is not None:
            self._steps[key] = step
            self._drop_oldest(device)
            step.cache.take_up(contents)
        return step

    def _made(self, model: Generator, shape: FixedShape, like: CacheContents) -> "_Step | None":
        step = _Step(FixedCache(shape, like))
        if self._recorder is None:
            return step
        try:
            step.graph = self._recorder.record(lambda: step.run(model))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            _log.warning("decoding.cuda_graphs: a step could not be recorded, decoding goes on without: %s", reason)
            self._refused = True
            self._steps.clear()
            return None
        return step

    def _drop_oldest(self, device: torch.device) -> None:
        while len(self._steps) > 1 and sum(one.cache.bytes for one in self._steps.values()) > MOST_BYTES:
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            del self._steps[next(iter(self._steps))]


class _Graph(Protocol):
    def replay(self) -> None: ...


class _Step:
    """Next logits by a cache of fixed size: by a graph where one was recorded."""

    def __init__(self, cache: FixedCache) -> None:
        self.cache = cache
        self._token_N1 = torch.zeros(cache.capacity, 1, dtype=torch.long, device=cache.device)
        self.graph: _Graph | None = None
        self._logits_N1V: Tensor | None = None

    def run(self, model: Generator) -> None:
        """Launch the step's kernels; all that they read and write stays where it is."""
        self._logits_N1V = model.extend(self._token_N1, self.cache)

    def extend(self, model: Generator, token_N1: Tensor, cache: FixedCache) -> Tensor:
        """Append a token to every row; logits [N, 1, V] after it, which the next step overwrites."""
        assert cache is self.cache, "another search has begun"
        self._token_N1[: cache.rows] = token_N1
        if self.graph is None:
            self.run(model)
        else:
            self.graph.replay()
        assert self._logits_N1V is not None
        return self._logits_N1V[: cache.rows]


class _Recorder:
    """Records a model's steps as CUDA graphs; they share a stream and the memory of what is computed between."""

    def __init__(self, device: torch.device) -> None:
        with torch.cuda.device(device):
            self._device, self._stream = device, torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            self._pool = torch.cuda.graph_pool_handle()

    def record(self, run: Callable[[], None]) -> _Graph:
        """What runs all that `run` launches, in the memory that it has now.

        Raises:
            RuntimeError: The device cannot.

        """
        kind = self._device.type
        # A weight that autocast has cast outside would not be cast again when the graph runs.
        uncached = torch.autocast(
            kind, torch.get_autocast_dtype(kind), enabled=torch.is_autocast_enabled(kind), cache_enabled=False
        )
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        # The outer one leaves the stream even where the recording fails.
        with torch.cuda.device(self._device), torch.cuda.stream(self._stream), uncached:
            # Libraries set themselves up in their first calls, which no graph may contain.
            for _ in range(_WARM_UP_STEPS):
                run()
            graph = torch.cuda.CUDAGraph()
            # Threads that load data may meanwhile ask for memory of their own.
            with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                run()
        torch.cuda.current_stream(self._device).wait_stream(self._stream)
        return graph


def _recorder(device: torch.device) -> _Recorder | None:
    return _Recorder(device) if device.type == "cuda" else None


_STEPS: WeakKeyDictionary[Generator, FixedSteps] = WeakKeyDictionary()
