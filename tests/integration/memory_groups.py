"""Control groups of the kernel with little memory: what is put into one and takes more is killed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path("/sys/fs/cgroup")


@contextmanager
def little_memory(name: str, *, limit_bytes: int) -> Iterator[Path]:
    """A group; write a process' number into its `cgroup.procs`. Skips the test where none may be made."""
    old, new = ROOT / "memory" / name, ROOT / name
    group, limit = (old, "memory.limit_in_bytes") if old.parent.exists() else (new, "memory.max")
    try:
        group.mkdir()
        (group / limit).write_text(str(limit_bytes))
    except OSError as error:
        pytest.skip(f"a kernel that kills for memory needs the right to make a control group: {error}")
    try:
        yield group
    finally:
        group.rmdir()
