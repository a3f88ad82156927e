"""Attention to a cache is what torch's attention computes, and a search finds the same tokens by either."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from intelligen.config.schema.decoding import Beam, DecodingSearch, Greedy, Sample
from intelligen.config.schema.model import DecoderOnly, Model, Seq2Seq
from intelligen.data.special_tokens import PAD
from intelligen.decoding.generate import generate
from intelligen.models import attention
from intelligen.models.attention import Heads
from intelligen.models.build import build_model
from intelligen.models.interfaces import Generator

torch.set_num_threads(1)
VOCABULARY, LONGEST = 23, 40
SHAPE = {"d_model": 64, "d_ff": 32, "heads": 2, "max_positions": 64}
MODELS = [Seq2Seq(encoder_layers=1, decoder_layers=2, **SHAPE), DecoderOnly(layers=2, **SHAPE)]
SEARCHES = [Greedy(), Beam(size=3), Sample(), Sample(top_k=5)]
LENGTHS = [9, 2, 14, 6]
"""Of sources, which are the prompts of a decoder alone."""


def network(config: Model, seed: int) -> Generator:
    model = build_model(config, {"source": VOCABULARY, "target": VOCABULARY}, seed=seed)
    assert isinstance(model, Generator)
    return model


@pytest.mark.parametrize("config", MODELS, ids=lambda config: config.name)
def test_the_initial_gain_is_of_queries_keys_and_values_alone(config: Model) -> None:
    plain, scaled = (network(config.model_copy(update={"attention_init_gain": gain}), 1) for gain in (1.0, 0.5))
    projections = ("attention.qkv.weight", "cross_attention.query.weight", "cross_attention.kv.weight")
    for (name, weight), other in zip(plain.named_parameters(), scaled.parameters(), strict=True):
        torch.testing.assert_close(other, weight * 0.5 if name.endswith(projections) else weight, rtol=0, atol=0)


def tokens(*shape: int, seed: int) -> Tensor:
    return torch.randint(4, VOCABULARY, shape, generator=torch.Generator().manual_seed(seed))


def sources() -> Tensor:
    source_BS = tokens(len(LENGTHS), max(LENGTHS), seed=1)
    return source_BS.masked_fill(torch.arange(max(LENGTHS)) >= torch.tensor(LENGTHS)[:, None], PAD)


def found(model: Generator, search: DecodingSearch, *, begun: bool) -> Tensor:
    samples = 2 if isinstance(search, Sample) else 1
    rows = len(LENGTHS) * samples
    prefix_NT = tokens(rows, 5, seed=2).masked_fill(torch.arange(5) < torch.arange(rows)[:, None] % 6, PAD)
    uniforms_NT = torch.rand(rows, LONGEST, generator=torch.Generator().manual_seed(3))
    return generate(
        model,
        sources(),
        search,
        max_lengths_B=torch.tensor([LONGEST, 30, LONGEST, 7]),
        uniforms_NT=uniforms_NT if samples > 1 else None,
        samples=samples,
        prefix_NT=prefix_NT if begun else None,
    ).tokens_NT


@pytest.mark.parametrize("begun", [False, True], ids=["from the beginning", "from unequal prefixes"])
@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: f"{search.name}-{getattr(search, 'top_k', 0)}")
@pytest.mark.parametrize("config", MODELS, ids=lambda config: config.name)
def test_a_search_finds_the_tokens_that_it_finds_by_torchs_attention(
    config: Model, search: DecodingSearch, begun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways, products = [], attention._attend_by_products
    monkeypatch.setattr(attention, "_attend_by_products", lambda *given: ways.append(given) or products(*given))
    monkeypatch.setattr(attention, "_MOST_QUERIES", 8)
    models = [network(config, seed) for seed in range(3)]
    outputs = [found(model, search, begun=begun) for model in models]
    assert ways
    taken = len(ways)
    monkeypatch.setattr(attention, "_MOST_QUERIES", 0)
    for model, output in zip(models, outputs, strict=True):
        assert torch.equal(found(model, search, begun=begun), output)
        assert output.size(1) > 16
    assert len(ways) == taken


def test_a_search_attends_by_products_without_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    ways, products = [], attention._attend_by_products
    monkeypatch.setattr(attention, "_attend_by_products", lambda *given: ways.append(given) or products(*given))
    found(network(MODELS[0], 1), SEARCHES[0], begun=False)
    assert ways


@pytest.mark.parametrize("config", MODELS, ids=lambda config: config.name)
@torch.no_grad()
def test_a_cache_that_grows_and_shrinks_gives_the_logits_of_the_parallel_pass(config: Model) -> None:
    model, target_NT = network(config, seed=1).eval(), tokens(2 * len(LENGTHS), LONGEST, seed=2)
    encoded = model.encode(sources())
    expected_NTV = model.decode(target_NT, encoded)
    cache, rows_N = model.new_cache(encoded, max_length=LONGEST, rows_per_source=2), torch.arange(len(target_NT))
    leaving = {14: [3, 0, 1, 7], 18: [2, 0, 1], 33: [1]}
    for place in range(LONGEST):
        if place in leaving:
            cache.select_rows(torch.tensor(leaving[place]))
            rows_N = rows_N[leaving[place]]
        logits_M1V = model.extend(target_NT[rows_N, place : place + 1], cache)
        torch.testing.assert_close(logits_M1V, expected_NTV[rows_N, place : place + 1])


@pytest.mark.parametrize("masked", [False, True], ids=["all seen", "some hidden"])
@pytest.mark.parametrize("queries", [1, 3, 20])
@pytest.mark.parametrize(("d_k", "d_v", "keys"), [(8, 8, 3), (32, 32, 17), (24, 40, 33)])
def test_a_caches_keys_and_values_give_what_torchs_attention_gives(
    queries: int, keys: int, d_k: int, d_v: int, masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "_MOST_QUERIES", 8)
    heads, generator = Heads(2, d_k, d_v), torch.Generator().manual_seed(1)
    q_NTE = torch.randn(4, queries, heads.queries, generator=generator)
    kv_NLW = torch.randn(4, keys, heads.queries + heads.values, generator=generator)
    mask = torch.rand(4, 1, queries, keys, generator=generator) < 0.6 if masked else None
    if mask is not None:
        mask[..., 0] = True
    cached = heads.split(kv_NLW)
    q_NHTE = q_NTE.view(4, queries, 2, d_k).transpose(1, 2)
    expected_NHTV = F.scaled_dot_product_attention(q_NHTE, *cached, mask)
    torch.testing.assert_close(heads.attend(q_NTE, cached, mask=mask), expected_NHTV.transpose(1, 2).flatten(2))
