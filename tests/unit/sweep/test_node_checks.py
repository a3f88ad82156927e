"""What a node is asked about its runs directory."""

import os
from pathlib import Path

import pytest

from intelligen.sweep.cluster import node_checks


def test_a_file_is_seen_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_checks, "SEEN_WITHIN_S", 0.2)
    token = tmp_path / "token"
    assert not node_checks.can_read_file(token, "content")
    token.write_text("another")
    assert not node_checks.can_read_file(token, "content")
    token.write_text("content")
    assert node_checks.can_read_file(token, "content")


def test_a_file_system_that_hangs_is_one_that_is_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_checks, "SEEN_WITHIN_S", 0.2)
    token = tmp_path / "token"
    os.mkfifo(token)  # to open it for reading takes until somebody writes
    assert not node_checks.can_read_file(token, "content")
    token.write_text("content")  # the reader ends
