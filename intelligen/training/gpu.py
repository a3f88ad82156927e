"""GPUs by their UUID, through NVML: indices differ between NVML and a process that sees only some."""

from typing import Any

import torch


def uuid_of(device: torch.device) -> str:
    """The device's UUID in NVML's spelling; empty for a processor."""
    return f"GPU-{torch.cuda.get_device_properties(device).uuid}" if device.type == "cuda" else ""


class Nvml:
    """NVIDIA's management library; without it, or without its driver, there are no GPUs and no figures.

    Args:
        library: A module like `pynvml`, which is taken where none is given.

    """

    def __init__(self, library: Any = None) -> None:
        if library is None:
            import pynvml

            library = pynvml
        self._library = library
        try:
            library.nvmlInit()
            self._count = int(library.nvmlDeviceGetCount())
        except library.NVMLError:
            self._count = 0

    def utilization_pct(self, uuid: str) -> float | None:
        """Utilisation of the device with that UUID; None where it is unknown, as for a share of a partitioned GPU."""
        if not self._count:
            return None
        try:
            handle = self._library.nvmlDeviceGetHandleByUUID(uuid)
            return float(self._library.nvmlDeviceGetUtilizationRates(handle).gpu)
        except self._library.NVMLError:
            return None

    def names(self) -> list[str]:
        """Model and UUID of every GPU of this machine. Unlike torch's, this question takes no memory of any device."""
        named = []
        for index in range(self._count):
            try:
                handle = self._library.nvmlDeviceGetHandleByIndex(index)
                named.append(f"{self._library.nvmlDeviceGetName(handle)} {self._library.nvmlDeviceGetUUID(handle)}")
            except self._library.NVMLError:
                named.append(f"{index}, which does not answer")
        return named
