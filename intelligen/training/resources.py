"""What a worker uses of its own device, sampled while it trains; never another process' share."""

import threading
from dataclasses import dataclass
from types import TracebackType

import psutil
import torch

MIB = 2**20


@dataclass(frozen=True)
class Usage:
    """One worker's use over one epoch."""

    memory_avg_mib: float
    memory_peak_mib: float
    utilization_pct: float | None
    """None where the device does not say, such as a share of a partitioned GPU."""

    @staticmethod
    def metrics(usages: list["Usage"], device: torch.device) -> dict[str, float]:
        """A trial's use: memory added up over its workers, utilisation averaged."""
        kind = "gpu" if device.type == "cuda" else "cpu"
        metrics = {
            "gpu/count": float(len(usages)) if kind == "gpu" else 0.0,
            f"{kind}/memory_avg_mib": sum(usage.memory_avg_mib for usage in usages),
            f"{kind}/memory_peak_mib": sum(usage.memory_peak_mib for usage in usages),
        }
        told = [usage.utilization_pct for usage in usages if usage.utilization_pct is not None]
        return metrics | ({f"{kind}/utilization_pct": sum(told) / len(told)} if told else {})


class ResourceMonitor:
    """Samples memory and utilisation on a thread of its own, between `__enter__` and `__exit__`.

    On a GPU: memory that this process' allocator holds, and the utilisation that NVML gives for the device
    (found by UUID, so that a masked or renumbered device is not mistaken). On a CPU: resident memory, and
    processor time in percent of one core.
    """

    def __init__(self, device: torch.device, *, interval_s: float = 0.2) -> None:
        self._device = device
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_stopped, daemon=True)
        self._memory: list[float] = []
        self._utilization: list[float] = []
        self._process = psutil.Process()

    def __enter__(self) -> "ResourceMonitor":
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        self._process.cpu_percent()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def usage(self) -> Usage:
        """What was seen so far; call it before or after leaving the context."""
        self._sample()
        memory = list(self._memory)
        peak = torch.cuda.max_memory_reserved(self._device) / MIB if self._device.type == "cuda" else max(memory)
        utilization = list(self._utilization)
        return Usage(sum(memory) / len(memory), peak, sum(utilization) / len(utilization) if utilization else None)

    def _sample_until_stopped(self) -> None:
        while not self._stop.wait(self._interval_s):
            self._sample()

    def _sample(self) -> None:
        if self._device.type == "cuda":
            self._memory.append(torch.cuda.memory_reserved(self._device) / MIB)
            self._utilization += _gpu_utilization(self._device)
        else:
            self._memory.append(self._process.memory_info().rss / MIB)
            self._utilization.append(self._process.cpu_percent())


def _gpu_utilization(device: torch.device) -> list[float]:
    """In percent, by NVML; empty where the driver does not tell."""
    import pynvml

    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        return [float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)]
    except pynvml.NVMLError:
        return []
