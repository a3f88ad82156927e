"""A decoder alone reads a stream: a prompt, what is behind it, and nothing of another document."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from intelligen.config.schema.decoding import Beam, Greedy
from intelligen.config.schema.model import DecoderOnly
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.decoding.decoding_step import mask_unwritable_
from intelligen.decoding.generate import generate
from intelligen.models.build import build_model
from intelligen.models.decoder_only_transformer import DecoderOnlyTransformer

torch.set_num_threads(1)
VOCABULARY = 11
VARIANTS = [
    DecoderOnly(d_model=16, d_ff=24, heads=2, layers=2, max_positions=16, norm=norm, positions=positions)
    for norm, positions in itertools.product(("pre", "post"), ("sinusoidal", "learned"))
]


def build(config: DecoderOnly) -> DecoderOnlyTransformer:
    network = build_model(config, {"source": VOCABULARY, "target": VOCABULARY}, seed=0)
    assert isinstance(network, DecoderOnlyTransformer)
    return network.eval()


@pytest.fixture(params=VARIANTS, ids=lambda config: f"{config.norm}-{config.positions}")
def model(request: pytest.FixtureRequest) -> DecoderOnlyTransformer:
    return build(request.param)


def tokens(*shape: int, seed: int = 1) -> Tensor:
    return torch.randint(4, VOCABULARY, shape, generator=torch.Generator().manual_seed(seed))


def nothing(rows: int) -> Tensor:
    return torch.empty(rows, 0, dtype=torch.long)


def texts(rows: int, length: int, *, seed: int = 2) -> Tensor:
    return F.pad(tokens(rows, length - 1, seed=seed), (1, 0), value=BOS)


@torch.no_grad()
def test_a_source_of_no_width_is_as_one_of_padding(model: DecoderOnlyTransformer) -> None:
    target_NT = texts(3, 6)
    plain = model(nothing(3), target_NT)
    torch.testing.assert_close(model(torch.full((3, 4), PAD), target_NT), plain)


def test_a_source_of_no_width_costs_no_pass_and_no_mask(model: DecoderOnlyTransformer) -> None:
    passes = []
    model.trunk.register_forward_pre_hook(lambda _, args, given: passes.append(given), with_kwargs=True)
    model(nothing(3), texts(3, 6))
    (given,) = passes
    assert given == {"mask": None, "remember": None}


@torch.no_grad()
def test_a_stream_is_read_as_one_sequence(model: DecoderOnlyTransformer) -> None:
    """Whether a stretch of it is called prompt or target, its states are the same."""
    stream_BL = tokens(3, 9)
    whole = model(nothing(3), stream_BL)
    torch.testing.assert_close(model(stream_BL[:, :4], stream_BL[:, 4:]), whole[:, 4:])


@torch.no_grad()
def test_without_a_source_a_cache_gives_the_logits_of_the_parallel_pass(model: DecoderOnlyTransformer) -> None:
    target_NT = texts(3, 8)
    cache = model.new_cache(model.encode(nothing(3)), max_length=8)
    parts = [model.extend(part, cache) for part in torch.split(target_NT, [3, 1, 1, 3], dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), model(nothing(3), target_NT))


@torch.no_grad()
def test_without_a_source_texts_are_continued_as_a_plain_loop_does(model: DecoderOnlyTransformer) -> None:
    bounds_B, prefix_BT = torch.full((2,), 6), torch.tensor([[4, 7], [PAD, 9]])
    found = generate(model, nothing(2), Greedy(), max_lengths_B=bounds_B, prefix_NT=prefix_BT).tokens_NT
    for row, begun in enumerate(([4, 7], [9])):
        while len(begun) < 6 and EOS not in begun:
            logits_V = mask_unwritable_(model(nothing(1), torch.tensor([[BOS, *begun]]))[0, -1])
            begun.append(int(logits_V.argmax()))
        assert found[row][found[row] != PAD].tolist() == begun
    assert generate(model, nothing(2), Beam(size=2), max_lengths_B=bounds_B).tokens_NT.size(0) == 2


@torch.no_grad()
def test_documents_of_one_row_do_not_see_each_other(model: DecoderOnlyTransformer) -> None:
    """In a row that begins inside a document, too, and with padding behind the last one."""
    documents = [tokens(1, 3), texts(1, 4), texts(1, 2, seed=3)]
    row_1T = F.pad(torch.cat(documents, dim=1), (0, 2), value=PAD)
    packed = model(nothing(2), torch.cat([row_1T, texts(1, 11)]))
    expected = torch.cat([model(nothing(1), document) for document in documents], dim=1)
    torch.testing.assert_close(packed[:1, :9], expected)
    torch.testing.assert_close(packed[1:], model(nothing(1), texts(1, 11)))
    mixture_NTV = F.one_hot(row_1T, VOCABULARY).float()
    mixed = model.project(model.mixture_states(mixture_NTV, model.encode(nothing(1))))
    torch.testing.assert_close(mixed[:, :9], expected)


@torch.no_grad()
def test_only_the_first_document_of_a_row_sees_the_prompt(model: DecoderOnlyTransformer) -> None:
    prompt_1S, first, second = tokens(1, 5, seed=4), texts(1, 3), texts(1, 4, seed=3)
    packed = model(F.pad(prompt_1S, (0, 2), value=PAD), torch.cat([first, second], dim=1))
    torch.testing.assert_close(packed[:, :3], model(prompt_1S, first))
    torch.testing.assert_close(packed[:, 3:], model(nothing(1), second))


def test_a_gradient_through_a_target_reaches_its_prompt() -> None:
    """As if prompt and target had been read as one sequence; unequal prompts, several rows each."""
    model = build(VARIANTS[0])
    prompt_BS, target_NT = tokens(2, 4), tokens(4, 3, seed=2)
    prompt_BS[1, 2:] = PAD
    weights = list(model.parameters())
    split = model(prompt_BS, target_NT).log_softmax(-1)[..., EOS].sum()
    rows = [torch.cat([prompt_BS[n // 2][prompt_BS[n // 2] != PAD], target_NT[n]]) for n in range(4)]
    whole = sum(model(nothing(1), row[None])[:, -3:].log_softmax(-1)[..., EOS].sum() for row in rows)
    for ours, theirs in zip(torch.autograd.grad(split, weights), torch.autograd.grad(whole, weights), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_there_is_room_for_the_longest_prompt_and_the_longest_target() -> None:
    model = build(VARIANTS[1])
    logits = model(tokens(1, 16), texts(1, 16))
    assert logits.shape == (1, 16, VOCABULARY)
    position_P = model.trunk.positions.at(torch.arange(32))
    assert len(position_P.unique(dim=0)) == 32


def test_output_dropout_acts_on_the_states_in_training_only() -> None:
    quiet = {"dropout": 0.0, "output_dropout": 0.5}
    model = build(VARIANTS[0].model_copy(update=quiet))
    target_NT, prompts = texts(2, 5), model.encode(nothing(2))
    plain = model.states(target_NT, prompts)
    dropped = model.train().states(target_NT, prompts)
    kept = dropped != 0
    assert 0 < kept.float().mean() < 1
    torch.testing.assert_close(dropped[kept], 2 * plain[kept])


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_language_is_learnt_from_random_weights(norm: str) -> None:
    """Six tokens that come in a circle, either way round: the second token says which."""
    model = build(DecoderOnly(d_model=32, d_ff=64, heads=4, layers=4, norm=norm, activation="gelu", max_positions=16))
    optimizer = torch.optim.Adam(model.train().parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(1)
    for _ in range(60):
        first_B1 = torch.randint(6, (32, 1), generator=generator)
        way_B1 = 2 * torch.randint(2, (32, 1), generator=generator) - 1
        text_BT = 4 + (first_B1 + way_B1 * torch.arange(10)) % 6
        logits = model(nothing(32), text_BT[:, :-1])
        loss = F.cross_entropy(logits[:, 1:].flatten(0, 1), text_BT[:, 2:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3
