"""A trial's figures are those of its own devices: found by UUID, added up over its workers, none invented."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from intelligen.training.gpu import Nvml, uuid_of
from intelligen.training.resource_monitor import ResourceMonitor, Usage


class Driver:
    """A machine with GPUs, as NVML's library shows it: only what is asked for by UUID or index can be had."""

    class NVMLError(Exception):
        pass

    def __init__(self, **utilization: int | None) -> None:
        self.utilization = {f"GPU-{name}": value for name, value in utilization.items()}

    def nvmlInit(self) -> None: ...

    def nvmlDeviceGetCount(self) -> int:
        return len(self.utilization)

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        if uuid not in self.utilization:
            raise self.NVMLError
        return uuid

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        return list(self.utilization)[index]

    def nvmlDeviceGetName(self, handle: str) -> str:
        return f"Card of {handle}"

    def nvmlDeviceGetUUID(self, handle: str) -> str:
        return handle

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> Any:
        if self.utilization[handle] is None:
            raise self.NVMLError
        return SimpleNamespace(gpu=self.utilization[handle])


def test_a_device_is_found_by_its_uuid_and_not_by_its_index() -> None:
    nvml = Nvml(Driver(first=11, second=97))
    assert nvml.utilization_pct("GPU-second") == 97.0
    assert nvml.utilization_pct("GPU-first") == 11.0
    assert nvml.names() == ["Card of GPU-first GPU-first", "Card of GPU-second GPU-second"]


def test_a_device_that_reports_nothing_is_not_taken_for_an_idle_one() -> None:
    nvml = Nvml(Driver(slice=None))
    assert nvml.utilization_pct("GPU-slice") is None
    assert nvml.utilization_pct("GPU-of-another-machine") is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_driver_there_are_no_gpus_and_a_processor_reports_its_own_figures() -> None:
    nvml = Nvml()
    assert nvml.names() == []
    assert nvml.utilization_pct("GPU-0") is None
    device = torch.device("cpu")
    assert uuid_of(device) == ""
    with ResourceMonitor(device, interval_s=0.01) as monitor:
        sum(range(10**6))
        usage = monitor.usage()
    metrics = Usage.metrics([usage])
    assert metrics["gpu/count"] == 0
    assert metrics["cpu/memory_peak_mib"] >= metrics["cpu/memory_avg_mib"] > 10
    assert not {"gpu/memory_avg_mib", "gpu/memory_peak_mib", "gpu/utilization_pct"} & metrics.keys()
    assert Usage.tags([usage]) == {}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_a_gpu_reports_its_own_figures() -> None:
    device = torch.device("cuda", 0)
    with ResourceMonitor(device, interval_s=0.01) as monitor:
        held = torch.ones(2**24, device=device)
        usage = monitor.usage()
    assert any(usage.gpu in name for name in Nvml().names())
    assert usage.memory_peak_mib >= held.nbytes / 2**20


def test_figures_of_all_workers_make_the_trials() -> None:
    usages = [Usage(100.0, 150.0, 40.0, "GPU-a"), Usage(200.0, 250.0, 80.0, "GPU-b")]
    assert Usage.metrics(usages) == {
        "gpu/count": 2.0,
        "gpu/memory_avg_mib": 300.0,
        "gpu/memory_peak_mib": 400.0,
        "gpu/utilization_pct": 60.0,
    }
    assert Usage.tags(usages) == {"gpu_uuids": "GPU-a, GPU-b"}


def test_a_gpu_that_workers_share_counts_once() -> None:
    usages = [Usage(1.0, 1.0, 90.0, "GPU-a"), Usage(1.0, 1.0, 90.0, "GPU-a"), Usage(1.0, 1.0, 30.0, "GPU-b")]
    metrics = Usage.metrics(usages)
    assert (metrics["gpu/count"], metrics["gpu/memory_avg_mib"], metrics["gpu/utilization_pct"]) == (2.0, 3.0, 60.0)


def test_an_unknown_utilisation_is_left_out() -> None:
    assert "gpu/utilization_pct" not in Usage.metrics([Usage(1.0, 1.0, None, "GPU-a")])
    shown = Usage.metrics([Usage(1.0, 1.0, None, "GPU-a"), Usage(1.0, 1.0, 50.0, "GPU-b")])
    assert shown["gpu/utilization_pct"] == 50.0


def test_workers_on_processors_are_averaged_over_all_of_them() -> None:
    metrics = Usage.metrics([Usage(10.0, 20.0, 100.0), Usage(30.0, 40.0, 50.0)])
    assert (metrics["gpu/count"], metrics["cpu/memory_peak_mib"], metrics["cpu/utilization_pct"]) == (0.0, 60.0, 75.0)
