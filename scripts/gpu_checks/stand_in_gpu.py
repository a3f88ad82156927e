"""A stand-in for a GPU: a backend in Python, as torch allows one, and what a processor would wait for with it.

Each of its tensors has its values in a tensor on the processor, which computes with it. So what depends on values runs,
which it does not with torch's fake tensors. A tensor of the processor and one of the stand-in cannot be mixed, as with
a GPU. Which of a GPU's operators make the processor wait is written down here; torch's sync debug mode knows it there.
"""

import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map_only
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME: Final = "stand_in"
DEVICE: Final = torch.device("privateuseone", 0)
"""By the name that torch gives it before `register`."""
_aten = torch.ops.aten
_INDEXING = (_aten.index.Tensor, _aten.index_put.default, _aten.index_put_.default, _aten._index_put_impl_.default)
# Their results, or the sizes of these, are values.
_READS = (
    _aten._local_scalar_dense.default,
    _aten.nonzero.default,
    _aten.masked_select.default,
    _aten.equal.default,
    _aten.repeat_interleave.Tensor,
    _aten.bincount.default,
    _aten._unique2.default,
    _aten.unique_dim.default,
    _aten.unique_consecutive.default,
)


class _Module(_DummyBackendModule):
    """What torch asks of a backend."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        """Of autocast."""
        return [torch.bfloat16, torch.float16]


def register() -> None:
    """Make the device known to torch, for good; before the process' first backward pass, which counts devices."""
    if not hasattr(torch, NAME):
        _setup_privateuseone_for_python_backend(NAME, backend_module=_Module())


class OnStandIn(Tensor):
    """A tensor that says that it is on the stand-in."""

    on_processor: Tensor

    @staticmethod
    def __new__(cls, on_processor: Tensor) -> "OnStandIn":
        """Of the same shape and type."""
        made: OnStandIn = Tensor._make_wrapper_subclass(
            cls,
            on_processor.size(),
            strides=on_processor.stride(),
            storage_offset=on_processor.storage_offset(),
            dtype=on_processor.dtype,
            device=DEVICE,
        )
        made.on_processor = on_processor
        return made

    def __init__(self, on_processor: Tensor) -> None:
        pass

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        """Nothing: `StandInGpu` computes."""
        raise RuntimeError(f"{func} of a tensor of the stand-in, outside of it")

    def tolist(self) -> Any:
        """The values, which are copied to the processor for it."""
        return self.to("cpu").tolist()


class StandInGpu(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, the stand-in computes; `waits` has what the processor would have waited for, and where."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waits: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute on the processor what is asked of the stand-in."""
        kwargs = dict(kwargs or {})
        tensors = [one for one in tree_iter((args, kwargs)) if isinstance(one, Tensor)]
        ours, device = any(isinstance(one, OnStandIn) for one in tensors), kwargs.get("device")
        to_ours = ours if device is None else torch.device(device).type == DEVICE.type
        if not ours and not to_ours:
            return func(*args, **kwargs)
        self._note(func, args, kwargs, tensors, to_ours=to_ours)
        if to_ours and device is not None:
            kwargs["device"] = torch.device("cpu")
        own_args, own_kwargs = tree_map_only(OnStandIn, lambda one: one.on_processor, (args, kwargs))
        found = func(*own_args, **own_kwargs)
        if func._schema.is_mutable and isinstance(found, Tensor):
            return kwargs.get("out", args[0])  # what it has written to
        return tree_map_only(Tensor, OnStandIn, found) if to_ours else found

    def _note(self, func: Any, args: Any, kwargs: Any, tensors: list[Tensor], *, to_ours: bool) -> None:
        """Note what the processor would wait for.

        Raises:
            RuntimeError: Tensors of both devices, in an operator that takes those of one.

        """
        if func is _aten._to_copy.default:
            if isinstance(tensors[0], OnStandIn) != to_ours:
                self._note_copy(tensors[0], non_blocking=bool(kwargs.get("non_blocking")))
        elif func is _aten.copy_.default:
            target, source, *further = args
            # A single number becomes a kernel's argument.
            if isinstance(source, OnStandIn) != isinstance(target, OnStandIn) and (source.dim() or target.dim() == 0):
                self._note_copy(source, non_blocking=bool(further and further[0]))
        elif func in _INDEXING:
            self._note_indexing(func, *args[1:3])
        elif func in _READS:
            self._wait(str(func))
        elif any(one.dim() > 0 and not isinstance(one, OnStandIn) for one in tensors):
            raise RuntimeError(f"{func}: expected all tensors to be on the same device, found the stand-in and cpu")

    def _note_copy(self, source: Tensor, *, non_blocking: bool) -> None:
        if isinstance(source, OnStandIn):
            self._wait("copy to the processor")
        elif not (non_blocking and hasattr(source, "is_pinned_copy")):
            self._wait("copy from memory that is not pinned")

    def _note_indexing(self, func: Any, indices: Any, value: Any = None) -> None:
        index = [one for one in indices if one is not None]
        filled = isinstance(value, Tensor) and value.numel() == 1 and not isinstance(value, OnStandIn)
        if any(one.dtype in (torch.bool, torch.uint8) for one in index) and not filled:
            self._wait(f"{func} by a mask")
        if any(not isinstance(one, OnStandIn) for one in index):
            self._wait(f"{func} by an index on the processor")

    def _wait(self, what: str) -> None:
        frames = [frame for frame in traceback.extract_stack() if "/intelligen/" in frame.filename]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "in a backward pass"
        self.waits.append(f"{what} ({where})")


@contextmanager
def stand_in_gpu() -> Iterator[StandInGpu]:
    """Let the stand-in compute for a while."""
    register()
    with ExitStack() as stack:
        stack.enter_context(patch.object(Tensor, "pin_memory", _pin_memory))
        # These two copy numbers to the device below where a mode could see it.
        stack.enter_context(patch.object(torch, "tensor", _by_copy(torch.tensor)))
        stack.enter_context(patch.object(Tensor, "new_tensor", _new_tensor))
        # torch has no views of a subclass' tensors in inference mode.
        stack.enter_context(patch.object(torch, "inference_mode", torch.no_grad))
        yield stack.enter_context(StandInGpu())


def _pin_memory(tensor: Tensor) -> Tensor:
    copied = tensor.clone()
    copied.is_pinned_copy = True  # type: ignore[attr-defined]
    return copied


def _by_copy(tensor: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def made(data: Any, *, device: Any = None, **further: Any) -> Tensor:
        on_processor = tensor(data, **further)
        return on_processor if device is None else on_processor.to(device)

    return made


def _new_tensor(like: Tensor, data: Any, **further: Any) -> Tensor:
    settings: dict[str, Any] = {"dtype": like.dtype, "device": like.device} | further
    return torch.tensor(data, **settings)
