"""Lines that are typed on a terminal: what is no text is one line and an exit code, in whatever locale."""

import os
import subprocess
import sys

import pytest
from conftest import REPOSITORY

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
