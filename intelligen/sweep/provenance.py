"""Records provenance: the code and the machine that a sweep started with, without secrets."""

import os
import platform
import subprocess
from importlib.metadata import distributions
from pathlib import Path

from intelligen.state.atomic_files import write_atomically
from intelligen.state.provenance_files import DIFF, FOLDER, PACKAGES
from intelligen.state.redaction import redact_text
from intelligen.training.gpu import Nvml
from intelligen.training.reproducibility_manifest import processor

_MOST_DIFF_CHARACTERS = 100_000
_NAMED_NEW_FILES = 100
_GIT_TIMEOUT_S = 20
_PACKAGE = Path(__file__).parents[1]


def record_provenance(directory: Path) -> None:
    """Write the provenance of the sweep in `directory`; a resumed sweep keeps that of its start.

    Raises:
        OSError: The directory cannot be written.

    """
    folder = directory / FOLDER
    if (folder / PACKAGES).exists():
        return
    folder.mkdir(exist_ok=True)
    write_atomically(folder / DIFF, working_tree_diff(_PACKAGE))
    # Written last, it says that both are there.
    write_atomically(folder / PACKAGES, environment())


def working_tree_diff(directory: Path) -> str:
    """How the repository around `directory` differs from its commit, in git's form; new files by name alone.

    Secrets are redacted, in code too, so that it may no longer apply where code assigns to such a name. It is cut
    after 100,000 characters. Empty outside a repository, and where nothing differs.
    """
    new = _git(directory, "ls-files", "--others", "--exclude-standard", "--full-name", ":/").splitlines()
    diff = _git(directory, "diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv")
    listed = [f"# not under version control: {name}\n" for name in new[:_NAMED_NEW_FILES]]
    if len(new) > len(listed):
        listed.append(f"# and {len(new) - len(listed):,} more\n")
    text = redact_text("".join(listed) + diff)
    if len(text) <= _MOST_DIFF_CHARACTERS:
        return text
    return f"{text[:_MOST_DIFF_CHARACTERS]}\n# cut here: {len(text):,} characters in all\n"


def environment() -> str:
    """Every installed distribution as `name==version`; comments before them name interpreter, system and devices."""
    # Each look at `metadata` parses a file: one for name and version.
    described = (found.metadata for found in distributions())
    packages = {f"{told['Name']}=={told['Version']}" for told in described if told["Name"]}
    machine = [
        f"python {platform.python_version()} ({platform.python_implementation()})",
        f"system {platform.platform()}",
        f"cpu {os.cpu_count()} × {processor()}",
        *(f"gpu {name}" for name in Nvml().names() or ["none"]),
    ]
    return "".join(f"{line}\n" for line in [*(f"# {fact}" for fact in machine), *sorted(packages, key=str.lower)])


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), "-c", "core.quotePath=false", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=_GIT_TIMEOUT_S)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", errors="replace")
