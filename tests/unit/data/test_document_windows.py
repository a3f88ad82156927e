"""Windows of documents: each token is predicted in exactly one of them, after what is before it."""

import itertools

import numpy as np
import pytest

from intelligen.data.document_windows import DocumentWindows
from intelligen.data.loader import Loader
from intelligen.data.prepared_data import TokenColumn
from intelligen.data.special_tokens import BOS, EOS, PAD

DOCUMENTS = [[10, 11, 12, 13, 14], [], [20], [30, 31, 32, 33, 34, 35, 36, 37, 38], [40, 41, 42]]
STREAM = [
    (BOS if n == 0 else document[n - 1], (*document, EOS)[n])
    for document in DOCUMENTS
    for n in range(len(document) + 1)
]
"""What is read and what is predicted, document after document."""


def column(documents: list[list[int]]) -> TokenColumn:
    # As a split's part of a file has it: the first offset need not be 0.
    offsets = np.cumsum([0, *map(len, documents)]).astype(np.int64)
    return TokenColumn(np.array(list(itertools.chain(*documents)), dtype=np.uint16), offsets)


def pairs(windows: DocumentWindows) -> list[list[tuple[int, int]]]:
    rows = np.arange(len(windows.lengths))
    batch = windows.batch(rows, update_targets=windows.targets(rows), update_rows=len(rows))
    both = zip(batch.target_in_BT.tolist(), batch.target_out_BT.tolist(), strict=True)
    return [[pair for pair in zip(*sides, strict=True) if pair != (PAD, PAD)] for sides in both]


@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.parametrize("n_seq", [2, 3, 4, 5, 6, 100])
def test_each_token_is_predicted_in_exactly_one_window_after_the_one_before_it(n_seq, packing):
    windows = DocumentWindows(column(DOCUMENTS), n_seq=n_seq, packing=packing)
    found = pairs(windows)
    assert [*itertools.chain(*found)] == STREAM
    assert [*map(len, found)] == windows.lengths.tolist()
    assert windows.targets(np.arange(len(found))) == len(STREAM)


def test_a_window_is_of_one_document_and_full_where_that_goes_on():
    found = pairs(DocumentWindows(column(DOCUMENTS), n_seq=4, packing=False))
    assert [*map(len, found)] == [4, 2, 1, 2, 4, 4, 2, 4]
    assert all(BOS not in [read for read, _ in window[1:]] for window in found)


def test_packed_windows_are_full_but_for_the_last():
    assert [*map(len, pairs(DocumentWindows(column(DOCUMENTS), n_seq=4, packing=True)))] == [4, 4, 4, 4, 4, 3]


def test_documents_without_a_token_are_one_token_each():
    assert pairs(DocumentWindows(column([[], []]), n_seq=4, packing=False)) == [[(BOS, EOS)], [(BOS, EOS)]]
    assert pairs(DocumentWindows(column([[], []]), n_seq=4, packing=True)) == [[(BOS, EOS), (BOS, EOS)]]


def test_windows_in_any_order_are_the_same_and_the_source_has_no_width():
    windows = DocumentWindows(column(DOCUMENTS), n_seq=4, packing=False)
    one = windows.batch(np.array([6]), update_targets=9, update_rows=2)
    assert one.target_in_BT.tolist() == [[37, 38]]
    assert one.target_out_BT.tolist() == [[38, EOS]]
    assert (one.source_BS.shape, one.update_targets, one.update_rows, one.num_targets) == ((1, 0), 9, 2, 2)


def test_a_pass_of_the_loader_trains_each_token_once():
    loader = Loader(DocumentWindows(column(DOCUMENTS), n_seq=4, packing=False), batch_tokens=8, seed=1)
    batches = [loader.next_update()[0] for _ in range(loader.updates_per_pass)]
    assert sum(batch.num_targets for batch in batches) == sum(batch.update_targets for batch in batches) == len(STREAM)


def test_a_rank_without_a_window_learns_nothing():
    windows = DocumentWindows(column(DOCUMENTS), n_seq=4, packing=False)
    (real,), (empty,) = (
        Loader(windows, batch_tokens=1, seed=1, rank=rank, world_size=2).next_update() for rank in (0, 1)
    )
    assert (real.num_targets > 0, empty.num_targets) == (True, 0)
