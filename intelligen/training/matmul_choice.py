"""Choice of what a training's products are computed by: timed where it is left open, and then kept."""

import os
import time
from pathlib import Path
from typing import cast, get_args

import torch
from torch import Tensor

from intelligen.config.schema.compute import Compute, Matmul
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.model import Model, Transformer
from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.config.schema.training import Training
from intelligen.errors import ConfigError
from intelligen.models.matmul import linear, matmul_used, offers
from intelligen.training.reproducibility_manifest import read_manifests
from intelligen.training.runtime import Runtime

MATMUL_VARIABLE = "INTELLIGEN_MATMUL"
"""Says in the environment what replaces `compute.matmul: auto`."""
WORTH = 1.05
"""So many times as fast oneDNN must be to be chosen: what is less may be noise."""
_ROUNDS = 10
_MULTIPLICATIONS = 2**27
"""Of a timed run, its gradients not counted: some five milliseconds."""
_TOKENS_OF_A_ROW = 32


def fixed_matmul(compute: Compute) -> Matmul | None:
    """What the settings say, or the environment where they leave it open; none = whichever is faster.

    Raises:
        ConfigError: The environment says what is none.

    """
    said = compute.matmul if compute.matmul != "auto" else os.environ.get(MATMUL_VARIABLE, "auto")
    if said == "auto":
        return None
    if said not in get_args(Matmul):
        raise ConfigError(f"{MATMUL_VARIABLE}: must be auto, {' or '.join(get_args(Matmul))}, got {said}")
    return cast(Matmul, said)


def chosen_matmul(compute: Compute, model: Model, training: Training, *, device: torch.device) -> Matmul:
    """By what a training that begins here is to compute its products.

    Raises:
        ConfigError: The environment says what is none.

    """
    fixed = fixed_matmul(compute)
    if fixed is not None or device.type != "cpu":
        return fixed or "mkl"
    return faster_matmul(model, training)


def faster_matmul(model: Model, training: Training) -> Matmul:
    """By what this process' threads compute the products of a layer, and their gradients, faster.

    Each is timed on the layer's own shapes and as many rows as an update has, at most, in turn. One thread is timed by
    its own clock, which other programs do not move. `mkl` for models whose layers are not ours.
    """
    if not isinstance(model, Transformer) or not offers("onednn"):
        return "mkl"
    layer = _layer(model, training)
    seconds: dict[Matmul, list[float]] = {"mkl": [], "onednn": []}
    for _ in range(_ROUNDS):
        for one, taken in seconds.items():
            with matmul_used(one):
                taken.append(_timed(layer))
    # Other work only adds to a time: the shortest ones are what the products take.
    return "onednn" if min(seconds["mkl"]) > WORTH * min(seconds["onednn"]) else "mkl"


def kept_matmul(trial: Trial, runtime: Runtime) -> Matmul:
    """By what a training goes on, the same on all ranks: as its record says, or as it was set where it begins.

    Raises:
        StorageError: A manifest is damaged.

    """
    if runtime.device.type != "cpu" or isinstance(trial.model, Pretrained):
        return "mkl"
    # The other ranks do not look, while the first one goes on to write.
    recorded = recorded_matmul(runtime.directory) if runtime.rank == 0 else None
    return runtime.broadcast(recorded or runtime.matmul)


def recorded_matmul(directory: Path) -> Matmul | None:
    """By what a trial's last attempt computed its products; none where it has not begun, or before manifests were kept.

    Raises:
        StorageError: A manifest is damaged.

    """
    manifests = read_manifests(directory)
    return manifests[max(manifests)].matmul if manifests else None


def _layer(model: Transformer, training: Training) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Rows, weight and bias of each product; nothing is drawn."""
    narrow, wide = model.d_model, model.d_ff
    shapes = [(narrow, 3 * narrow), (narrow, narrow), (narrow, wide), (wide, narrow)]
    of_update = training.most_micro_batch_tokens or training.batch_tokens
    rows = of_update or _TOKENS_OF_A_ROW * (training.batch_rows or 1)
    of_row = sum(read * written for read, written in shapes)
    rows = min(rows, max(1, _MULTIPLICATIONS // of_row))
    times = max(1, _MULTIPLICATIONS // (rows * of_row))
    return times * [
        (
            torch.ones(rows, read, requires_grad=True),
            torch.ones(written, read, requires_grad=True),
            torch.ones(written, requires_grad=True),
        )
        for read, written in shapes
    ]


def _timed(layer: list[tuple[Tensor, Tensor, Tensor]]) -> float:
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    begun = clock()
    for factors in layer:
        out = linear(*factors)
        torch.autograd.grad(out, factors, torch.ones_like(out))
    return clock() - begun
