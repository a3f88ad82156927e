"""Memory that was freed is used again, and not asked of the system anew."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import tiny_trial

from intelligen.config.schema.resources import Resources
from intelligen.config.schema.stages_after_search import Scoring
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime

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
GIVE_BACK
print((resident() - before) / 2**20)
"""
LOAD = """
from pathlib import Path
from intelligen.training.trained_model import TrainedModel
TrainedModel.load(Path(DIRECTORY), store=Path(STORE), device=torch.device("cpu"))
"""
SCORE = """
from intelligen.sweep.execution.workers import score_tests
score_tests._function(DIRECTORY, STORE, RESOURCES, SCORING)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of glibc alone")


def held_mib(keep: str, *, give_back: str = "", **words: str) -> tuple[float, float]:
    """What a process still holds of an update's memory, before and after; glibc maps every large block apart there."""
    program = PROGRAM.replace("KEEP", keep).replace("GIVE_BACK", give_back)
    for name, word in words.items():
        program = program.replace(name, repr(word))
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**20)}
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, env=environment)
    kept, left = map(float, done.stdout.split())
    return kept, left


def test_the_next_update_finds_the_memory_of_the_last() -> None:
    assert held_mib("keep_freed_memory()")[0] > UPDATE_MIB / 2
    assert held_mib("")[0] < UPDATE_MIB / 2  # else there is nothing to keep


@pytest.mark.extended
def test_the_next_step_of_a_test_finds_the_memory_of_the_last_until_the_test_ends(
    tiny_store: tuple[Path, str], tmp_path: Path
) -> None:
    store, directory = tiny_store[0], tmp_path / "trial"
    trial = tiny_trial(tiny_store[1])
    one_epoch = trial.training.model_copy(update={"epochs": 1})
    fit(trial.model_copy(update={"training": one_epoch}), Runtime(store, directory))
    kept, left = held_mib(
        LOAD + SCORE,  # once before, for what it imports
        give_back=SCORE,
        DIRECTORY=str(directory),
        STORE=str(store),
        RESOURCES=Resources(gpus_per_worker=0).model_dump_json(),
        SCORING=Scoring().model_dump_json(),
    )
    assert kept > UPDATE_MIB / 2
    assert left < UPDATE_MIB / 2
