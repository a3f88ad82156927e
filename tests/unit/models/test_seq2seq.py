import itertools
import math

import pytest
import torch
from torch import Tensor

from intelligen.config.model import Seq2Seq
from intelligen.data.tokens import BOS, EOS, PAD, UNK
from intelligen.models.memory import visible_keys
from intelligen.models.seq2seq import Seq2SeqTransformer

torch.set_num_threads(1)
VOCABULARY = 11
FIRST_PIECE = 4
VARIANTS = [
    Seq2Seq(d_model=16, d_ff=24, heads=2, encoder_layers=2, decoder_layers=2, norm=norm, positions=positions, **more)
    for norm, positions in itertools.product(("pre", "post"), ("sinusoidal", "learned"))
    for more in ({"tied_embeddings": "all"}, {"tied_embeddings": "none", "d_k": 5, "d_v": 7, "activation": "gelu"})
]


def build(config: Seq2Seq, *, seed: int = 0) -> Seq2SeqTransformer:
    torch.manual_seed(seed)
    return Seq2SeqTransformer(config, source_vocabulary=VOCABULARY, target_vocabulary=VOCABULARY).eval()


def tokens(*shape: int, seed: int = 1) -> Tensor:
    return torch.randint(FIRST_PIECE, VOCABULARY, shape, generator=torch.Generator().manual_seed(seed))


def padded_sources() -> Tensor:
    source_BS = tokens(3, 6)
    source_BS[1, 4:] = PAD
    source_BS[2, 1:] = PAD
    return source_BS


@pytest.fixture(params=VARIANTS, ids=lambda config: f"{config.norm}-{config.positions}-{config.tied_embeddings}")
def model(request: pytest.FixtureRequest) -> Seq2SeqTransformer:
    return build(request.param)


@torch.no_grad()
def test_cached_logits_equal_uncached_ones(model: Seq2SeqTransformer) -> None:
    target_NT = tokens(3, 8, seed=2)
    memory = model.encode(padded_sources())
    cache = model.new_cache(memory, max_length=8)
    # A prefix at once, single steps, then several positions behind cached ones.
    parts = [model.extend(part, cache) for part in target_NT.split([3, 1, 1, 3], dim=1)]
    assert cache.length == 8
    torch.testing.assert_close(torch.cat(parts, dim=1), model.decode(target_NT, memory))


@torch.no_grad()
def test_cached_rows_follow_their_sources(model: Seq2SeqTransformer) -> None:
    memory = model.encode(padded_sources())
    target_NT = tokens(6, 5, seed=2)
    cache = model.new_cache(memory, max_length=5, rows_per_source=2)
    model.extend(target_NT[:, :3], cache)
    swapped = torch.tensor([1, 0, 2, 2, 4, 5])
    cache.reorder(swapped)
    cache.select(torch.tensor([2, 0]))
    rows = swapped[torch.tensor([4, 5, 0, 1])]
    logits_NTV = model.extend(target_NT[rows, 3:], cache)
    expected_NTV = model.decode(target_NT[rows], memory.select(torch.tensor([2, 0])))[:, 3:]
    torch.testing.assert_close(logits_NTV, expected_NTV)


