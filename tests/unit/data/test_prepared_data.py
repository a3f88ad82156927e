"""Prepared data are found again by content, whole or absent, and count everything odd."""

import itertools
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import Data, EmbeddedCorpus, FilesCorpus, Filters
from intelligen.config.schema.data import Tokenizer as TokenizerSettings
from intelligen.config.schema.split_forms import ParallelText
from intelligen.data import preparation
from intelligen.data.corpora import open_corpus
from intelligen.data.data_manifest import MANIFEST
from intelligen.data.data_summary import describe
from intelligen.data.overlong import Fit
from intelligen.data.prepared_data import open_prepared
from intelligen.data.row_filters import Counts, training_rows
from intelligen.data.sentencepiece_tokenizer import SentencePieceTokenizer, train_tokenizer
from intelligen.data.special_tokens import UNK
from intelligen.data.split_writer import write_split
from intelligen.errors import CannotCreateError, DataError, StorageError

FILES = {split: ParallelText(source=f"{split}.en", target=f"{split}.de") for split in ("train", "valid", "test")}
prepare = partial(preparation.prepare, columns=SOURCE_AND_TARGET)
WORDS = ["the", "cat", "dog", "sees", "a", "red", "house", "never", "two", "boats"]


def train_pairs(count: int = 300) -> list[tuple[str, str]]:
    lines = [" ".join(words) for words in itertools.islice(itertools.permutations(WORDS, 5), 0, count * 7, 7)]
    return [(line, line.title()) for line in lines]


def write(folder: Path, **splits: list[tuple[str, str]]) -> None:
    folder.mkdir(exist_ok=True)
    default = {"train": train_pairs(), "valid": [("a cat", "A Cat")], "test": [("two dogs", "Two Dogs")]}
    for split, pairs in {**default, **splits}.items():
        for side, language in enumerate(("en", "de")):
            text = "".join(pair[side] + "\n" for pair in pairs)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8", newline="\n")


def settings(folder: Path, *, vocabulary: int = 60, joint: bool = True, **options: Any) -> Data:
    tokenizer = TokenizerSettings(vocabulary=vocabulary, joint=joint)
    return Data(corpus=FilesCorpus(folder=str(folder), splits=FILES), tokenizer=tokenizer, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "corpus")
    return tmp_path / "corpus"


def directories(store: Path) -> list[str]:
    return sorted(path.name for path in (store / "prepared").iterdir())


def test_tokens_decode_to_the_text_that_was_read(folder: Path, tmp_path: Path) -> None:
    prepared = prepare(settings(folder), tmp_path)
    train = prepared.split("train")
    assert len(train) == 300
    for side, column in enumerate(("source", "target")):
        rows = [train.columns[column][row].tolist() for row in range(len(train))]
        assert prepared.tokenizer(column).decode(rows) == [pair[side] for pair in train_pairs()]
        assert train.columns[column].lengths.tolist() == [len(row) for row in rows]
        assert train.columns[column].tokens.dtype == np.uint16


