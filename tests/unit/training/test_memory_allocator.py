"""Memory that was freed is used again, and not asked of the system anew."""

import os
import subprocess
import sys

import pytest

UPDATE_MIB = 64
PROGRAM = """
import psutil
import torch
from intelligen.training.memory_allocator import keep_freed_memory

def resident():
    return psutil.Process().memory_info().rss

KEEP
torch.ones(2**20)
before = resident()
blocks = [torch.ones(2**20) for _ in range(16)]  # 4 MiB each
del blocks
print((resident() - before) / 2**20)
"""


def held_mib(keep: str) -> float:
    """What the process still holds of an update's memory, where glibc maps every large block apart."""
    program = [sys.executable, "-c", PROGRAM.replace("KEEP", keep)]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**20)}
    return float(subprocess.run(program, check=True, capture_output=True, env=environment).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc alone")
def test_the_next_update_finds_the_memory_of_the_last() -> None:
    assert held_mib("keep_freed_memory()") > UPDATE_MIB / 2
    assert held_mib("") < UPDATE_MIB / 2  # else there is nothing to keep
