"""A cached file is read when it has changed, and only then."""

import os
from pathlib import Path

import pytest

from intelligen.state.cached_file import CachedFile


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_what_is_appended_replaced_or_removed_is_seen(tmp_path):
    path = tmp_path / "file"
    followed = CachedFile(path, lines)
    assert followed.now() == []
    path.write_text("one\n")
    assert followed.now() == ["one"]
    with path.open("a") as file:
        file.write("two\n")
    assert followed.now() == ["one", "two"]
    # Of the same length and age.
    other = tmp_path / "other"
    other.write_text("ONE\nTWO\n")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)
    assert followed.now() == ["ONE", "TWO"]
    path.unlink()
    assert followed.now() == []


def test_an_unchanged_file_is_not_read_again(tmp_path):
    path = tmp_path / "file"
    path.write_text("one\n")
    followed = CachedFile(path, lines)
    assert followed.now() is followed.now()


def test_what_is_written_while_it_is_read_is_seen_the_next_time(tmp_path):
    path = tmp_path / "file"
    path.write_text("one\n")

    def read_while_it_grows(path: Path) -> list[str]:
        found = lines(path)
        if len(found) == 1:
            path.write_text("one\ntwo\n")
        return found

    followed = CachedFile(path, read_while_it_grows)
    assert followed.now() == ["one"]
    assert followed.now() == ["one", "two"]


def test_a_failed_reading_is_tried_again(tmp_path):
    path = tmp_path / "file"
    path.write_text("x\n")
    followed = CachedFile(path, lambda path: int(path.read_text()))
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            followed.now()
    path.write_text("77\n")
    assert followed.now() == 77
