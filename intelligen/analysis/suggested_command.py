"""The command that resumes or shows a sweep, as a message names it."""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from intelligen.addresses import DEFAULT_RUNS, RUNS_VARIABLE
from intelligen.state import layout


def run_again(given: Sequence[str], changes: Mapping[str, object], *, store: Path | None = None) -> str:
    """`intelligen run FILE -o KEY=VALUE …`: a launch with other settings than it had.

    Args:
        given: Its file and overrides; FILE stands where they are not known.
        changes: Dotted key → value, in the place of the overrides of that key and of what is below it.
        store: The runs directory, where it is known.

    """
    file, *settings = given_with(given or ("FILE",), [f"{key}={value}" for key, value in changes.items()])
    runs = () if store is None else _runs(store)
    return shlex.join(["intelligen", "run", file, *(word for one in settings for word in ("-o", one)), *runs])


def given_with(given: Sequence[str], overrides: Sequence[str]) -> tuple[str, ...]:
    """A sweep's file and overrides with further ones, in the place of those of their keys and of what is below them."""
    file, *former = given
    changed = tuple(f"{one.partition('=')[0]}." for one in overrides)
    kept = [one for one in former if not f"{one.partition('=')[0]}.".startswith(changed)]
    return (file, *kept, *overrides)


def command_line(verb: str, directory: Path) -> str:
    """`intelligen VERB SWEEP` as a shell takes it, with `--runs` where the command would look elsewhere without."""
    return shlex.join(["intelligen", verb, directory.name, *_runs(layout.store_of(directory))])


def _runs(store: Path) -> tuple[str, ...]:
    usual = Path(os.environ.get(RUNS_VARIABLE, DEFAULT_RUNS)).absolute()
    return () if store.absolute() == usual else ("--runs", str(store))
