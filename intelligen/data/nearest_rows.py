"""Nearest texts by tf-idf: what a search in the training data would find."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
_ORDERS = (1, 2, 3)
_LONGEST = 200
"""Characters of a text that are compared: enough for a question, whose context comes after it."""
_COMMON_SHARE = 0.2
_RARE = 100
_CHUNK = 64


def nearest_rows(known: Sequence[str], asked: Sequence[str]) -> Int64s:
    """For each text, the index of the known one that is most like it; of equals the first.

    Likeness is the cosine of tf-idf vectors (Salton & Buckley 1988) of one to three characters in a row, with
    1 + log tf and log(N / df): it finds a Korean word whatever ending it takes. What is in more than a fifth of the
    known texts, and in more than 100, distinguishes none and is left out. A text that shares nothing with any known one
    gets the first.

    Args:
        known: What is searched, N texts; at least one.
        asked: What is looked for.

    """
    from scipy import sparse  # takes a third of a second, which few processes need

    row, term = _ngrams([*known, *asked])
    terms, place = np.unique(term, return_inverse=True)
    shape = (len(known) + len(asked), len(terms))
    counts = sparse.coo_matrix((np.ones(len(row)), (row, place)), shape=shape).tocsr()
    rows_with = np.bincount(counts[: len(known)].indices, minlength=len(terms))
    weights = np.log(len(known) / np.maximum(rows_with, 1)) * (rows_with <= max(_RARE, _COMMON_SHARE * len(known)))
    counts.data = (1 + np.log(counts.data)) * weights[counts.indices]
    norms = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
    vectors = (sparse.diags(1 / np.where(norms > 0, norms, 1)) @ counts).tocsr()
    index, queries = vectors[: len(known)].T.tocsr(), vectors[len(known) :]
    chunks = [queries[start : start + _CHUNK] @ index for start in range(0, len(asked), _CHUNK)]
    found = [chunk.toarray().argmax(axis=1) for chunk in chunks]
    return np.concatenate(found) if found else np.empty(0, dtype=np.int64)


def _ngrams(texts: Sequence[str]) -> tuple[Int64s, Int64s]:
    """Each n-gram of each text as a number, and the text that it is in; a text ends and begins with a space."""
    framed = [f" {text[:_LONGEST].lower()} " for text in texts]
    points = np.frombuffer("".join(framed).encode("utf-32-le"), dtype=np.uint32)
    alphabet, character = np.unique(points, return_inverse=True)
    row = np.repeat(np.arange(len(framed)), [len(text) for text in framed])
    width = len(alphabet) + 1  # 0 is no character, so that n-grams of different lengths differ
    rows: list[Int64s] = []
    terms: list[Int64s] = []
    for order in _ORDERS:
        inside = row[order - 1 :] == row[: len(row) - order + 1]
        term = np.zeros(int(inside.sum()), dtype=np.int64)
        for shift in range(order):
            term = term * width + 1 + character[shift : len(row) - order + 1 + shift][inside]
        rows.append(row[order - 1 :][inside])
        terms.append(term)
    return np.concatenate(rows), np.concatenate(terms)
