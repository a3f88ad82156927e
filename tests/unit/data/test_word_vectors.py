"""Files of word vectors: what is read, and what is refused at its line."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from intelligen.data.word_vectors import read_word_vectors
from intelligen.errors import DataError

TEXT = "3 2\ngood 0.5 -1\nbad 1e-1 2 \nNew York 3 4\n"
WORDS = {"good": 7, "New York": 9, "unseen": 11}


def read(path: Path, width: int = 2) -> dict[int, list[float]]:
    return {key: vector.tolist() for key, vector in read_word_vectors(path, words=WORDS, width=width).items()}


def test_text_with_a_first_line_is_read_plain_and_compressed(tmp_path):
    (tmp_path / "plain.txt").write_text(TEXT)
    (tmp_path / "packed.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    assert read(tmp_path / "plain.txt") == read(tmp_path / "packed.txt.gz") == {7: [0.5, -1.0], 9: [3.0, 4.0]}


def test_text_without_a_first_line_is_read(tmp_path):
    (tmp_path / "glove.txt").write_text("good 0.5 -1\nbad 1 2\n")
    assert read(tmp_path / "glove.txt") == {7: [0.5, -1.0]}


def test_arrays_are_read(tmp_path):
    np.savez(tmp_path / "v.npz", words=np.array(["bad", "good"]), vectors=np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert read(tmp_path / "v.npz") == {7: [3.0, 4.0]}


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("2 3\ngood 1 2 3\nbad 1 2 3\n", 1, "vectors of 3 numbers, but the model's embeddings have 2"),
        ("good 1 2\nbad 1 2 3\n", 2, "a vector of 3 numbers, but the model's embeddings have 2"),
        ("2 2\ngood 1 2\nbad 1\n", 3, "a vector of 1 numbers"),
        ("good 1 2\nbad 1 2\ngood 3 4\n", 3, "'good' has a vector already, in line 1"),
        ("good 1 nan\n", 1, "not finite"),
        ("good 1 2\nbad inf 2\n", 2, "not finite"),
        ("3 2\ngood 1 2\n", 2, "ends after 1 words, but its first line says 3"),
        ("good 1 two\n", 1, "is this word2vec's text format?"),
    ],
)
def test_a_bad_line_is_refused_at_its_place(text, line, reason, tmp_path):
    path = tmp_path / "v.txt"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"vectors": np.ones((1, 2))}, "words"),
        ({"words": np.array(["good"], dtype=object), "vectors": np.ones((1, 2))}, "not objects"),
        ({"words": np.array(["good", "bad"]), "vectors": np.ones((1, 2))}, "2 words, but 1 vectors"),
        ({"words": np.array(["good"]), "vectors": np.ones((1, 2), dtype=int)}, "fractions"),
        ({"words": np.array(["good"]), "vectors": np.ones((1, 3))}, "row 0: a vector of 3 numbers"),
        ({"words": np.array(["good", "bad"]), "vectors": np.array([[1, 2], [np.nan, 2]])}, "row 1: the vec"),
        ({"words": np.array(["good", "good"]), "vectors": np.ones((2, 2))}, "row 1: 'good' has a vector already"),
    ],
)
def test_bad_arrays_are_refused(arrays, reason, tmp_path):
    np.savez(tmp_path / "v.npz", **arrays)
    with pytest.raises(DataError) as caught:
        read(tmp_path / "v.npz")
    assert str(caught.value).startswith(f"{tmp_path / 'v.npz'}: ")
    assert reason in str(caught.value)


def test_vectors_of_no_wanted_word_are_refused(tmp_path):
    (tmp_path / "v.txt").write_text("gut 1 2\n")
    with pytest.raises(DataError, match="none of its 1 words is a piece of the vocabulary"):
        read(tmp_path / "v.txt")


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "v.npz").write_text("good 1 2\n")
    with pytest.raises(DataError, match=r"not an \.npz file"):
        read(tmp_path / "v.npz")
