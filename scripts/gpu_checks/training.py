"""Checks of training: the same numbers as on the processor, resumed alike, fp16's overflow, every strategy."""

import io
import math
from statistics import fmean
from typing import Any, Final

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from gpu_checks.outcome import require, require_gpu
from gpu_checks.work import PROCESSOR, STRATEGIES, UPDATES, Started, Work
from intelligen.config.schema.training import Precision, Training
from intelligen.optimization import Loss, Updater
from intelligen.state.history import History
from intelligen.training.fit import fit
from intelligen.training.gpu import Nvml, uuid_of
from intelligen.training.runtime import Runtime

TOLERANCES: Final[dict[Precision, float]] = {"fp32": 1e-3, "bf16": 3e-2, "fp16": 1e-2}
"""Relative difference from the processor's losses in fp32: the largest that is no fault."""
FITTING_SCALE: Final = 1.0
"""A loss scale at which fp16 skips no update: from torch's first one, it skips sixteen until the scale fits."""


def records_name_the_device(work: Work) -> str:
    """The records of a training have the GPU's UUID, and NVML knows it."""
    require_gpu(work.on_gpu)
    uuid = uuid_of(work.device)
    require(any(name.endswith(uuid) for name in Nvml().names()), f"NVML does not know {uuid}")
    directory = work.store / "records"
    fit(work.trial(), Runtime(work.store, directory, work.device))
    tags = History(directory).reports[-1].tags
    require(tags.get("gpu_uuids") == uuid, f"gpu_uuids is {tags.get('gpu_uuids')}, not {uuid}")
    return uuid


def losses_agree(work: Work, precision: Precision) -> str:
    """Twenty updates have the losses that the processor has in fp32, as far as the precision goes."""
    expected = work.begun(work.trial(), PROCESSOR).losses()
    training = work.begun(work.trial(precision=precision), work.device)
    if precision == "fp16":
        state = training.strategy.state_dict()
        state["updater"]["scaler"]["scale"] = FITTING_SCALE
        training.strategy.load_state_dict(state)
    found = training.losses()
    tolerance, first = TOLERANCES[precision], abs(found[0] / expected[0] - 1)
    require(first <= tolerance, f"the first loss is {found[0]:.5f}, on the processor {expected[0]:.5f}")
    require(fmean(found[-5:]) < fmean(found[:5]), f"the loss does not fall: {found[0]:.4f} … {found[-1]:.4f}")
    last = max(abs(one / other - 1) for one, other in zip(found, expected, strict=True))
    require(last <= tolerance, f"a loss differs by {last:.1e}, at most {tolerance:.0e}")
    return f"{UPDATES} losses differ by at most {last:.1e}"


def overflow_is_skipped(work: Work) -> str:
    """In fp16 an update whose gradient overflows changes no weight and lowers the loss scale; the next one learns."""
    model = nn.Linear(4, 1).to(work.device)
    updater = Updater(model, Training(precision="fp16"), total_updates=10, world_size=1)
    before, x = model.weight.detach().clone(), torch.ones(2, 4, device=work.device)

    def scale() -> float:
        return float(updater.state_dict()["scaler"]["scale"])

    began = scale()
    updater.update([lambda: Loss(model(x).sum().float() * math.inf)], update=1)
    require(torch.equal(before, model.weight.detach()), "the weights have changed")
    require(scale() == began / 2, f"the loss scale is {scale():g}, not {began / 2:g}")
    updater.update([lambda: Loss(model(x).sum().float() / 1e4)], update=2)
    require(not torch.equal(before, model.weight.detach()), "the next update changes nothing")
    return f"the loss scale fell from {began:g} to {began / 2:g}"


def resumes_alike(work: Work) -> str:
    """A training that goes on from a checkpoint has the weights of one that was not interrupted, bit for bit."""
    trial = work.trial(STRATEGIES["seqgan"])
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        whole, other = (work.begun(trial, work.device) for _ in range(2))
        for training in (whole, other):
            training.go_on(10)
        begun = work.begun(trial, work.device)
        begun.go_on(5)
        resumed = _reloaded(begun, work.begun(trial, work.device))
        resumed.go_on(5)
    finally:
        torch.use_deterministic_algorithms(False)
    farthest = _distance(whole, resumed)
    if (apart := _distance(whole, other)) > 0:
        require(farthest <= 10 * apart, f"weights differ by {farthest:.1e}, and without an interruption by {apart:.1e}")
        return f"kernels have no fixed order: {farthest:.1e} apart, and without an interruption {apart:.1e}"
    require(farthest == 0, f"weights differ by {farthest:.1e}")
    return "seqgan, from update 5 to 10"


def strategies_train(work: Work) -> str:
    """Every strategy makes five updates, and all that it reports is finite."""
    for name, settings in STRATEGIES.items():
        training = work.begun(work.trial(settings), work.device)
        for sums in training.go_on(5):
            wrong = {key: value for key, value in sums.means().items() if not math.isfinite(value)}
            require(not wrong, f"{name}: {wrong}")
        why = training.strategy.divergence()
        require(why is None, f"{name}: {why}")
    return f"{len(STRATEGIES)} strategies and variants"


def one_rank_trains_alike(work: Work) -> str:
    """A process group of one, NCCL's on a GPU and gloo's elsewhere, makes the updates of a training without a group."""
    alone = work.begun(work.trial(), work.device)
    expected = alone.losses(5)
    backend = "nccl" if work.on_gpu else "gloo"
    distributed.init_process_group(backend, init_method=f"file://{work.store / 'ranks'}", rank=0, world_size=1)
    try:
        ids = [work.device.index or 0] if work.on_gpu else None

        def wrap(module: nn.Module) -> nn.Module:
            return DistributedDataParallel(module, device_ids=ids, broadcast_buffers=False)

        found = work.begun(work.trial(), work.device, wrap=wrap).losses(5)
        work.begun(work.trial(STRATEGIES["seqgan"]), work.device, wrap=wrap).go_on(2)
    finally:
        distributed.destroy_process_group()
    worst = max(abs(one - other) for one, other in zip(found, expected, strict=True))
    require(worst <= 1e-4, f"losses differ by {worst:.1e}")
    return f"{backend}, losses differ by at most {worst:.0e}"


def _reloaded(training: Started, fresh: Started) -> Started:
    """A fresh training with all that a checkpoint keeps of another."""
    buffer = io.BytesIO()
    strategy = training.strategy
    torch.save({"model": strategy.model.state_dict(), "strategy": strategy.state_dict()}, buffer)
    buffer.seek(0)
    state: dict[str, Any] = torch.load(buffer, map_location=PROCESSOR, weights_only=True)
    fresh.strategy.model.load_state_dict(state["model"])
    fresh.strategy.load_state_dict(state["strategy"])
    fresh.loader.load_state_dict(training.loader.state_dict())
    fresh.update = training.update
    return fresh


def _distance(one: Started, other: Started) -> float:
    """The largest difference of two trainings' weights."""
    others = other.weights()
    return max(float((tensor - others[name]).abs().max()) for name, tensor in one.weights().items())
