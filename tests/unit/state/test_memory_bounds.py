"""Memory bounds are a function of the update; they are read as they were written, and a damaged file is refused."""

import json
from pathlib import Path

import pytest

from intelligen.errors import StorageError
from intelligen.state.memory_bounds import MEMORY_FILE, MemoryBound, MemoryBounds


def bound(since: int, micro: int | None = None, evaluation: int | None = None) -> MemoryBound:
    return MemoryBound(since, micro, evaluation, device="cpu", bytes_asked=10, bytes_free=5)


def bounds(*entries: MemoryBound) -> MemoryBounds:
    found = MemoryBounds()
    for entry in entries:
        found = found.with_bound(entry)
    return found


def test_an_update_has_the_bound_of_the_last_entry_before_it():
    found = bounds(bound(4, 600), bound(8, 300, 2048))
    assert [found.micro_batch_tokens(update) for update in (1, 4, 5, 8, 9)] == [None, None, 600, 600, 300]
    assert [found.evaluation_tokens(update) for update in (4, 7, 8, 9)] == [None, None, 2048, 2048]


def test_an_entry_takes_the_place_of_those_at_or_behind_its_update_and_is_as_strict():
    found = bounds(bound(0, 600), bound(8, 300, 1024), bound(4, 400))
    assert found == bounds(bound(0, 600), bound(4, 300, 1024))
    assert bounds(bound(4, 600), bound(4, 300)) == bounds(bound(4, 300))


def test_what_is_written_is_read_by_whoever_of_the_ranks_wrote_it(tmp_path: Path):
    found = bounds(bound(0, 600), bound(8, 300, 1024))
    assert MemoryBounds.read(tmp_path) == MemoryBounds()
    for rank in (0, 1):
        found.write(tmp_path, rank=rank)
        assert MemoryBounds.read(tmp_path) == found
    assert [path.name for path in tmp_path.iterdir()] == [MEMORY_FILE]


def test_a_damaged_file_is_refused(tmp_path: Path):
    bounds(bound(0, 600)).write(tmp_path)
    path = tmp_path / MEMORY_FILE
    path.write_text(path.read_text().replace("600", "900"))
    with pytest.raises(
        StorageError, match=r"memory\.json: damaged \(ValueError: its checksum does not match\); restore"
    ):
        MemoryBounds.read(tmp_path)


ENTRY = {"since_update": 0, "micro_batch_tokens": 600, "evaluation_tokens": None, "device": "cpu"}
DAMAGED = {
    "cut short": b'{"bounds": [{"since_update": 0,',
    "no UTF-8": b"\xff\xfe",
    "no object": b"[]",
    "without its field": b"{}",
    "of another form": b'{"bounds": 3}',
} | {
    f"{name}: {value!r}": json.dumps({"bounds": [ENTRY | {name: value}]}).encode()
    for name, value in (
        ("since_update", -1),
        ("since_update", "0"),
        ("micro_batch_tokens", 0),
        ("micro_batch_tokens", 1.5),
        ("micro_batch_tokens", float("nan")),
        ("evaluation_tokens", True),
        ("device", None),
        ("of_a_later_version", 1),
    )
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_what_somebody_has_written_by_hand_is_refused_in_one_line(tmp_path: Path, content: bytes):
    (tmp_path / MEMORY_FILE).write_bytes(content)
    with pytest.raises(
        StorageError, match=r"^\S+memory\.json: damaged \(.+\); restore it from a copy, or delete it: "
    ) as raised:
        MemoryBounds.read(tmp_path)
    assert "\n" not in str(raised.value)


def test_what_cannot_be_read_is_refused(tmp_path: Path):
    (tmp_path / MEMORY_FILE).mkdir()
    with pytest.raises(StorageError, match=r"memory\.json: cannot be read: Is a directory; fix it, or restore it"):
        MemoryBounds.read(tmp_path)


def test_bounds_without_a_checksum_are_read_where_they_are_whole(tmp_path: Path):
    (tmp_path / MEMORY_FILE).write_text(json.dumps({"bounds": [ENTRY]}))
    assert MemoryBounds.read(tmp_path).micro_batch_tokens(1) == 600
