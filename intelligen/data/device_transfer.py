"""Transfer of tensors to a device: from the processor's memory to a GPU by way of pinned memory, without waiting."""

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device | None) -> Tensor:
    """The tensor on a device; none = where it is.

    A copy from pinned memory is made beside the device's other work. From any other memory it makes the processor wait.
    """
    if device is None or device == tensor.device:
        return tensor
    if device.type in ("cpu", "meta") or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
