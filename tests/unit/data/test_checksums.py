"""Not a bit of prepared data changes unnoticed: what is damaged is named and used by nothing."""

import os
import random
from pathlib import Path

import pytest
import torch
from conftest import tiny_data, tiny_trial, write_tiny_corpus

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.data import checksums
from intelligen.data.data_manifest import MANIFEST
from intelligen.data.preparation import prepare
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.errors import StorageError
from intelligen.training.fit import fit
from intelligen.training.reproducibility_manifest import take_manifest
from intelligen.training.runtime import Runtime


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    (tmp_path / "corpus").mkdir()
    write_tiny_corpus(tmp_path / "corpus")
    return prepare(tiny_data(tmp_path / "corpus"), tmp_path, columns=SOURCE_AND_TARGET)


def flip(path: Path, rng: random.Random) -> None:
    """Turn one bit over, and let no time stamp tell of it."""
    content, status = bytearray(path.read_bytes()), path.stat()
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def read_all(directory: Path) -> None:
    """Read everything, as a new process would."""
    checksums._sha256.cache_clear()
    found = open_prepared(directory)
    for split in found.splits:
        found.split(split)
    for column in found.manifest.tokenizers:
        found.tokenizer(column)


def test_any_flipped_bit_is_found_when_the_file_is_read(prepared: Prepared) -> None:
    rng = random.Random(1)
    for name in (MANIFEST, *prepared.manifest.files):
        path = prepared.directory / name
        whole = path.read_bytes()
        for _ in range(20 if name == MANIFEST else 5):
            flip(path, rng)
            with pytest.raises(StorageError, match=rf"{name}: .*damaged.* delete the directory \S+ and prepare"):
                read_all(prepared.directory)
            path.write_bytes(whole)
    read_all(prepared.directory)


def test_damage_shows_before_anything_is_trained(prepared: Prepared, tmp_path: Path) -> None:
    flip(prepared.directory / "test.source.tokens", random.Random(1))
    checksums._sha256.cache_clear()
    with pytest.raises(StorageError, match=r"test\.source\.tokens: damaged"):
        prepare(tiny_data(tmp_path / "corpus"), tmp_path, columns=SOURCE_AND_TARGET)
    runtime = Runtime(store=tmp_path, directory=tmp_path / "trial", device=torch.device("cpu"))
    with pytest.raises(StorageError, match=r"test\.source\.tokens: damaged"):
        fit(tiny_trial(prepared.identity), runtime)


def test_a_file_is_hashed_once_per_process(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    checksums._sha256.cache_clear()
    hashed: list[str] = []
    real = checksums.sha256
    monkeypatch.setattr(checksums, "sha256", lambda path: hashed.append(path.name) or real(path))
    for _ in range(3):
        open_prepared(prepared.directory).verify()
        open_prepared(prepared.directory).split("train")
    assert sorted(hashed) == sorted(prepared.manifest.files)


def test_data_of_the_first_release_are_used_and_have_the_same_lock(prepared: Prepared, tmp_path: Path) -> None:
    runtime = {"store": tmp_path, "device": torch.device("cpu"), "threads": 1, "processes": 1, "matmul": "mkl"}
    now = take_manifest(tiny_trial(prepared.identity), **runtime)
    text = prepared.manifest.model_dump_json(exclude={"overlaps", "sha256", "checksum"})
    (prepared.directory / MANIFEST).write_text(text)
    again = prepare(tiny_data(tmp_path / "corpus"), tmp_path, columns=SOURCE_AND_TARGET)
    assert again.manifest.sha256 is None
    assert again.identity == prepared.identity
    assert take_manifest(tiny_trial(again.identity), **runtime) == now