def test_chunks_follow_each_other_without_a_seam(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = prepare(settings(folder), tmp_path / "whole")
    monkeypatch.setattr("intelligen.data.split_writer._CHUNK", 7)
    pieced = prepare(settings(folder), tmp_path / "pieced")
    for name in whole.manifest.files:
        assert (whole.directory / name).read_bytes() == (pieced.directory / name).read_bytes()


def test_evaluation_texts_are_kept_exactly(folder: Path, tmp_path: Path) -> None:
    pairs = [(' a  "cat"\u200bx\\', "Ä\u00a0😀\t. "), ("", "empty source")]
    write(folder, valid=pairs)
    prepared = prepare(settings(folder), tmp_path)
    valid = prepared.split("valid")
    assert list(zip(valid.texts("source"), valid.texts("target"), strict=True)) == pairs
    assert len(valid.columns["source"][1]) == 0
    assert prepared.manifest.splits["valid"].notes == {"empty_source": 1}
    assert prepared.split("train").texts_path is None


def test_lower_casing_reaches_both_sides_of_every_split(folder: Path, tmp_path: Path) -> None:
    prepared = prepare(settings(folder, vocabulary=50, lowercase=True), tmp_path)
    assert prepared.split("test").texts("target") == ["two dogs"]
    pieces = prepared.tokenizer("target").pieces[4:]
    assert all(piece == piece.lower() for piece in pieces)


def test_vocabularies_are_joint_or_one_per_side(folder: Path, tmp_path: Path) -> None:
    joint = prepare(settings(folder), tmp_path)
    assert joint.tokenizer("source").pieces == joint.tokenizer("target").pieces
    separate = prepare(settings(folder, vocabulary=40, joint=False), tmp_path)
    upper = [any(piece != piece.lower() for piece in separate.tokenizer(c).pieces[4:]) for c in ("source", "target")]
    assert upper == [False, True]


def test_the_vocabulary_knows_nothing_of_validation_and_test(folder: Path, tmp_path: Path) -> None:
    write(folder, valid=[("a ж", "A Ж")], test=[("a ψ", "A Ψ")])
    prepared = prepare(settings(folder), tmp_path)
    for split in ("valid", "test"):
        assert UNK in prepared.split(split).columns["source"][0]
        assert prepared.manifest.splits[split].columns["target"].unknown == 1


def test_the_vocabulary_knows_nothing_of_training_rows_left_out(folder: Path, tmp_path: Path) -> None:
    write(folder, train=[*train_pairs(), ("ж" * 50, "Ж" * 50)])
    prepared = prepare(settings(folder, filters=Filters(max_characters=45)), tmp_path)
    assert "ж" not in "".join(prepared.tokenizer("source").pieces)


def test_everything_left_out_or_odd_is_counted_and_told(folder: Path, tmp_path: Path) -> None:
    odd = [("", "leer"), ("leer", " "), ("x" * 200, "y"), ("a", "b" * 30)]
    write(folder, train=[*train_pairs(), *odd], valid=[("a cat " * 40, "A Cat " * 40), ("", "Leer")])
    (folder / "test.en").write_bytes(b"\xef\xbb\xbfa cat\r\n")
    (folder / "test.de").write_bytes("A Cat ж\n".encode())
    filters = Filters(max_characters=150, max_length_difference=25)
    prepared = prepare(settings(folder, filters=filters, max_tokens=32), tmp_path)
    splits = prepared.manifest.splits
    assert (splits["train"].read, splits["train"].kept) == (304, 300)
    assert splits["train"].dropped == {"empty": 2, "too_long": 1, "length_difference": 1}
    assert splits["valid"].notes == {"empty_source": 1, "truncated_source": 1, "overlong_target": 1}
    assert splits["test"].notes == {"bom": 1, "crlf": 1}
    lines = describe(prepared)
    assert lines[0] == "joint bpe vocabulary: 60 pieces"
    assert "train: 300 of 304 rows kept; left out: 2 empty, 1 too long, 1 length difference" in lines
    assert "test: 1 of 1 rows kept; noted: 1 bom, 1 crlf" in lines


def test_overlong_training_rows_go_and_overlong_evaluation_sources_are_cut(folder: Path, tmp_path: Path) -> None:
    long = ("the cat sees " * 12, "The Cat Sees " * 12)
    write(folder, train=[*train_pairs(), long, *train_pairs(10)], valid=[long])
    prepared = prepare(settings(folder, max_tokens=30), tmp_path)
    train, valid = prepared.split("train"), prepared.split("valid")
    assert prepared.manifest.splits["train"].dropped == {"too_many_tokens": 1}
    assert len(train) == 310
    assert max(column.lengths.max() for column in train.columns.values()) <= 30
    assert len(valid.columns["source"][0]) == 30
    assert len(valid.columns["target"][0]) > 30
    assert valid.texts("source") == [long[0]]


def test_mostly_overlong_training_data_are_an_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^300 of 300 training rows are longer than data\.max_tokens \(4\)"):
        prepare(settings(folder, max_tokens=4), tmp_path)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"test": [("a", "b"), ("a", " ")]}, r"test\.de:2: empty target in split `test`"),
        ({"valid": []}, r"^split `valid` is empty$"),
        ({"train": []}, r"^no training row of 0 is left$"),
        ({"train": [("", "x")]}, r"^no training row of 1 is left \(1 empty\): see data\.filters$"),
        ({"train": [("ab", "ba")] * 9}, r"^data\.tokenizer\.vocabulary is 60, but .* at most \d+"),
    ],
)
def test_data_that_cannot_be_used_are_an_error_and_leave_nothing(
    folder: Path, tmp_path: Path, splits: dict[str, list[tuple[str, str]]], message: str
) -> None:
    write(folder, **splits)
    with pytest.raises(DataError, match=message):
        prepare(settings(folder), tmp_path)
    assert directories(tmp_path) == []


