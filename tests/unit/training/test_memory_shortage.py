"""Shortages of memory are told from other errors, by one place; those that can be had without harm are real ones."""

import errno
import os
from collections.abc import Callable

import numpy as np
import pytest
import torch

from intelligen.errors import DataError, MemoryShortageError
from intelligen.training.memory_shortage import naming_shortages, shortage_of

CUDA = (
    "CUDA out of memory. Tried to allocate 5.88 GiB. GPU 0 has a total capacity of 14.75 GiB of which 2.94 GiB is free."
)


def raising(error: BaseException) -> Callable[[], object]:
    def act() -> object:
        raise error

    return act


@pytest.mark.parametrize(
    ("act", "asked"),
    [
        (lambda: torch.empty(10**15), 4 * 10**15),
        (lambda: np.empty(2**57, dtype=np.int8), 2**57),
        (lambda: bytearray(2**62), None),
        (raising(torch.OutOfMemoryError(CUDA)), round(5.88 * 2**30)),
        # Seen under a limit of the address space (ulimit -v), where nothing but chance decides who asks last.
        (raising(RuntimeError("std::bad_alloc")), None),
        (raising(RuntimeError("could not create a primitive")), None),
        (raising(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")), None),
        (raising(RuntimeError("CUDA driver error: out of memory")), None),
        (raising(RuntimeError("Triton Error [CUDA]: out of memory")), None),
        (raising(RuntimeError("NCCL error in: x.cpp:1, unhandled cuda error\nCuda failure 2 'out of memory'")), None),
        (raising(ImportError("libx.so: failed to map segment from shared object: Cannot allocate memory")), None),
        (raising(OSError(errno.ENOMEM, os.strerror(errno.ENOMEM), "/runs/x")), None),
    ],
)
def test_a_shortage_is_known_by_what_raises_it_and_says_what_was_asked_for(act, asked):
    with pytest.raises((MemoryError, RuntimeError, OSError, ImportError)) as raised:
        act()
    shortage = shortage_of(raised.value)
    assert shortage is not None
    assert shortage.bytes_asked == asked
    assert shortage.reason
    assert "\n" not in shortage.reason


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)"),
        RuntimeError("can't start new thread"),
        RuntimeError("could not create a primitive descriptor for a matmul primitive"),
        RuntimeError("expected memory format to be contiguous: out of memory is not what this says"),
        ImportError("libx.so: cannot allocate memory in static TLS block"),
        ImportError("libx.so: failed to map segment from shared object: Operation not permitted"),
        ValueError("out of memory"),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        MemoryShortageError("out of memory: named already"),
    ],
)
def test_other_errors_are_no_shortage(error):
    assert shortage_of(error) is None


def test_a_shortage_is_named_and_nothing_else():
    with pytest.raises(MemoryShortageError, match=r"^out of memory: .*can't allocate memory"), naming_shortages():
        torch.empty(10**15)
    with pytest.raises(DataError), naming_shortages():
        raise DataError("as it is")
    with pytest.raises(ZeroDivisionError), naming_shortages():
        _ = 1 / 0
