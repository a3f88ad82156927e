"""Ray's directories on this machine are checked before it is started, and named where they are missing."""

import os
from pathlib import Path

import pytest

from intelligen.errors import UnavailableError
from intelligen.sweep.cluster.ray_directories import SHORT, require_home, short_temporary_directory


def test_a_home_that_can_be_written_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "new"))
    require_home()


def test_a_home_that_cannot_be_written_is_named_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/proc/nowhere")
    with pytest.raises(UnavailableError, match=r"^HOME: .*/proc/nowhere.*: set HOME to a directory of yours"):
        require_home()


def test_a_user_without_a_home_gets_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 12345678)
    with pytest.raises(UnavailableError, match=r"^HOME is not set"):
        require_home()


def test_sockets_are_kept_where_their_addresses_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = "/tmp/" + "deep" * 30  # noqa: S108
    monkeypatch.setenv("TMPDIR", deep)
    monkeypatch.setenv("RAY_TMPDIR", "/var/tmp")  # noqa: S108
    with short_temporary_directory():
        assert (os.environ["TMPDIR"], os.environ["RAY_TMPDIR"]) == (SHORT, "/var/tmp")  # noqa: S108
    assert os.environ["TMPDIR"] == deep