def test_the_same_content_is_found_again_without_work(folder: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    first = prepare(settings(folder), tmp_path, on_progress=lambda stage, _: stages.append(stage))
    assert stages[-1] == "encoding test"
    stages.clear()
    moved = shutil.move(folder, tmp_path / "elsewhere")
    again = prepare(settings(Path(moved)), tmp_path, on_progress=lambda stage, _: stages.append(stage))
    assert again.directory == first.directory == tmp_path / "prepared" / first.identity
    assert stages == []


def test_other_content_or_settings_have_another_identity(folder: Path, tmp_path: Path) -> None:
    identities = [prepare(data, tmp_path).identity for data in (settings(folder), settings(folder, max_tokens=64))]
    with (folder / "valid.de").open("ab") as file:
        file.write(b"\nEin Hund\n")
    with (folder / "valid.en").open("ab") as file:
        file.write(b"no dog\na dog\n")
    with pytest.raises(DataError, match="empty target"):
        prepare(settings(folder), tmp_path)
    write(folder, valid=[("a cat", "A cat")])
    identities.append(prepare(settings(folder), tmp_path).identity)
    assert len(set(identities)) == 3
    assert directories(tmp_path) == sorted(identities)


def test_preparing_twice_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    one, two = (prepare(settings(folder), tmp_path / name) for name in ("one", "two"))
    for name in one.manifest.files:
        assert (one.directory / name).read_bytes() == (two.directory / name).read_bytes()


def _prepare_at(barrier: Any, data: Data, store: Path, results: Any) -> None:
    barrier.wait()
    results.put(str(prepare(data, store).directory))


def test_two_processes_may_prepare_at_once(folder: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()
    workers = [
        context.Process(target=_prepare_at, args=(barrier, settings(folder), tmp_path, results)) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    found = {results.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(found) == 1
    assert directories(tmp_path) == [Path(*found).name]


def test_what_killed_processes_left_is_removed_after_a_day(folder: Path, tmp_path: Path) -> None:
    for name, age_s in ((".0123.old", 90_000), (".0123.new", 60)):
        left = tmp_path / "prepared" / name
        left.mkdir(parents=True)
        for path in (left / "train.source.tokens", left):
            path.touch()
            os.utime(path, (time.time() - age_s,) * 2)
    identity = prepare(settings(folder), tmp_path).identity
    assert directories(tmp_path) == [".0123.new", identity]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "train.source.tokens").write_bytes(b"x"), r"train\.source\.tokens: has 1 bytes instead of"),
        (lambda d: (d / "joint.model").unlink(), r"joint\.model: is missing"),
        (lambda d: (d / MANIFEST).write_text("{"), r"manifest\.json: damaged"),
        (lambda d: (d / MANIFEST).unlink(), r"no prepared data; prepare them with `intelligen prepare`"),
    ],
)
def test_damage_is_found_when_prepared_data_are_opened(folder: Path, tmp_path: Path, damage: Any, message: str) -> None:
    directory = prepare(settings(folder), tmp_path).directory
    damage(directory)
    with pytest.raises(StorageError, match=message):
        open_prepared(directory)


def test_a_store_that_cannot_be_made_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(CannotCreateError, match="store/prepared: cannot be written: Not a directory"):
        prepare(settings(folder), tmp_path / "store")


