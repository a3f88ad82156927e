"""A ledger's reader reads each line once, and notices whatever else happens to the file."""

from pathlib import Path

import pytest

from intelligen.errors import StorageError
from intelligen.state import ledger_reader
from intelligen.state.ledger import Ledger, read_ledger
from intelligen.state.ledger_reader import LedgerReader
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import TrialState

FINGERPRINT = {"sweep_id": "s1", "sweep": {"name": "quick"}}


def start(ledger: Ledger, trial_id: str) -> None:
    ledger.start(
        trial_id, kind="trial", row="standard", seed=1, params={}, config={}, directory=f"trials/{trial_id}", number=0
    )


def write(directory: Path, *trials: str) -> Path:
    with Ledger.open(directory, FINGERPRINT) as ledger:
        for trial in trials:
            start(ledger, trial)
    return directory / "ledger.jsonl"


@pytest.fixture
def read_lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by each line that is read."""
    seen: list[str] = []
    real = ledger_reader.unseal
    monkeypatch.setattr(ledger_reader, "unseal", lambda text: seen.append(text) or real(text))
    return seen


def test_a_look_reads_what_was_appended_alone(tmp_path: Path, read_lines: list[str]) -> None:
    path = write(tmp_path)
    reader = LedgerReader(path)
    with Ledger.open(tmp_path, FINGERPRINT) as ledger:
        for number in range(30):
            read_lines.clear()
            start(ledger, f"t{number:04d}")
            ledger.finish(f"t{number:04d}", TrialState.COMPLETE)
            assert list(reader.now().trials.values()) == list(ledger.trials.values())
            assert len(read_lines) == (3 if number == 0 else 2)
    assert reader.now() == LedgerReader(path).now()
    assert (reader.lines, reader.length) == (61, path.stat().st_size)


def test_what_was_given_out_does_not_change_by_later_lines(tmp_path: Path) -> None:
    write(tmp_path, "t1")
    files = SweepFiles(tmp_path)
    _, before, _ = files.ledger()
    write(tmp_path, "t2")
    assert list(files.ledger()[1]) == ["t1", "t2"]
    assert list(before) == ["t1"]


def test_a_part_of_a_line_waits_for_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path, "t1", "t2", "t3")
    content = path.read_bytes()
    reader = LedgerReader(path)
    for length in range(content.index(b"\n") + 1, len(content) + 1, 7):
        with path.open("r+b") as file:  # the same file
            file.write(content[:length])
            file.truncate()
        assert len(reader.now().trials) == max(0, content[:length].count(b"\n") - 1)


@pytest.mark.parametrize("way", ["shorter", "replaced", "other last line", "regrown"])
def test_what_did_not_only_grow_is_read_anew(tmp_path: Path, way: str) -> None:
    path = write(tmp_path / "one", "t1", "t2")
    reader = LedgerReader(path)
    assert list(reader.now().trials) == ["t1", "t2"]
    other = write(tmp_path / "two", "t1", "t3", "t4").read_bytes()
    lines = path.read_bytes().splitlines(keepends=True)
    content = {
        "shorter": b"".join(lines[:2]),
        "replaced": other,
        "other last line": b"".join(other.splitlines(keepends=True)[:3]),
        "regrown": other,
    }[way]
    if way == "replaced":
        (tmp_path / "new").write_bytes(content)
        (tmp_path / "new").replace(path)
    else:
        with path.open("r+b") as file:
            file.write(content)
            file.truncate()
    wanted = {"shorter": ["t1"], "other last line": ["t1", "t3"]}.get(way, ["t1", "t3", "t4"])
    assert list(reader.now().trials) == wanted
    assert reader.now() == LedgerReader(path).now()


def test_a_damaged_line_is_named_at_each_look_until_it_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path, "t1")
    reader, whole = LedgerReader(path), path.read_bytes()
    reader.now()
    path.write_bytes(whole + b'{"seq": 2}\n')
    for _ in range(2):
        with pytest.raises(StorageError, match=rf"{path}:3: damaged"):
            reader.now()
    path.write_bytes(whole)
    assert reader.now() == LedgerReader(path).now()
    path.write_bytes(whole[:30] + b"X" + whole[31:])
    with pytest.raises(StorageError, match=rf"{path}:1: damaged"):
        reader.now()
    path.unlink()
    with pytest.raises(StorageError, match="cannot read the ledger"):
        reader.now()
    assert write(tmp_path, "t9") == path
    assert list(reader.now().trials) == list(read_ledger(tmp_path)[1]) == ["t9"]
