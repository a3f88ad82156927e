"""Memory bounds are a function of the update; they are read as they were written, and a damaged file is refused."""

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
