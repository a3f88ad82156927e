"""One optimizer update: backward over micro-batches, one all-reduce, clip, step; the same for any ranks."""

import contextlib
import math
from collections.abc import Callable, Sequence
from itertools import compress
from operator import not_
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from intelligen.config.schema.training import Optimizer, Precision, Schedule, Training
from intelligen.optimization.adam import adam
from intelligen.optimization.kept_rows import keeps_rows
from intelligen.optimization.loss_sums import Loss, MetricSums

MOST_SKIPPED = 25
"""So many updates in a row that fp16 skips are no search for a loss scale any more."""
LEAST_SCALE = 1.0
"""Below it the gradient itself, and not what it was multiplied with, overflows fp16."""

DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Arithmetic of forward passes at the precision; in fp32 nothing is cast."""
    return torch.autocast(device.type, dtype=DTYPES[precision], enabled=precision != "fp32")


def learning_rate(settings: Schedule, *, peak: float, update: int, total_updates: int) -> float:
    """The rate of update 1, 2, …, total_updates: linear warm-up to the peak, then the named decay.

    Args:
        settings: Names warm-up and decay.
        peak: The highest rate.
        update: Its number in the cycle, where the schedule has cycles.
        total_updates: Of the cycle.

    """
    ratio = settings.warmup_ratio
    warmup = max(1, (settings.warmup_updates or 0) if ratio is None else round(ratio * total_updates))
    if update < warmup:
        return peak * update / warmup
    if settings.name == "constant":
        return peak
    if settings.name == "inverse_sqrt":
        return peak * math.sqrt(warmup / update)
    progress = min(1.0, (update - warmup) / max(1, total_updates - warmup))
    left = 1 - progress if settings.name == "linear" else 0.5 * (1 + math.cos(math.pi * progress))
    return peak * (settings.final_ratio + (1 - settings.final_ratio) * left)


def build_optimizer(settings: Optimizer, model: nn.Module) -> torch.optim.Optimizer:
    """Adam or AdamW over the trainable weights; matrices decay, biases, norms and tables with kept rows do not."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    decay = [weight.dim() > 1 and not keeps_rows(weight) for weight in weights]
    groups = [
        {"params": list(compress(weights, decay)), "weight_decay": settings.weight_decay},
        {"params": list(compress(weights, map(not_, decay))), "weight_decay": 0.0},
    ]
    kind = adam(settings.name)
    return kind(groups, lr=settings.learning_rate, betas=settings.betas, eps=settings.epsilon, fused=True)


class Updater:
    """Owns the optimizer of one (possibly wrapped) model.

    Args:
        model: What the losses are computed with; where it is DistributedDataParallel, gradients are
            all-reduced once per update.
        settings: Optimizer, schedule and precision.
        total_updates: Length of the run: all epochs, over which the schedule runs once or in cycles.
        world_size: Ranks that compute shares of the same update.

    """

    def __init__(self, model: nn.Module, settings: Training, *, total_updates: int, world_size: int) -> None:
        self._model = model
        self._settings = settings
        self._total_updates = total_updates
        self._world_size = world_size
        self._device = next(model.parameters()).device
        self._optimizer = build_optimizer(settings.optimizer, model)
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=settings.precision == "fp16")
        # On the device: reading a GPU's numbers makes it wait, so `divergence` alone does it.
        self._bad_in_row = torch.zeros((), dtype=torch.long, device=self._device)
        self._most_bad_in_row = self._bad_in_row

    def update(self, losses: Sequence[Callable[[], Loss]], *, update: int) -> MetricSums:
        """Make update number `update` (1, 2, …) from this rank's micro-batches.

        Returns:
            The losses' sums, the gradient norm before clipping where it is finite, and the learning rate.

        """
        rate = self._learning_rate(update)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        sums = MetricSums()
        for index, loss in enumerate(losses):
            sums.add(self._backward(loss, last=index == len(losses) - 1))
        norm = self._step()
        finite = norm.isfinite()
        self._bad_in_row = torch.where(finite, 0, self._bad_in_row + 1)
        self._most_bad_in_row = torch.maximum(self._most_bad_in_row, self._bad_in_row)
        sums.add(MetricSums({"train/gradient_norm": (norm.where(finite, 0), finite), "train/learning_rate": (rate, 1)}))
        return sums

    def divergence(self) -> str | None:
        """Why training cannot go on from here, the same on every rank; none where it can.

        In fp16 an update whose gradient is not finite is skipped and lowers the loss scale, as it should at the start.
        It diverges after 25 of them in a row, or where the scale has fallen below 1.
        """
        bad = int(self._most_bad_in_row)
        if not self._scaler.is_enabled():
            return "gradient norm not finite" if bad else None
        if bad >= MOST_SKIPPED:
            return f"gradient norm not finite, so fp16 skipped {bad} updates in a row"
        if (scale := self._scaler.get_scale()) < LEAST_SCALE:
            return f"gradient norm not finite, so fp16 lowered its loss scale to {scale:g}"
        return None

    def state_dict(self) -> dict[str, Any]:
        """Optimizer moments, loss scale and skipped updates; the schedule is a function of the update's number."""
        return {
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "bad_in_row": int(self._bad_in_row),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        # Checkpoints of 0.1.0's first revisions do not know the number.
        self._bad_in_row = torch.full_like(self._bad_in_row, state.get("bad_in_row", 0))
        self._most_bad_in_row = self._bad_in_row

    def reset_optimizer(self) -> None:
        """Start the optimizer anew."""
        self._optimizer = build_optimizer(self._settings.optimizer, self._model)

    def _learning_rate(self, update: int) -> float:
        schedule, total = self._settings.schedule, self._total_updates
        if schedule.cycle_epochs is not None:
            total = total * schedule.cycle_epochs // self._settings.epochs
            update = (update - 1) % total + 1
        return learning_rate(schedule, peak=self._settings.optimizer.learning_rate, update=update, total_updates=total)

    def _backward(self, compute: Callable[[], Loss], *, last: bool) -> MetricSums:
        waits = isinstance(self._model, DistributedDataParallel) and not last
        with self._model.no_sync() if waits else contextlib.nullcontext():  # type: ignore[operator]
            with autocast(self._device, self._settings.precision):
                loss = compute()
            # DistributedDataParallel divides by the ranks; the shares are to be added.
            self._scaler.scale(loss.total * self._world_size).backward()  # type: ignore[no-untyped-call]
        return loss.sums

    def _step(self) -> Tensor:
        self._scaler.unscale_(self._optimizer)
        bound = self._settings.optimizer.clip_norm
        weights = [weight for group in self._optimizer.param_groups for weight in group["params"]]
        norm = nn.utils.clip_grad_norm_(weights, math.inf if bound is None else bound)
        # With the fp16 scaler, an overflow skips the step and lowers the scale; the norm is the same on all ranks.
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad(set_to_none=True)
        return norm
