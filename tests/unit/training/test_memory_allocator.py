"""Memory that was freed is used again, and not asked of the system anew."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from conftest import tiny_trial

from intelligen.config.schema.stages_after_search import Scoring
from intelligen.config.schema.sweep import Resources
from intelligen.sweep.execution.workers import score_tests
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime
from intelligen.training.trained_model import TrainedModel

UPDATE_MIB = 64
M_MMAP_THRESHOLD = -3
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


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc alone")
def test_the_next_step_of_a_test_finds_the_memory_of_the_last_until_the_test_ends(
    tiny_store: tuple[Path, str], tmp_path: Path
) -> None:
    store, directory = tiny_store[0], tmp_path / "trial"
    trial = tiny_trial(tiny_store[1])
    fit(
        trial.model_copy(update={"training": trial.training.model_copy(update={"epochs": 1})}),
        Runtime(store, directory),
    )
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 2**20)  # as in a process that has not trained
    assert held_here_mib() < UPDATE_MIB / 2
    TrainedModel.load(directory, store=store, device=torch.device("cpu"))
    assert held_here_mib() > UPDATE_MIB / 2
    kept = resident_mib()
    score_tests._function(
        str(directory), str(store), Resources(gpus_per_worker=0).model_dump_json(), Scoring().model_dump_json()
    )
    assert resident_mib() < kept - UPDATE_MIB / 2


def resident_mib() -> float:
    return float(psutil.Process().memory_info().rss / 2**20)


def held_here_mib() -> float:
    """As `held_mib`, of this process."""
    before = resident_mib()
    blocks = [torch.ones(2**20) for _ in range(UPDATE_MIB // 4)]
    del blocks
    return resident_mib() - before
