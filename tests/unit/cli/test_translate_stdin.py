"""Lines are answered as they come; what is no text is one line and an exit code, in whatever locale."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from conftest import REPOSITORY

from intelligen.cli import translate_stdin
from intelligen.cli.main import commands
from intelligen.config.schema.decoding import Greedy
from intelligen.errors import ConfigError, DataError

TYPING = """
import sys
from intelligen.cli.main import guarded
from intelligen.cli.translate_stdin import _typed_lines
sys.exit(guarded(lambda: list(_typed_lines())))
"""


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])  # en_US.UTF-8 has the first, C.UTF-8 the second
def test_a_typed_byte_that_is_no_text_is_refused(errors: str) -> None:
    keyboard, terminal = os.openpty()
    os.write(keyboard, b"ba\xffd\n")
    found = subprocess.run(
        [sys.executable, "-c", TYPING],
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONIOENCODING": f"utf-8:{errors}"},
        timeout=60,
    )
    os.close(keyboard)
    os.close(terminal)
    assert found.returncode == 65
    assert b"error: standard input: " in found.stderr


def test_lines_of_a_pipe_are_answered_when_it_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate_stdin, "_PAUSE_S", 0.01)
    paused = threading.Event()

    def slow() -> Iterator[str]:
        yield "ape"
        paused.wait(30)
        yield "bee"

    chunks = translate_stdin._chunks(translate_stdin._with_pauses(slow()), 64)
    assert next(chunks) == ["ape"]
    paused.set()
    assert [line for chunk in chunks for line in chunk] == ["bee"]


def test_of_a_long_pipe_only_some_lines_are_read_ahead() -> None:
    lines, all_read = [str(number) for number in range(10_000)], threading.Event()

    def long() -> Iterator[str]:
        yield from lines
        all_read.set()

    chunks = translate_stdin._chunks(translate_stdin._with_pauses(long()), 64)
    first = next(chunks)
    assert not all_read.wait(0.3)
    assert [*first, *(line for chunk in chunks for line in chunk)] == lines


def test_a_pipe_that_breaks_off_is_answered_up_to_there() -> None:
    def broken() -> Iterator[str]:
        yield "ape"
        raise DataError("no text")

    chunks = translate_stdin._chunks(translate_stdin._with_pauses(broken()), 64)
    assert next(chunks) == ["ape"]
    with pytest.raises(DataError, match="no text"):
        list(chunks)


TRAINED = SimpleNamespace(prepared=SimpleNamespace(manifest=SimpleNamespace(data=SimpleNamespace(max_tokens=9))))


@pytest.fixture
def _loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that answers in capitals."""
    monkeypatch.setattr(
        "intelligen.training.translate.translate", lambda _, lines, **__: [one.upper() for one in lines]
    )


@pytest.mark.usefixtures("_loud")
@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("redirected", [False, True])
def test_a_file_is_not_answered_into_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool, redirected: bool
) -> None:
    source, target = tmp_path / "lines", tmp_path / ("link" if linked else "lines")
    source.write_text("ape\n")
    if linked:
        target.symlink_to(source)
    lines = translate_stdin.Lines(None if redirected else source, target)
    with source.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(ConfigError, match=f"--output {target}: .* name another file"):
            translate_stdin.translate_lines(TRAINED, Greedy(), lines)
    assert source.read_text() == "ape\n"


def test_where_the_input_is_missing_the_output_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intelligen.cli.verbs.inference_test.load_model", lambda *_, **__: TRAINED)
    monkeypatch.setattr("intelligen.cli.verbs.inference_test.read_trial", lambda _: SimpleNamespace(decoding=None))
    monkeypatch.setattr("intelligen.cli.verbs.inference_test.chosen_search", lambda *_: Greedy())
    monkeypatch.setattr(TRAINED, "directory", tmp_path, raising=False)
    target = tmp_path / "lines.de"
    target.write_text("kept\n")
    words = ["inference", "quickstart/t0001", "--input", str(tmp_path / "lines.en"), "--output", str(target)]
    assert CliRunner().invoke(commands, words).exit_code != 0
    assert target.read_text() == "kept\n"


@pytest.mark.usefixtures("_loud")
def test_a_dash_is_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "lines.en"
    source.write_text("ape\n")
    translate_stdin.translate_lines(TRAINED, Greedy(), translate_stdin.Lines(source, Path("-")))
    assert (capsys.readouterr().out, [one.name for one in tmp_path.iterdir()]) == ("APE\n", ["lines.en"])


@pytest.mark.usefixtures("_loud")
@pytest.mark.parametrize("as_json", [False, True])
def test_a_file_is_answered_line_by_line_into_another(tmp_path: Path, as_json: bool) -> None:
    source, target = tmp_path / "lines.en", tmp_path / "lines.de"
    source.write_text("ape\n\nbee\n")
    translate_stdin.translate_lines(TRAINED, Greedy(), translate_stdin.Lines(source, target, as_json))
    if as_json:
        documents = [json.loads(line) for line in target.read_text().splitlines()]
        assert documents[2] == {"format": 1, "line": 3, "input": "bee", "output": "BEE"}
    else:
        assert target.read_text() == "APE\n\nBEE\n"
