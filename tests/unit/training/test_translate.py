"""Lines that do not fit into the memory together are answered in smaller batches, and come to the same answers."""

import ctypes
import resource
import sys
import threading
from collections import Counter
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from conftest import WORDS, tiny_trial

from intelligen.config.schema.decoding import Greedy, Sample
from intelligen.data.prepared_data import open_prepared
from intelligen.errors import MemoryShortageError
from intelligen.state import layout
from intelligen.tasks import build_task
from intelligen.training.trained_model import TrainedModel
from intelligen.training.translate import LINES_TOGETHER, translate

OVERLONG, BROKEN = " ".join(WORDS * 9), "ape\u2028bee"
LINES = ["", *(" ".join((WORDS * 6)[row : row + row % 7 + 1]) for row in range(20)), OVERLONG, BROKEN]
_M_ARENA_MAX = -8


def untrained(store: Path, identity: str, *, d_ff: int = 64) -> TrainedModel:
    """A model with random weights, as if they had been trained."""
    trial = tiny_trial(identity)
    trial = trial.model_copy(update={"model": trial.model.model_copy(update={"d_ff": d_ff})})
    task, prepared = build_task(trial.task), open_prepared(layout.prepared(store, identity))
    model = task.build_model(trial.model, prepared, seed=1).eval()
    return TrainedModel(store, trial, task, model, prepared, torch.device("cpu"), "")


class Limited:
    """Lets a model read so many padded tokens at once; beyond that it asks for more memory than there is."""

    def __init__(self, trained: TrainedModel, at_most: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read: list[int] = []
        encode: Any = trained.model.encode

        def limited(source_BS: torch.Tensor) -> Any:
            self.read.append(source_BS.numel())
            if source_BS.numel() > at_most:
                torch.empty(10**15)
            return encode(source_BS)

        monkeypatch.setattr(trained.model, "encode", limited)


@pytest.mark.parametrize(("at_most", "search"), [(400, Greedy()), (82, Greedy()), (82, Sample())])
def test_lines_that_do_not_fit_together_are_answered_in_smaller_batches(
    tiny_store: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, at_most: int, search: Greedy | Sample
) -> None:
    trained = untrained(*tiny_store)
    notes, again = Counter[str](), Counter[str]()
    torch.manual_seed(1)
    together = translate(trained, LINES, search=search, notes=notes)
    assert (translate(trained, LINES, search=search) == together) == isinstance(search, Greedy)
    limited = Limited(trained, at_most, monkeypatch)
    torch.manual_seed(1)
    assert translate(trained, LINES, search=search, notes=again) == together
    assert limited.read[0] > at_most >= limited.read[-1], "all were tried at once first"
    assert again == notes == {"cut": 1, "line_breaks": 1}


def test_where_not_even_a_single_line_fits_its_length_is_named(
    tiny_store: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = untrained(*tiny_store)
    Limited(trained, 0, monkeypatch)
    with pytest.raises(MemoryShortageError, match=r"not even a row of 41 tokens fits by itself: 4,000,"):
        translate(trained, LINES, search=Greedy())


def _answer(store: Path, identity: str, extra: int | None, told: Any) -> None:
    # Arenas and stacks of other threads would count in the address space.
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    threading.stack_size(2**18)
    torch.set_num_threads(1)
    trained = untrained(store, identity, d_ff=2**15)
    lines = [" ".join(WORDS * 2)] * LINES_TOGETHER
    translate(trained, lines[:1], search=Greedy())
    before = psutil.Process().memory_info().vms
    if extra is not None:
        resource.setrlimit(resource.RLIMIT_AS, (before + extra,) * 2)
    sizes: list[int] = []
    encode: Any = trained.model.encode
    trained.model.encode = lambda source_BS: sizes.append(len(source_BS)) or encode(source_BS)  # type: ignore[assignment]
    answers = translate(trained, lines, search=Greedy())
    (peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmPeak"))
    told.send((answers, sizes, int(peak.split()[1]) * 1024 - before))


def answered(store: Path, identity: str, *, extra: int | None = None) -> tuple[list[str], list[int], int]:
    """Answers, rows of each batch that was tried, and what they took, by a process of its own."""
    context = get_context("forkserver")
    heard, told = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(store, identity, extra, told))
    child.start()
    told.close()
    try:
        found: tuple[list[str], list[int], int] = heard.recv()
    finally:
        child.join()
    return found


@pytest.mark.extended
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_a_process_whose_address_space_is_limited_answers_all_the_same(tiny_store: tuple[Path, str]) -> None:
    answers, sizes, taken = answered(*tiny_store)
    assert sizes == [LINES_TOGETHER]
    again, halves, _ = answered(*tiny_store, extra=taken // 2)
    assert again == answers
    assert halves[0] == LINES_TOGETHER
    assert sum(halves[1:]) >= LINES_TOGETHER > max(halves[1:])
