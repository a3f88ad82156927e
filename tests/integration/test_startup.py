"""Commands that only print help or the version answer at once: they import nothing heavy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from intelligen.cli.lazy_verb import Verb
from intelligen.cli.main import commands
from intelligen.cli.verb_sections import SECTIONS, VERBS

HEAVY = {"torch", "numpy", "ray", "optuna", "mlflow", "datasets", "sacrebleu", "sacremoses", "sentencepiece"}
HEAVY |= {"peft", "transformers"}
NAMES = list(commands.commands)


def imported(entry: str, *arguments: str, **environment: str) -> tuple[str, list[str]]:
    """What an entry point prints, and which heavy packages it has imported by its end."""
    code = f"""
import atexit, sys
from intelligen.cli.main import {entry}
atexit.register(lambda: print("imported:", *sorted({HEAVY} & sys.modules.keys())))
sys.argv[0] = "intelligen"
{entry}()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.stderr
    printed, _, packages = done.stdout.rpartition("imported:")
    return printed, packages.split()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([verb, "--help"] for verb in NAMES)], ids=" ".join)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    printed, heavy = imported("main", *arguments)
    assert "intelligen" in printed
    assert heavy == []


def test_the_help_of_launch_imports_nothing_heavy() -> None:
    printed, heavy = imported("launch", "--help")
    assert "launch.py [OPTIONS] [FILE]" in printed
    assert heavy == []


@pytest.mark.parametrize("verb", ["status", "watch", "logs"])
def test_looking_at_sweeps_imports_nothing_heavy(verb: str, tmp_path: Path) -> None:
    printed, heavy = imported("main", verb, "--runs", str(tmp_path))
    assert printed
    assert heavy == []


def test_completion_in_a_shell_imports_nothing_heavy() -> None:
    typed = {"COMP_WORDS": "intelligen ", "COMP_CWORD": "1"}
    printed, heavy = imported("main", _INTELLIGEN_COMPLETE="bash_complete", **typed)
    assert {line.partition(",")[2] for line in printed.splitlines()} == set(NAMES)
    assert heavy == []


def test_the_list_of_verbs_imports_none_of_their_modules() -> None:
    code = """
import sys
from intelligen.cli.main import commands
commands.main(["--help"], standalone_mode=False)
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert {"intelligen.cli.verbs.run_resume_extend_stop", "intelligen.config", "pydantic"} & set(
        done.stdout.split()
    ) == set()


def test_help_lists_every_verb_once_in_sections() -> None:
    listed = CliRunner().invoke(commands, ["--help"], terminal_width=80).output.splitlines()
    headings = [f"{heading}:" for heading in SECTIONS]
    assert [line for line in listed if line in headings] == headings
    after = listed[listed.index(headings[0]) :]
    assert [line.split()[0] for line in after if line.startswith("  ")] == [verb.name for verb in VERBS]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_the_list_of_verbs_says_of_each_what_its_own_help_says_first(verb: Verb) -> None:
    command = verb.load()
    assert command.name == verb.name
    assert verb.get_short_help_str(1000) == command.get_short_help_str(1000)
