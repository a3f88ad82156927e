"""The command that resumes or shows a sweep, as a message names it."""

import os
import shlex
from pathlib import Path

from intelligen.addresses import DEFAULT_RUNS, RUNS_VARIABLE
from intelligen.state import layout


def command_line(verb: str, directory: Path) -> str:
    """`intelligen VERB SWEEP` as a shell takes it, with `--runs` where the command would look elsewhere without."""
    store = layout.store_of(directory)
    usual = Path(os.environ.get(RUNS_VARIABLE, DEFAULT_RUNS)).absolute()
    runs = () if store.absolute() == usual else ("--runs", str(store))
    return shlex.join(["intelligen", verb, directory.name, *runs])
