"""Resource monitor: memory and utilisation of a worker's own device, sampled while it trains."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import psutil
import torch

from intelligen.state.process_memory import clear_peak, peak_bytes
from intelligen.training.gpu import Nvml, uuid_of

MIB = 2**20


@dataclass(frozen=True)
class Usage:
    """One worker's use over one epoch."""

    memory_avg_mib: float
    memory_peak_mib: float
    utilization_pct: float | None
    """None where the device does not say, such as a share of a partitioned GPU."""
    gpu: str = ""
    """UUID of the worker's GPU; empty where it has none."""

    @staticmethod
    def metrics(usages: Sequence["Usage"]) -> dict[str, float]:
        """A trial's use of its own devices: memory added up over its workers, utilisation averaged over the devices."""
        kind = "gpu" if usages[0].gpu else "cpu"
        metrics = {
            "gpu/count": float(len({usage.gpu for usage in usages if usage.gpu})),
            f"{kind}/memory_avg_mib": sum(usage.memory_avg_mib for usage in usages),
            f"{kind}/memory_peak_mib": sum(usage.memory_peak_mib for usage in usages),
        }
        # Each worker on a processor is a device; workers that share a GPU have each seen the same one.
        known: dict[str | int, float] = {
            usage.gpu or rank: usage.utilization_pct
            for rank, usage in enumerate(usages)
            if usage.utilization_pct is not None
        }
        return metrics | ({f"{kind}/utilization_pct": sum(known.values()) / len(known)} if known else {})

    @staticmethod
    def tags(usages: Sequence["Usage"]) -> dict[str, str]:
        """Which GPUs the figures are of; nothing where there are none."""
        gpus = sorted({usage.gpu for usage in usages if usage.gpu})
        return {"gpu_uuids": ", ".join(gpus)} if gpus else {}


class ResourceMonitor:
    """Samples memory and utilisation on a thread of its own, between `__enter__` and `__exit__`.

    On a GPU: memory that this process' allocator holds, and the utilisation that NVML gives for the device
    (found by UUID, so that a masked or renumbered device is not mistaken). On a CPU: resident memory, and
    processor time in percent of one core. The peak is no sample: the allocator and the kernel keep it, so that nothing
    short is missed; where a kernel does not, it is the largest sample.
    """

    def __init__(self, device: torch.device, *, interval_s: float = 0.2) -> None:
        self._device = device
        self._gpu = uuid_of(device)
        self._nvml = Nvml() if self._gpu else None
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_stopped, daemon=True)
        self._memory: list[float] = []
        self._utilization: list[float] = []
        self._process = psutil.Process()
        self._kept = False
        """Whether the kernel keeps the peak from the beginning on."""

    def __enter__(self) -> "ResourceMonitor":
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            self._kept = clear_peak()
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
        utilization = list(self._utilization)
        return Usage(
            sum(memory) / len(memory),
            self._peak_mib(memory),
            sum(utilization) / len(utilization) if utilization else None,
            self._gpu,
        )

    def _peak_mib(self, samples: Sequence[float]) -> float:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_reserved(self._device) / MIB
        return peak_bytes() / MIB if self._kept else max(samples)

    def _sample_until_stopped(self) -> None:
        while not self._stop.wait(self._interval_s):
            self._sample()

    def _sample(self) -> None:
        if self._nvml is None:
            self._memory.append(self._process.memory_info().rss / MIB)
            self._utilization.append(self._process.cpu_percent())
            return
        self._memory.append(torch.cuda.memory_reserved(self._device) / MIB)
        utilization = self._nvml.utilization_pct(self._gpu)
        if utilization is not None:
            self._utilization.append(utilization)
