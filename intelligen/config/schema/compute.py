"""Settings of how numbers are computed; no trial is identified by them."""

from typing import Literal

from intelligen.config.base import Settings

Matmul = Literal["mkl", "onednn"]
"""By what a processor computes the products of a model's weights: what torch takes itself, or oneDNN."""


class Compute(Settings):
    """How numbers are computed. These settings change only rounding and speed."""

    matmul: Literal["auto", "mkl", "onednn"] = "auto"
    """The library that computes products of weights in fp32 on a processor. `mkl` = torch's own choice, MKL on x86-64;
    `onednn` = oneDNN, which is part of torch too. auto = oneDNN if it is faster by more than 5 %: both are timed on the
    trial's own shapes before the first training. A sweep keeps what it found, and a trial what it began with. It has no
    effect on a GPU, on bf16 and fp16, or on a pre-trained model.
    """
