"""A long file is prepared with progress in sight, and an interrupt leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import TINY_EXPERIMENT, write_tiny_corpus

from intelligen.reporting.terminal.progress_bars import counting


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "corpus").mkdir()
    write_tiny_corpus(tmp_path / "corpus")
    for name in ("train.en", "train.de"):
        path = tmp_path / "corpus" / name
        path.write_text(path.read_text(encoding="utf-8") * 400, encoding="utf-8")
    (tmp_path / "e.yaml").write_text(TINY_EXPERIMENT)
    return tmp_path


# The command, telling each progress at once, and heeding interrupts where these tests run in a shell's background.
TALKATIVE = """
import functools, signal
from intelligen.cli import main
from intelligen.reporting.terminal import progress_bars
signal.signal(signal.SIGINT, signal.default_int_handler)
progress_bars.counting = functools.partial(progress_bars.counting, interval_s=0)
main.main()
"""


@contextmanager
def preparing(directory: Path, *start: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, *(start or ("-m", "intelligen")), "prepare", "e.yaml"]
    with subprocess.Popen(
        command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_a_short_preparation_is_silent_in_a_pipe(directory: Path) -> None:
    with preparing(directory) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert len(err.splitlines()) <= 8  # a slow machine may take tens of seconds
    assert "train: 160,000 of 160,000 rows kept" in out


def test_a_long_step_is_reported_at_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    with counting(interval_s=0.2) as on_progress:
        for lines in range(5):
            on_progress("encoding train", lines * 10_000)
        time.sleep(0.3)
        on_progress("encoding train", 1_250_000)
    assert capsys.readouterr().err == "encoding train: 1,250,000 lines\n"


@pytest.mark.parametrize("step", ["reading train", "encoding train"])
def test_an_interrupt_ends_a_preparation_and_removes_what_it_wrote(directory: Path, step: str) -> None:
    with preparing(directory, "-c", TALKATIVE) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith(step):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("interrupted")
    assert list((directory / "runs" / "prepared").iterdir()) == []