@torch.no_grad()
def test_rows_leave_their_cached_sources_one_by_one(model: Seq2SeqTransformer) -> None:
    memory = model.encode(padded_sources())
    target_NT = tokens(6, 6, seed=2)
    cache = model.new_cache(memory, max_length=6, rows_per_source=2)
    model.extend(target_NT[:, :3], cache)
    rows = torch.arange(6)
    # More rows than there were sources, then twice fewer.
    for position, kept in enumerate(([5, 0, 1, 2], [3, 0, 1], [2, 1]), start=3):
        cache.select_rows(torch.tensor(kept))
        rows = rows[kept]
        logits_N1V = model.extend(target_NT[rows, position : position + 1], cache)
        expected_NTV = model.decode(target_NT[rows, : position + 1], memory.select(rows // 2))
        torch.testing.assert_close(logits_N1V, expected_NTV[:, -1:])


@torch.no_grad()
def test_rows_that_begin_behind_padding_get_the_logits_they_get_without(model: Seq2SeqTransformer) -> None:
    memory, padding = model.encode(padded_sources()), [3, 0, 5]
    target_NT = tokens(3, 9, seed=2)
    cache = model.new_cache(memory, max_length=9, left_padding_N=torch.tensor(padding))
    model.prefill(target_NT[:, :4], cache)
    logits_NTV = model.extend(target_NT[:, 4:6], cache)
    kept = torch.tensor([2, 0])
    cache.select(kept)
    logits_MTV = torch.cat([model.extend(part[kept], cache) for part in target_NT[:, 6:].split(1, dim=1)], dim=1)
    for row, first in enumerate(padding):
        expected_TV = model.decode(target_NT[row : row + 1, first:], memory.select(torch.tensor([row])))[0]
        shown = slice(max(first, 4), 6)
        torch.testing.assert_close(logits_NTV[row, shown.start - 4 :], expected_TV[shown.start - first : 6 - first])
        if row in kept:
            torch.testing.assert_close(logits_MTV[kept.tolist().index(row)], expected_TV[6 - first :])


@torch.no_grad()
def test_what_stands_in_the_padding_before_a_row_changes_nothing(model: Seq2SeqTransformer) -> None:
    def logits(tokens_NT: Tensor) -> Tensor:
        cache = model.new_cache(model.encode(padded_sources()), max_length=7, left_padding_N=torch.tensor([3, 0, 4]))
        model.prefill(tokens_NT[:, :4], cache)
        return torch.cat([model.extend(part, cache) for part in tokens_NT[:, 4:].split([2, 1], dim=1)], dim=1)

    target_NT = tokens(3, 7, seed=2)
    changed_NT = target_NT.clone()
    changed_NT[0, :3], changed_NT[2, :4] = PAD, BOS
    assert torch.equal(logits(changed_NT), logits(target_NT))


@torch.no_grad()
def test_a_future_token_never_changes_earlier_logits(model: Seq2SeqTransformer) -> None:
    source_BS, target_NT = padded_sources(), tokens(3, 7, seed=2)
    changed_NT = target_NT.clone()
    changed_NT[:, 4] = (changed_NT[:, 4] - FIRST_PIECE + 1) % (VOCABULARY - FIRST_PIECE) + FIRST_PIECE
    (before,), (after,) = model(source_BS, target_NT), model(source_BS, changed_NT)
    torch.testing.assert_close(before[:, :4], after[:, :4], rtol=0, atol=0)
    assert not torch.allclose(before[:, 4:], after[:, 4:])


@torch.no_grad()
def test_padding_changes_no_real_position(model: Seq2SeqTransformer) -> None:
    source_BS, target_NT = tokens(3, 5), tokens(3, 4, seed=2)
    padding = torch.full((3, 3), PAD)
    (plain,) = model(source_BS, target_NT)
    (padded,) = model(torch.cat([source_BS, padding], 1), torch.cat([target_NT, padding], 1))
    torch.testing.assert_close(padded[:, :4], plain)


def test_rows_per_source_equal_separate_forwards(model: Seq2SeqTransformer) -> None:
    source_BS, one_BT, three_NT = padded_sources(), tokens(3, 4, seed=2), tokens(9, 6, seed=3)
    one, three = model(source_BS, one_BT, three_NT)
    torch.testing.assert_close(one, model(source_BS, one_BT)[0])
    for candidate in range(3):
        (alone,) = model(source_BS, three_NT[candidate::3])
        torch.testing.assert_close(three[candidate::3], alone)
    memory = model.encode(source_BS)
    torch.testing.assert_close(three, model.decode(three_NT, memory.select(torch.arange(3).repeat_interleave(3))))


def test_no_key_is_hidden_where_everything_is_padding_or_nothing_is() -> None:
    assert visible_keys(torch.tensor([[False, False], [False, False]])) is None
    mask = visible_keys(torch.tensor([[True, True], [False, True]]))
    assert mask is not None
    assert mask.tolist() == [[[[True, True]]], [[[True, False]]]]


def test_a_source_of_padding_alone_gives_finite_logits_and_gradients(model: Seq2SeqTransformer) -> None:
    source_BS, target_NT = padded_sources(), tokens(3, 4, seed=2)
    source_BS[1] = PAD
    (logits,) = model(source_BS, target_NT)
    logits.logsumexp(-1).sum().backward()
    assert logits.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    ("width", "inner", "heads", "low", "high"), [(512, 2048, 8, 63e6, 65e6), (1024, 4096, 16, 209e6, 215e6)]
)
def test_base_and_big_have_the_paper_s_parameter_counts(
    width: int, inner: int, heads: int, low: float, high: float
) -> None:
    config = Seq2Seq(d_model=width, d_ff=inner, heads=heads, encoder_layers=6, decoder_layers=6, norm="post")
    with torch.device("meta"):
        model = Seq2SeqTransformer(config, source_vocabulary=37_000, target_vocabulary=37_000)
    assert low < sum(parameter.numel() for parameter in model.parameters()) < high


def test_a_tied_embedding_gathers_the_gradients_of_all_its_roles() -> None:
    shape = {"d_model": 16, "d_ff": 24, "heads": 2, "encoder_layers": 1, "decoder_layers": 1}
    tied, apart = build(Seq2Seq(**shape, tied_embeddings="all")), build(Seq2Seq(**shape, tied_embeddings="none"))
    table = tied.state_dict()["target_embedding.weight"]
    apart.load_state_dict({**tied.state_dict(), "source_embedding.weight": table, "output.weight": table})
    source_BS, target_NT = padded_sources(), tokens(3, 4, seed=2)
    for model in (tied, apart):
        (logits,) = model(source_BS, target_NT)
        logits.log_softmax(-1)[..., EOS].sum().backward()
    parts = [apart.source_embedding, apart.target_embedding, apart.output]
    total = sum(part.weight.grad for part in parts)
    torch.testing.assert_close(tied.target_embedding.weight.grad, total)


@pytest.mark.parametrize("tied", ["none", "decoder", "all"])
def test_the_state_holds_every_tensor_once(tied: str) -> None:
    state = build(VARIANTS[0].model_copy(update={"tied_embeddings": tied})).state_dict()
    assert len({tensor.data_ptr() for tensor in state.values()}) == len(state)
    tables = sum(tensor.shape == (VOCABULARY, 16) for tensor in state.values())
    assert tables == {"none": 3, "decoder": 2, "all": 1}[tied]


def test_dropout_acts_in_training_only() -> None:
    model = build(VARIANTS[0].model_copy(update={"dropout": 0.5, "attention_dropout": 0.5, "activation_dropout": 0.5}))
    inputs = padded_sources(), tokens(3, 4, seed=2)
    torch.testing.assert_close(model(*inputs)[0], model(*inputs)[0], rtol=0, atol=0)
    model.train()
    assert not torch.allclose(model(*inputs)[0], model(*inputs)[0])


def test_attention_dropout_acts_by_itself() -> None:
    model = build(VARIANTS[0].model_copy(update={"dropout": 0.0, "attention_dropout": 0.5})).train()
    inputs = padded_sources(), tokens(3, 4, seed=2)
    assert not torch.allclose(model(*inputs)[0], model(*inputs)[0])


def test_initial_embeddings_have_unit_variance_once_scaled_and_no_padding_row() -> None:
    config = Seq2Seq(d_model=64, d_ff=64, heads=2, encoder_layers=1, decoder_layers=1)
    model = Seq2SeqTransformer(config, source_vocabulary=3000, target_vocabulary=3000)
    table = model.target_embedding.weight.detach()
    assert table[PAD].count_nonzero() == 0
    assert (table[UNK:] * math.sqrt(64)).var().item() == pytest.approx(1.0, rel=0.05)


def test_each_part_of_a_fused_projection_starts_by_its_own_width() -> None:
    config = Seq2Seq(d_model=64, d_ff=64, heads=4, d_k=4, d_v=64, encoder_layers=1, decoder_layers=1)
    model = build(config)
    query, key, value = model.encoder[0].self_attention.qkv.weight.detach().split([16, 16, 256])
    for part in (query, key, value):
        assert part.abs().max().item() == pytest.approx(math.sqrt(6 / sum(part.shape)), rel=0.02)


def test_sinusoidal_positions_follow_the_formula() -> None:
    model = build(Seq2Seq(d_model=16, d_ff=24, heads=2, encoder_layers=1, decoder_layers=1))
    (row,) = model.target_positions(5, 1)
    for i in range(8):
        angle = 5 / 10_000 ** (2 * i / 16)
        assert row[i].item() == pytest.approx(math.sin(angle), abs=1e-5)
        assert row[8 + i].item() == pytest.approx(math.cos(angle), abs=1e-5)


def test_order_matters_to_encoder_and_decoder(model: Seq2SeqTransformer) -> None:
    source_BS, target_NT = tokens(2, 5), torch.tensor([[BOS, 4, 5, 6], [BOS, 7, 8, 9]])
    (plain,) = model(source_BS, target_NT)
    assert not torch.allclose(model(source_BS.flip(1), target_NT)[0], plain)
    assert not torch.allclose(model(source_BS, target_NT[:, [0, 2, 1, 3]])[0][:, 3], plain[:, 3])


def test_a_cache_refuses_more_positions_than_it_has_room_for() -> None:
    model = build(VARIANTS[0])
    cache = model.new_cache(model.encode(padded_sources()), max_length=2)
    with pytest.raises(AssertionError, match="3 positions in a cache of 2"):
        model.extend(tokens(3, 3), cache)
