"""Settings of how numbers are computed; no trial is identified by them."""

from typing import Literal

from intelligen.config.base import Settings

Matmul = Literal["mkl", "onednn"]
"""By what a processor computes the products of a model's weights: what torch takes itself, or oneDNN."""


class Compute(Settings):
    """How numbers are computed: what changes their rounding and their speed alone."""

    matmul: Literal["auto", "mkl", "onednn"] = "auto"
    """By what a processor computes products of weights in fp32. `mkl` = what torch takes itself, MKL on x86-64;
    `onednn` = oneDNN, which torch brings too. auto = oneDNN where it is faster by more than 5 %: both are timed on the
    trial's own shapes before the first training. A sweep keeps what it found, and a trial what it began with. Nothing
    else depends on it: neither a GPU, nor bf16 and fp16, nor a pre-trained model.
    """
