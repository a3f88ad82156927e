"""The Transformer has the paper's initial weights, positions and dropout."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from intelligen.config.schema.model import Seq2Seq
from intelligen.data.special_tokens import EOS, PAD, UNK
from intelligen.models.encoder_output import visible_keys
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer

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


def test_no_key_is_hidden_where_everything_is_padding_or_nothing_is() -> None:
    assert visible_keys(torch.tensor([[False, False], [False, False]])) is None
    mask = visible_keys(torch.tensor([[True, True], [False, True]]))
    assert mask is not None
    assert mask.tolist() == [[[[True, True]]], [[[True, False]]]]


def test_a_tied_embedding_gathers_the_gradients_of_all_its_roles() -> None:
    shape = {"d_model": 16, "d_ff": 24, "heads": 2, "encoder_layers": 1, "decoder_layers": 1}
    tied, apart = build(Seq2Seq(**shape, tied_embeddings="all")), build(Seq2Seq(**shape, tied_embeddings="none"))
    table = tied.state_dict()["target_embedding.weight"]
    apart.load_state_dict({**tied.state_dict(), "source_embedding.weight": table, "output.weight": table})
    source_BS, target_NT = padded_sources(), tokens(3, 4, seed=2)
    for model in (tied, apart):
        logits = model(source_BS, target_NT)
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
    torch.testing.assert_close(model(*inputs), model(*inputs), rtol=0, atol=0)
    model.train()
    assert not torch.allclose(model(*inputs), model(*inputs))


def test_attention_dropout_acts_by_itself() -> None:
    model = build(VARIANTS[0].model_copy(update={"dropout": 0.0, "attention_dropout": 0.5})).train()
    inputs = padded_sources(), tokens(3, 4, seed=2)
    assert not torch.allclose(model(*inputs), model(*inputs))


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


def test_a_cache_refuses_more_positions_than_it_has_room_for() -> None:
    model = build(VARIANTS[0])
    cache = model.new_cache(model.encode(padded_sources()), max_length=2)
    with pytest.raises(AssertionError, match="3 positions in a cache of 2"):
        model.extend(tokens(3, 3), cache)
