"""What our process sets, for a peer's: freed memory is kept, and products with weights are computed as ours are."""

import torch.nn.functional as F
from torch import Tensor

from intelligen.config.schema.compute import Matmul
from intelligen.models.matmul import linear, use_matmul
from intelligen.training.memory_allocator import keep_freed_memory


def take_our_settings(matmul: Matmul) -> None:
    """For as long as this process lives: torch's own layers call `F.linear` wherever a weight is."""
    keep_freed_memory()
    use_matmul(matmul)
    torchs_own = F.linear

    def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        F.linear = torchs_own  # what ours leaves to torch
        try:
            return linear(x, weight, bias)
        finally:
            F.linear = product

    F.linear = product
