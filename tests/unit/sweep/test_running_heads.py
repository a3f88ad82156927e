"""Finding the Ray head that runs here asks every process; not every system answers."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from intelligen.sweep.cluster.find_cluster import address_file, find_cluster


@pytest.fixture
def head(tmp_path: Path) -> Iterator[None]:
    """A process that bears the name of Ray's head."""
    (tmp_path / "gcs_server").symlink_to("/bin/sleep")
    process = subprocess.Popen([tmp_path / "gcs_server", "600"])
    yield
    process.kill()
    process.wait()


@pytest.mark.usefixtures("head")
def test_a_head_of_which_the_system_does_not_say_whose_it_is_is_not_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(process: Any) -> None:
        raise psutil.AccessDenied(process.pid)  # as macOS does of another user's

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr(psutil._psplatform.Process, "uids", denied)
    address_file().parent.mkdir()
    address_file().write_text("127.0.0.1:6379")
    assert find_cluster(local=False) is None
