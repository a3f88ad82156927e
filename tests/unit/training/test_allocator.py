"""Memory that was freed is used again, and not asked of the system anew."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource
import torch
from intelligen.training.allocator import keep_freed_memory

def update():
    blocks = [torch.ones(2**20) for _ in range(16)]  # 4 MiB each

KEEP
update()
update()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    update()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep: str) -> int:
    run = subprocess.run([sys.executable, "-c", PROGRAM.replace("KEEP", keep)], check=True, capture_output=True)
    return int(run.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc alone")
def test_the_next_update_finds_the_memory_of_the_last() -> None:
    pages_of_one_update = 16 * 2**22 // 4096
    assert faults("keep_freed_memory()") < pages_of_one_update / 2
    assert faults("") > pages_of_one_update / 2  # else there is nothing to keep
