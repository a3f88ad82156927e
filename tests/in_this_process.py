"""The command line in this process, where everything is imported: for that alone a new one takes seconds."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO
from unittest import mock

from intelligen.cli.main import commands, guarded


def run_here(
    *arguments: str, directory: Path, environment: Mapping[str, str] | None = None, merged: bool = False
) -> subprocess.CompletedProcess[str]:
    """A command to its end, as a process of its own would run it.

    Args:
        arguments: Of `intelligen`.
        directory: In which it runs.
        environment: What it and its processes have beside this one's variables, without those of Ray and MLflow.
        merged: Whether errors are in the output.

    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
    with (
        mock.patch.dict(os.environ, {**inherited, **(environment or {})}, clear=True),
        contextlib.chdir(directory),
        tempfile.TemporaryFile("w+") as output,
        tempfile.TemporaryFile("w+") as errors,
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output if merged else errors),
    ):
        code = guarded(lambda: commands.main(list(arguments), standalone_mode=False))
        return subprocess.CompletedProcess(arguments, code, _text(output), _text(errors))


def _text(written: TextIO) -> str:
    written.seek(0)
    return written.read()
