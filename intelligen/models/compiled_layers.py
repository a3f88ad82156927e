"""Compiled layers of our own networks (`torch.compile`, in place): no tensor gets another name, and decoding stays."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from intelligen.models.interfaces import Network
from intelligen.models.transformer_layers import DecoderLayer, EncoderLayer


def compile_layers(model: Network, *, backend: str | Callable[..., Any] = "inductor") -> None:
    """Compile each layer as it is first run; a change of the batch's shape compiles none again.

    Args:
        model: One of ours, in place.
        backend: Of `torch.compile`.

    """
    for module in model.modules():
        if isinstance(module, EncoderLayer | DecoderLayer):
            module.compile(backend=backend, dynamic=True)
    model.compiled = True


def uncompiled(model: nn.Module) -> AbstractContextManager[Any]:
    """Meanwhile a compiled model runs as it is written: step by step, its cache would have a shape of its own each."""
    if isinstance(model, Network) and model.compiled:
        stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
        return stance
    return nullcontext()
