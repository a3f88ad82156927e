"""Output reaches every reader; a terminal that cannot show it, or is gone, fails nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

LAUNCH = """
import sys
from pathlib import Path
sys.path[:0] = ["tests/unit/reporting"]
from intelligen.cli.json_output import print_document
from intelligen.reporting.terminal.console_output import lasting_output, people_console
from intelligen.cli.main import guarded
from rich.table import Table

def call():
    with lasting_output():
        console = people_console()
        table = Table(title="Wie weit?")
        table.add_column("Häher → 汉 …")
        table.add_row("runs [new] ±")
        for _ in range(int(sys.argv[1])):
            console.print(table)
        print_document({"text": "汉 😀"})
    print("the end", file=sys.stderr)
    return 3

sys.exit(guarded(call))
"""


def ran(encoding: str, *, times: int = 1, **streams: int) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.run(
        [sys.executable, "-c", LAUNCH, str(times)], cwd=REPOSITORY, env=environment, timeout=60, **given
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_of_any_encoding_shows_a_table(encoding: str) -> None:
    found = ran(encoding)
    assert (found.returncode, found.stderr) == (3, b"the end\n")
    # click itself writes UTF-8 where the terminal seems to have ASCII only.
    table, document = found.stdout.split(b"{", 1)
    text = table.decode(encoding)
    assert "runs [new]" in text
    assert ("H\\xe4her > \\u6c49 ~" if encoding == "ascii" else "Häher") in text
    assert ("+" in text) == (encoding != "utf-8")
    assert json.loads(b"{" + document) == {"text": "汉 😀"}


def test_a_launch_goes_on_when_nobody_reads_any_more() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    found = ran("utf-8", times=500, stdout=writing)
    os.close(writing)
    assert (found.returncode, found.stderr) == (3, b"the end\n")


def test_a_launch_goes_on_when_its_log_cannot_be_written() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    found = ran("utf-8", times=500, stdout=full)
    os.close(full)
    assert (found.returncode, found.stderr) == (3, b"the end\n")


def test_a_launch_goes_on_when_its_output_was_closed_before_it_began() -> None:
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-c", LAUNCH, "1"]
    found = subprocess.run(closed, stderr=subprocess.PIPE, cwd=REPOSITORY, timeout=60)
    assert (found.returncode, found.stderr) == (3, b"the end\n")


def test_a_command_whose_reader_has_enough_ends_quietly(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    found = subprocess.run(
        [sys.executable, "-m", "intelligen", "schema"],
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
        timeout=60,
    )
    os.close(writing)
    assert (found.returncode, found.stderr) == (0, b"")


LEAVING = """
import sys
from intelligen.cli.main import guarded
from intelligen.reporting.terminal.console_output import people_console

def call():
    if sys.argv[1] == "leave":
        raise SystemExit(4)
    people_console().print("read me")

sys.exit(guarded(call))
"""


@pytest.mark.parametrize(("how", "code"), [("leave", 4), ("print", 0)])
def test_only_a_reader_that_has_enough_makes_leaving_a_success(how: str, code: int) -> None:
    reading, writing = os.pipe()
    if how == "print":
        os.close(reading)
    found = subprocess.run(
        [sys.executable, "-c", LEAVING, how], stdout=writing, stderr=subprocess.PIPE, cwd=REPOSITORY, timeout=60
    )
    os.close(writing)
    if how == "leave":
        os.close(reading)
    assert (found.returncode, found.stderr) == (code, b"")