_FILL_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size=64k none "$1" || exit 77
"$2" -c '
import sys
from pathlib import Path
from intelligen.config.schema.data import Data
from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.data.preparation import prepare
from intelligen.errors import StorageError
try:
    prepare(Data.model_validate_json(sys.argv[2]), Path(sys.argv[1]), columns=SOURCE_AND_TARGET)
except StorageError as error:
    print(error, list((Path(sys.argv[1]) / "prepared").iterdir()), sep="|", end="")
' "$1" "$3"
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare to mount a small disk")
def test_a_full_disk_is_named_with_bytes_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    write(folder, train=train_pairs(3000))
    (tmp_path / "disk").mkdir()
    arguments = [str(tmp_path / "disk"), sys.executable, settings(folder).model_dump_json()]
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", _FILL_A_SMALL_DISK, "bash", *arguments], capture_output=True, text=True
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("may not mount here")
    assert done.returncode == 0, done.stderr
    message, left = done.stdout.split("|")
    assert "prepared: disk full after " in message
    assert message.endswith(" free: free space or choose another --runs")
    assert left == "[]"


def _peak_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch, *, pairs: int) -> int:
    """Most memory that encoding a training split of so many pairs holds at once."""
    monkeypatch.setattr("intelligen.data.split_writer._CHUNK", 200)
    write(folder, train=train_pairs() * (pairs // 300))
    data, counts = settings(folder, vocabulary=30), Counts()
    tokenizer = SentencePieceTokenizer(
        train_tokenizer(["the cat sees two boats", "Never A Red Dog House"] * 9, data.tokenizer)
    )
    tracemalloc.start()
    write_split(
        "train",
        training_rows(open_corpus(data.corpus, SOURCE_AND_TARGET), SOURCE_AND_TARGET, data, counts),
        columns=SOURCE_AND_TARGET,
        directory=folder,
        encoders={"source": tokenizer, "target": tokenizer},
        fit=Fit(SOURCE_AND_TARGET, data),
        counts=counts,
        on_progress=lambda stage, read: None,
        on_rows=lambda rows: None,
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counts.read == pairs
    return peak


def test_memory_does_not_grow_with_the_corpus(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = (_peak_bytes(folder, monkeypatch, pairs=pairs) for pairs in (1_800, 36_000))
    # How many of the chunks in flight are encoded when the peak is taken is the threads' affair.
    assert many < 2 * few


def test_the_embedded_corpus_is_prepared_like_any_other(tmp_path: Path) -> None:
    corpus = EmbeddedCorpus(train=600, valid=20, test=20)
    prepared = prepare(Data(corpus=corpus, tokenizer=TokenizerSettings(vocabulary=100)), tmp_path)
    assert prepared.splits == ("train", "valid", "test", "test_ood")
    assert [prepared.manifest.splits[split].read for split in prepared.splits] == [600, 20, 20, 20]
    seeded = Data(corpus=corpus.model_copy(update={"seed": 2}), tokenizer=TokenizerSettings(vocabulary=100))
    assert prepare(seeded, tmp_path).identity != prepared.identity


def test_real_text_survives_a_round_trip(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    folder = root / os.environ.get("INTELLIGEN_TEST_DATA", "../shared/data") / "multi30k"
    if not folder.is_dir():
        pytest.skip(f"no {folder}: set INTELLIGEN_TEST_DATA")
    names = {"train": "train", "valid": "val", "test": "test_2016_flickr"}
    splits = {split: ParallelText(source=f"{name}.en.gz", target=f"{name}.de.gz") for split, name in names.items()}
    prepared = prepare(Data(corpus=FilesCorpus(folder=str(folder), splits=splits)), tmp_path)
    assert [prepared.manifest.splits[split].kept for split in ("train", "valid", "test")] == [29_000, 1014, 1000]
    for column in ("source", "target"):
        valid = prepared.split("valid")
        texts = valid.texts(column)
        rows = [valid.columns[column][row].tolist() for row in range(len(valid))]
        assert prepared.tokenizer(column).decode(rows) == texts
        assert prepared.tokenizer(column).encode(texts) == rows
