"""Each size has a process of its own, whose end is a row of the table; few sizes find the largest that fits."""

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest
import torch
from conftest import tiny_trial

from intelligen.data.prepared_data import open_prepared
from intelligen.errors import StorageError
from intelligen.state.atomic_files import write_atomically
from intelligen.state.process_memory import available_bytes, within_available
from intelligen.tasks import build_task
from intelligen.training.memory_measurement import MemoryUse, longest_rows, measure
from intelligen.training.memory_sizes import EndedError, MemorySizes, Place, Size, in_a_process, next_rows
from intelligen.training.timing import Bench

CPU = torch.device("cpu")
MIB = 2**20


def size(rows: int, *, memory: int) -> Size:
    """Of a trial that takes 100 bytes and 7 a row; its process ends early where that is far too much."""
    takes = 100 + 7 * rows
    use = MemoryUse(rows, 10 * rows, takes, 0, 1.0) if takes <= 2 * memory else None
    return Size(rows, 10 * rows, use, None if use else "out of memory")


def searched(first: list[int], *, memory: int, most: int) -> tuple[int, list[int]]:
    """The largest that fits, and what was measured to find it."""
    known, tried = {rows: size(rows, memory=memory) for rows in first}, []
    while (rows := next_rows([known[one] for one in sorted(known)], memory_bytes=memory, most_rows=most)) is not None:
        assert rows not in known
        tried.append(rows)
        known[rows] = size(rows, memory=memory)
    return max((rows for rows, one in known.items() if one.fits(memory)), default=0), tried


@pytest.mark.parametrize("first", [[6, 12, 18], [1], [5000], [3, 200_000]], ids=str)
@pytest.mark.parametrize("most", [1000, 250_000])
def test_the_largest_that_fits_is_found_to_a_sixteenth(first: list[int], most: int) -> None:
    largest, tried = searched(first, memory=100_000, most=max(most, first[-1]))
    best = min((100_000 - 100) // 7, max(most, first[-1]))
    assert best - best // 16 - 1 <= largest <= best
    assert len(tried) <= 20


def test_two_sizes_that_fit_lead_to_the_largest_in_few_steps() -> None:
    assert len(searched([6, 12], memory=100_000, most=250_000)[1]) <= 4


def test_where_one_row_does_not_fit_none_does() -> None:
    assert searched([8], memory=50, most=8) == (0, [4, 2, 1])


def test_a_process_that_is_killed_or_runs_out_of_memory_says_so() -> None:
    with pytest.raises(EndedError, match=r"^killed: out of memory$"):
        in_a_process(partial(signal.raise_signal, signal.SIGKILL))
    with pytest.raises(EndedError, match=r"^out of memory$"):
        in_a_process(partial(torch.empty, 2**60))


def ask_in_a_process(work: Callable[[], object], number: signal.Signals) -> None:
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)  # as in a command: tests may have been started by `nohup`
    in_a_process(work)


def wait_as_a_process(pid_file: Path) -> None:
    write_atomically(pid_file, str(os.getpid()))
    time.sleep(600)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 128 + signal.SIGTERM),
        pytest.param(signal.SIGHUP, 128 + signal.SIGHUP, marks=pytest.mark.extended),
        pytest.param(signal.SIGKILL, -signal.SIGKILL, marks=pytest.mark.extended),
    ],
)
def test_a_signal_ends_the_process_that_measures_too(tmp_path: Path, number: signal.Signals, code: int) -> None:
    work = partial(wait_as_a_process, tmp_path / "pid")
    asking = get_context("fork").Process(target=ask_in_a_process, args=(work, number))
    asking.start()
    deadline = time.monotonic() + 300
    while not (tmp_path / "pid").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    measuring = psutil.Process(int((tmp_path / "pid").read_text()))
    assert asking.pid is not None
    os.kill(asking.pid, number)
    asking.join()
    assert asking.exitcode == code
    measuring.wait(timeout=60)


@pytest.mark.extended
def test_data_that_are_not_there_are_no_row_but_an_error(tiny_store: tuple[Path, str], tmp_path: Path) -> None:
    sizes = MemorySizes(tiny_trial(tiny_store[1]), Place(tmp_path, CPU, 1), longest=7)
    with pytest.raises(StorageError):
        sizes.measured(4)


def test_what_takes_more_than_is_available_fails_in_its_own_process_before_the_kernel_kills() -> None:
    with within_available(), pytest.raises(RuntimeError, match="allocate memory"):
        torch.empty(available_bytes() + 64 * MIB, dtype=torch.uint8)
    torch.empty(MIB, dtype=torch.uint8)


def test_weights_and_moments_are_counted_once_and_tokens_are_those_of_the_longest_rows(
    tiny_store: tuple[Path, str],
) -> None:
    prepared = open_prepared(tiny_store[0] / "prepared" / tiny_store[1])
    trial = tiny_trial(prepared.identity)
    use = measure(trial, Bench(prepared, CPU, 1, None), rows=3)
    model = sum(
        weight.numel() for weight in build_task(trial.task).build_model(trial.model, prepared, seed=1).parameters()
    )
    assert 3 * 4 * model <= use.state_bytes < 1.1 * 3 * 4 * model
    assert use.tokens == 3 * longest_rows(trial, prepared).longest
    assert use.tokens_per_s == pytest.approx(use.tokens / use.update_s)
