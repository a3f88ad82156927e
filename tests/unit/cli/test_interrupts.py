"""After Ctrl-C a line says how to go on: with a training from its checkpoint, with others from the beginning."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import TINY_EXPERIMENT, write_tiny_corpus

from intelligen.cli.main import commands, guarded


@pytest.fixture(autouse=True)
def heeded_interrupts() -> Iterator[None]:
    """Tests may run where SIGINT is ignored, in a shell's background say."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("command", "once_there_is", "says"),
    [
        (
            ["train", "-o", "training.epochs=1000"],
            "baselines/*/history.jsonl",
            "interrupted: run the same command again; training resumes from its last checkpoint",
        ),
        (["memory", "--rows", "2,3,4"], "prepared/*/manifest.json", "interrupted"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_only_a_training_that_was_interrupted_is_said_to_resume(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], command: list[str], once_there_is: str, says: str
) -> None:
    (tmp_path / "corpus").mkdir()
    write_tiny_corpus(tmp_path / "corpus", train=60)
    file, runs = tmp_path / "tiny.yaml", tmp_path / "runs"
    file.write_text(TINY_EXPERIMENT)

    def interrupt() -> None:
        while not [*runs.glob(once_there_is)]:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    verb, *options = command
    words = [verb, str(file), *options, "--runs", str(runs)]
    assert guarded(lambda: commands.main(words, standalone_mode=False)) == 130
    assert capfd.readouterr().err.splitlines()[-1] == says
