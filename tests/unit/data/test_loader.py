"""Whatever the ranks and micro-batches, an update is the same rows, each once, with the same totals."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligen.data.batches import Batch, SentencePairs, cut, evaluation_batches
from intelligen.data.loader import Loader, plan_pass
from intelligen.data.prepared_data import Split, TokenColumn
from intelligen.data.special_tokens import BOS, EOS, PAD

torch.set_num_threads(1)

Lengths = list[tuple[int, int]]


def make_split(lengths: Lengths) -> Split:
    """A split whose tokens are all different, so that a row is known by its tokens."""
    fresh = itertools.count(EOS + 1)
    columns = {}
    for side, column in enumerate(("source", "target")):
        offsets = np.concatenate([[0], np.cumsum([pair[side] for pair in lengths])]).astype(np.int64)
        columns[column] = TokenColumn(np.fromiter(fresh, dtype=np.uint16, count=offsets[-1]), offsets)
    return Split("train", columns, None)


def random_lengths(rows: int, *, seed: int = 0) -> Lengths:
    rng = np.random.default_rng(seed)
    return [(int(a), int(b)) for a, b in rng.integers(1, 20, size=(rows, 2))]


def padded_tokens(batch: Batch) -> int:
    return max(batch.source_BS.numel(), batch.target_out_BT.numel())


def real_rows(batches: list[Batch]) -> list[int]:
    return [int(row) for batch in batches if batch.num_targets for row in batch.rows]


pairs_of_lengths = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=60)
bounds = st.integers(1, 200)


@given(pairs_of_lengths, bounds, st.booleans(), st.none() | bounds, st.integers(1, 4), st.integers(0, 9))
@settings(deadline=None, max_examples=200)
def test_every_row_is_trained_on_once_per_pass_by_one_rank(
    lengths: Lengths, bound: int, of_rows: bool, micro: int | None, world_size: int, seed: int
) -> None:
    bounded = {"batch_rows": bound} if of_rows else {"batch_tokens": bound}
    split = make_split(lengths)
    loaders = [
        Loader(
            SentencePairs(split),
            **bounded,
            micro_batch_tokens=micro,
            seed=seed,
            rank=rank,
            world_size=world_size,
        )
        for rank in range(world_size)
    ]
    plan = plan_pass(SentencePairs(split).lengths, **bounded, seed=seed, number=0)
    assert {loader.updates_per_pass for loader in loaders} == {len(plan.groups)}
    seen: list[int] = []
    for update in range(len(plan.groups)):
        ranks = [loader.next_update() for loader in loaders]
        rows = [row for batches in ranks for row in real_rows(batches)]
        assert sorted(rows) == sorted(plan.rows(update).tolist())
        assert len({len(batches) for batches in ranks}) == 1
        every = [batch for batches in ranks for batch in batches]
        assert {batch.update_targets for batch in every} == {sum(batch.num_targets for batch in every)}
        assert {batch.update_rows for batch in every} == {len(rows)}
        longest = max(max(lengths[row]) + 1 for row in rows)
        assert len(rows) == 1 or len(rows) * (1 if of_rows else longest) <= bound
        if micro is not None:
            assert all(len(batch.rows) == 1 or padded_tokens(batch) <= micro for batch in every)
        seen += rows
    assert sorted(seen) == list(range(len(lengths)))


def test_batches_hold_the_rows_tokens_between_their_marks() -> None:
    split = make_split([(2, 3), (3, 1), (0, 0)])
    (batch,) = Loader(SentencePairs(split), batch_tokens=1000, seed=1).next_update()
    assert batch.source_BS.dtype == batch.target_in_BT.dtype == batch.target_out_BT.dtype == torch.int64
    for i, row in enumerate(batch.rows):
        source, target = (split.columns[name][row].tolist() for name in ("source", "target"))
        assert batch.source_BS[i].tolist() == [*source, EOS] + [PAD] * (3 - len(source))
        assert batch.target_in_BT[i].tolist() == [BOS, *target] + [PAD] * (3 - len(target))
        assert batch.target_out_BT[i].tolist() == [*target, EOS] + [PAD] * (3 - len(target))
    assert batch.num_targets == batch.update_targets == 7


def test_a_rank_without_rows_gets_a_batch_without_targets() -> None:
    split = make_split([(4, 5)])
    first, second = (
        Loader(SentencePairs(split), batch_tokens=64, seed=1, rank=rank, world_size=2).next_update() for rank in (0, 1)
    )
    (real,), (empty,) = first, second
    assert (real.num_targets, empty.num_targets) == (6, 0)
    assert empty.update_targets == 6
    assert torch.equal(empty.source_BS, real.source_BS)
    assert torch.equal(empty.target_in_BT, real.target_in_BT)
    assert (empty.target_out_BT == PAD).all()


def test_moving_a_batch_keeps_everything() -> None:
    (batch,) = Loader(SentencePairs(make_split([(4, 5), (1, 2)])), batch_tokens=64, seed=1).next_update()
    moved = batch.to(torch.device("meta"))
    assert {moved.source_BS.device.type, moved.target_in_BT.device.type, moved.target_out_BT.device.type} == {"meta"}
    assert (moved.num_targets, moved.update_targets, moved.update_rows) == (9, 9, 2)


def rows_of(loader: Loader, updates: int) -> list[list[list[int]]]:
    return [[batch.rows.tolist() for batch in loader.next_update()] for _ in range(updates)]


@pytest.mark.parametrize(("bound", "updates"), [({"batch_tokens": 128}, 16), ({"batch_rows": 8}, 15)])
@pytest.mark.parametrize("taken", [0, 1, 7, 15, 16, 33])
def test_a_resumed_loader_goes_on_exactly(taken: int, bound: dict[str, int], updates: int) -> None:
    split = make_split(random_lengths(120))
    options = {**bound, "micro_batch_tokens": 40, "seed": 3, "rank": 1, "world_size": 2}
    loader = Loader(SentencePairs(split), **options)
    assert loader.updates_per_pass == updates
    rows_of(loader, taken)
    state = loader.state_dict()
    resumed = Loader(SentencePairs(split), **options)
    resumed.load_state_dict(state)
    assert rows_of(resumed, 50) == rows_of(loader, 50)


def test_a_bound_of_one_update_holds_for_it_alone_and_only_where_it_is_stricter() -> None:
    loader = Loader(SentencePairs(make_split([(7, 7)] * 8)), batch_tokens=64, micro_batch_tokens=32, seed=1)
    rows = [[len(batch.rows) for batch in loader.next_update(at_most=bound)] for bound in (16, 1000, None, 1)]
    assert rows == [[2] * 4, [4] * 2, [4] * 2, [1] * 8]
    assert (loader.largest_part.rows, loader.largest_part.longest) == (1, 8)


@pytest.mark.parametrize("rank", [0, 1])
def test_the_longest_update_is_handed_out_beside_the_order(rank: int) -> None:
    lengths = [(20, 3), *random_lengths(60), (2, 40)]
    options = {"batch_tokens": 64, "seed": 3, "rank": rank, "world_size": 2}
    loader, other = (Loader(SentencePairs(make_split(lengths)), **options) for _ in range(2))
    (batch,) = loader.longest_update()
    assert (loader.largest_part.rows, loader.largest_part.longest) == (1, 41)
    assert max(batch.source_BS.size(1), batch.target_in_BT.size(1)) == 41
    assert rows_of(loader, 9) == rows_of(other, 9)


def test_an_update_of_so_many_rows_has_them_whatever_their_lengths() -> None:
    lengths = random_lengths(50)
    loader = Loader(SentencePairs(make_split(lengths)), batch_rows=8, seed=3)
    assert loader.updates_per_pass == 7
    first, second = ([loader.next_update()[0] for _ in range(7)] for _ in range(2))
    for batches in (first, second):
        assert sorted(len(batch.rows) for batch in batches) == [2, 8, 8, 8, 8, 8, 8]
        assert {batch.update_rows for batch in batches if len(batch.rows) == 8} == {8}
        assert sorted(row for batch in batches for row in batch.rows) == list(range(50))
    assert [batch.rows.tolist() for batch in first] != [batch.rows.tolist() for batch in second]


def test_the_state_at_the_end_of_a_pass_goes_on_with_the_next() -> None:
    split = make_split(random_lengths(50))
    loader = Loader(SentencePairs(split), batch_tokens=64, seed=3)
    rows_of(loader, loader.updates_per_pass)
    resumed = Loader(SentencePairs(split), batch_tokens=64, seed=3)
    resumed.load_state_dict(loader.state_dict())
    assert rows_of(resumed, 3) == rows_of(loader, 3)
    assert loader.state_dict() == {"pass": 1, "update": 3}


def test_seeds_and_passes_differ_in_order_and_company() -> None:
    split = make_split(random_lengths(200))
    loader = Loader(SentencePairs(split), batch_tokens=128, seed=1)
    first, second = (rows_of(loader, loader.updates_per_pass) for _ in range(2))
    other = rows_of(Loader(SentencePairs(split), batch_tokens=128, seed=2), loader.updates_per_pass)
    for one, another in ((first, second), (first, other)):
        groups = [{frozenset(batches[0]) for batches in updates} for updates in (one, another)]
        assert len(groups[0] & groups[1]) < len(groups[0]) / 2


def test_updates_are_not_sorted_by_length() -> None:
    split = make_split(random_lengths(400))
    loader = Loader(SentencePairs(split), batch_tokens=128, seed=1)
    widths = [loader.next_update()[0].target_out_BT.size(1) for _ in range(loader.updates_per_pass)]
    rising = sum(a < b for a, b in itertools.pairwise(widths))
    falling = sum(a > b for a, b in itertools.pairwise(widths))
    assert min(rising, falling) > len(widths) / 4


def test_little_is_padded() -> None:
    split = make_split([(n, n) for n, _ in random_lengths(2000)])
    loader = Loader(SentencePairs(split), batch_tokens=512, seed=1)
    batches = [loader.next_update()[0] for _ in range(loader.updates_per_pass)]
    padded = sum(batch.target_out_BT.numel() for batch in batches)
    assert sum(batch.num_targets for batch in batches) > 0.95 * padded


@given(pairs_of_lengths, bounds, st.integers(1, 4))
@settings(deadline=None)
def test_evaluation_sees_every_row_once_in_the_same_batches_for_any_ranks(
    lengths: Lengths, batch_tokens: int, world_size: int
) -> None:
    split = make_split(lengths)
    alone = list(evaluation_batches(SentencePairs(split), batch_tokens=batch_tokens))
    shared = [
        batch
        for rank in range(world_size)
        for batch in evaluation_batches(
            SentencePairs(split), batch_tokens=batch_tokens, rank=rank, world_size=world_size
        )
    ]
    assert sorted(real_rows(alone)) == list(range(len(lengths)))
    assert sorted(batch.rows.tolist() for batch in shared) == sorted(batch.rows.tolist() for batch in alone)
    longest = [max(lengths[batch.rows[0]]) for batch in alone]
    assert longest == sorted(longest, reverse=True)
    for batch in alone:
        assert len(batch.rows) == 1 or padded_tokens(batch) <= batch_tokens
        assert (batch.update_targets, batch.update_rows) == (batch.num_targets, len(batch.rows))


@given(st.lists(st.integers(1, 50), max_size=50).map(lambda values: sorted(values, reverse=True)), bounds)
def test_groups_are_as_large_as_the_bound_allows(descending: list[int], max_tokens: int) -> None:
    groups = cut(np.array(descending, dtype=np.int64), max_tokens)
    assert groups[0] == 0
    assert groups[-1] == len(descending)
    for start, end in itertools.pairwise(groups):
        assert end == start + 1 or (end - start) * descending[start] <= max_tokens
        assert end == len(descending) or (end - start + 1) * descending[start] > max_tokens


@given(pairs_of_lengths, bounds, st.booleans(), st.integers(1, 4))
@settings(deadline=None)
def test_no_micro_batch_has_more_tokens_than_is_said_beforehand(
    lengths: Lengths, bound: int, of_rows: bool, world_size: int
) -> None:
    bounded = {"batch_rows": bound} if of_rows else {"batch_tokens": bound}
    loader = Loader(SentencePairs(make_split(lengths)), **bounded, seed=1, world_size=world_size)
    found = []
    for _ in range(loader.updates_per_pass):
        loader.next_update()
        found.append(loader.largest_part.tokens)
    assert loader.most_tokens == max(found)
    narrow = Loader(SentencePairs(make_split(lengths)), **bounded, micro_batch_tokens=7, seed=1, world_size=world_size)
    assert narrow.most_tokens == min(7, max(found))
