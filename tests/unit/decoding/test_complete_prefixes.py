"""Prefixes of different lengths are completed together as each is alone."""

import itertools
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from intelligen.config.schema.decoding import Beam, DecodingSearch, Greedy, Sample
from intelligen.config.schema.model import Seq2Seq
from intelligen.data.special_tokens import BOS, PAD
from intelligen.decoding.generate import generate
from intelligen.decoding.hypotheses import Hypotheses
from intelligen.models.kv_cache import KVCache
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer

torch.set_num_threads(1)
scored = partial(generate, log_probs=True)
VOCABULARY = 12
LENGTHS = [5, 9, 2, 7, 7, 3, 8, 6, 1, 4]
BOUNDS = torch.tensor([12, 4, 9, 16, 6, 12, 7, 16, 12, 1])
SHARES = torch.tensor([0.0, 0.5, 1.0, 0.25, 0.75])


def decided_model(norm: str, positions: str) -> Seq2SeqTransformer:
    torch.manual_seed(5)
    config = Seq2Seq(
        d_model=16,
        d_ff=24,
        heads=2,
        encoder_layers=1,
        decoder_layers=2,
        tied_embeddings="none",
        max_positions=16,
        norm=norm,
        positions=positions,
    )
    model = Seq2SeqTransformer(config, source_vocabulary=VOCABULARY, target_vocabulary=VOCABULARY).eval()
    with torch.no_grad():
        model.output.weight.mul_(3.0)
        # As large as the embeddings, so that a wrong position changes what is generated.
        if positions == "learned":
            model.target_positions.table_PD.mul_(4.0)
    return model


MODELS = {variant: decided_model(*variant) for variant in itertools.product(("pre", "post"), ("sinusoidal", "learned"))}


@pytest.fixture(params=MODELS, ids="-".join)
def model(request: pytest.FixtureRequest) -> Seq2SeqTransformer:
    return MODELS[request.param]


def sources() -> Tensor:
    source_BS = torch.randint(4, VOCABULARY, (len(LENGTHS), 9), generator=torch.Generator().manual_seed(0))
    return source_BS.masked_fill(torch.arange(9) >= torch.tensor(LENGTHS)[:, None], PAD)


def uniforms(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def right_aligned(rows: list[list[int]], *, width: int | None = None) -> Tensor:
    width = max(map(len, rows)) if width is None else width
    return torch.tensor([[PAD] * (width - len(row)) + row for row in rows], dtype=torch.long)


def texts(hypotheses: Hypotheses) -> list[list[int]]:
    lengths = hypotheses.lengths_N.tolist()
    rows = [row[:length] for row, length in zip(hypotheses.tokens_NT.tolist(), lengths, strict=True)]
    assert all(PAD not in row for row in rows)
    return rows


def cut(hypotheses: Hypotheses) -> list[list[int]]:
    """Shares of the hypotheses from none of one to all of it but its last token, another share in each row."""
    rows = texts(hypotheses)
    shares = SHARES.repeat(len(rows))
    return [row[: int(share * (len(row) - 1))] for row, share in zip(rows, shares.tolist(), strict=False)]


@torch.no_grad()
def tail_log_prob(model: Seq2SeqTransformer, source_S: Tensor, *, tokens: list[int], prefix: int) -> float:
    logits_1TV = model(source_S[None], torch.tensor([[BOS, *tokens[:-1]]]))
    logits_1TV[..., [PAD, BOS]] = -torch.inf
    return logits_1TV[0].log_softmax(-1)[range(prefix, len(tokens)), tokens[prefix:]].sum().item()


def test_greedy_goes_on_from_each_row_s_own_prefix_to_the_same_end(model: Seq2SeqTransformer) -> None:
    plain = scored(model, sources(), Greedy(), max_lengths_B=BOUNDS)
    prefixes = cut(plain)
    assert [] in prefixes
    assert len(set(map(len, prefixes))) >= 4
    completed = scored(model, sources(), Greedy(), max_lengths_B=BOUNDS, prefix_NT=right_aligned(prefixes))
    assert torch.equal(completed.tokens_NT, plain.tokens_NT)
    for row, (tokens, prefix) in enumerate(zip(texts(plain), prefixes, strict=True)):
        expected = tail_log_prob(model, sources()[row], tokens=tokens, prefix=len(prefix))
        assert completed.log_probs_N[row].item() == pytest.approx(expected, abs=1e-4)
        if not prefix:
            torch.testing.assert_close(completed.log_probs_N[row], plain.log_probs_N[row])


@pytest.mark.parametrize(
    "search", [Greedy(), Sample(), Sample(temperature=1.5, top_k=5)], ids=["greedy", "all", "top_k"]
)
def test_a_row_is_completed_as_it_is_alone(model: Seq2SeqTransformer, search: DecodingSearch) -> None:
    samples = 1 if isinstance(search, Greedy) else 3
    begun = generate(model, sources(), Sample(), max_lengths_B=BOUNDS, uniforms_NT=uniforms(10, 16))
    prefixes = [row for row in cut(begun) for _ in range(samples)]
    uniforms_NT = uniforms(10 * samples, 16)
    together = scored(
        model,
        sources(),
        search,
        max_lengths_B=BOUNDS,
        uniforms_NT=uniforms_NT,
        samples=samples,
        prefix_NT=right_aligned(prefixes),
    )
    found = texts(together)
    assert len(set(map(len, found))) > 4
    for row, prefix in enumerate(prefixes):
        source = slice(row // samples, row // samples + 1)
        alone = scored(
            model,
            sources()[source],
            search,
            max_lengths_B=BOUNDS[source],
            uniforms_NT=uniforms_NT[row : row + 1],
            prefix_NT=torch.tensor([prefix], dtype=torch.long),
        )
        assert texts(alone) == [found[row]]
        assert found[row][: len(prefix)] == prefix
        torch.testing.assert_close(alone.log_probs_N[0], together.log_probs_N[row])


def test_a_draw_s_column_counts_from_the_row_s_first_new_token(model: Seq2SeqTransformer) -> None:
    uniforms_NT = uniforms(10, 16)
    plain = generate(model, sources(), Sample(), max_lengths_B=BOUNDS, uniforms_NT=uniforms_NT)
    prefixes = cut(plain)
    assert len(set(map(len, prefixes))) >= 4
    unused_NT = torch.stack([row_T.roll(-len(prefix)) for row_T, prefix in zip(uniforms_NT, prefixes, strict=True)])
    given = right_aligned(prefixes)
    completed = generate(model, sources(), Sample(), max_lengths_B=BOUNDS, uniforms_NT=unused_NT, prefix_NT=given)
    assert torch.equal(completed.tokens_NT, plain.tokens_NT)


@pytest.mark.parametrize("width", [3, 4, 40])
def test_the_width_of_the_prefixes_padding_does_not_matter(model: Seq2SeqTransformer, width: int) -> None:
    rows = [[4, 5, 6], [], [7], [8, 9, 10], [11], [], [4, 4], [10], [11], []]
    bounds, uniforms_NT = BOUNDS + 3, uniforms(10, 19)
    for source_BS in (sources(), pad(sources(), (0, 4))):
        found = scored(
            model,
            source_BS,
            Sample(),
            max_lengths_B=bounds,
            uniforms_NT=uniforms_NT,
            prefix_NT=right_aligned(rows, width=width),
        )
        narrow = scored(
            model, sources(), Sample(), max_lengths_B=bounds, uniforms_NT=uniforms_NT, prefix_NT=right_aligned(rows)
        )
        assert torch.equal(found.tokens_NT, narrow.tokens_NT)
        torch.testing.assert_close(found.log_probs_N, narrow.log_probs_N)


@pytest.mark.parametrize("width", [0, 5])
def test_empty_prefixes_are_none(model: Seq2SeqTransformer, width: int) -> None:
    plain = scored(model, sources(), Greedy(), max_lengths_B=BOUNDS)
    empty_NT = torch.full((10, width), PAD)
    begun = scored(model, sources(), Greedy(), max_lengths_B=BOUNDS, prefix_NT=empty_NT)
    assert torch.equal(begun.tokens_NT, plain.tokens_NT)
    torch.testing.assert_close(begun.log_probs_N, plain.log_probs_N)


def test_a_prefix_at_or_over_its_bound_gets_no_further_token(model: Seq2SeqTransformer) -> None:
    rows = [[4, 5, 6], [7, 8], [9, 10, 11, 4], [5]]
    bounds, given = torch.tensor([3, 1, 16, 4]), right_aligned(rows)
    found = scored(model, sources()[:4], Greedy(), max_lengths_B=bounds, prefix_NT=given)
    first, second, *others = texts(found)
    assert [first, second] == rows[:2]
    assert found.log_probs_N[:2].tolist() == [0.0, 0.0]
    for tokens, prefix, bound in zip(others, rows[2:], [16, 4], strict=True):
        assert tokens[: len(prefix)] == prefix
        assert len(prefix) < len(tokens) <= bound
    completed = generate(model, sources()[:2], Greedy(), max_lengths_B=torch.tensor([2, 1]), prefix_NT=given[:2])
    assert texts(completed) == rows[:2]


def test_a_prefix_beyond_the_model_s_positions_stays_as_it_is() -> None:
    rows = [[4] * 20, [5], [6] * 16]
    found = generate(
        MODELS["pre", "learned"],
        sources()[:3],
        Greedy(),
        max_lengths_B=torch.full((3,), 100),
        prefix_NT=right_aligned(rows),
    )
    assert texts(found)[::2] == rows[::2]
    assert 1 < int(found.lengths_N[1]) <= 16


def test_prefixes_are_prefilled_at_once_and_finished_rows_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    model, positions_computed, append = MODELS["pre", "learned"], [], Seq2SeqTransformer._append

    def recording(self: Seq2SeqTransformer, tokens_NT: Tensor, cache: KVCache) -> Tensor:
        positions_computed.append(tuple(tokens_NT.shape))
        return append(self, tokens_NT, cache)

    monkeypatch.setattr(Seq2SeqTransformer, "_append", recording)
    given = right_aligned([[4, 5, 6], [7, 8], [9, 10, 11, 4], [5]])
    bounds = torch.tensor([4, 3, 6, 16])
    found = generate(model, sources()[:4], Sample(), max_lengths_B=bounds, uniforms_NT=uniforms(4, 16), prefix_NT=given)
    new_N = found.lengths_N - (given != PAD).sum(dim=1)
    assert positions_computed[0] == (4, 4)
    assert [count for _, count in positions_computed[1:]] == [1] * int(new_N.max())
    assert [rows for rows, _ in positions_computed[1:]] == [
        int((new_N > step).sum()) for step in range(int(new_N.max()))
    ]


PREFIXES = [[4, 5, 6], [7, 8], [9, 10, 11, 4], [5], [], [6, 6], [11], [4, 4, 4], [8], [10]]


def test_a_beam_of_one_continues_a_prefix_as_greedy_search_does(model: Seq2SeqTransformer) -> None:
    given, bounds = right_aligned(PREFIXES), BOUNDS.clamp(min=6)
    greedy = scored(model, sources(), Greedy(), max_lengths_B=bounds, prefix_NT=given)
    beam = generate(model, sources(), Beam(size=1), max_lengths_B=bounds, prefix_NT=given)
    assert texts(beam) == texts(greedy)
    torch.testing.assert_close(beam.log_probs_N, greedy.log_probs_N)


def test_a_beam_continues_prefixes_together_as_it_does_each_alone(model: Seq2SeqTransformer) -> None:
    bounds, search = BOUNDS.clamp(min=6), Beam(size=3)
    together = generate(model, sources(), search, max_lengths_B=bounds, prefix_NT=right_aligned(PREFIXES))
    for row, prefix in enumerate(PREFIXES):
        source_1S = sources()[row : row + 1, : LENGTHS[row]]
        given = right_aligned([prefix])
        alone = generate(model, source_1S, search, max_lengths_B=bounds[row : row + 1], prefix_NT=given)
        assert texts(alone) == [texts(together)[row]]
    assert all(text[: len(prefix)] == prefix for text, prefix in zip(texts(together), PREFIXES, strict=True))


def test_a_beam_without_a_prefix_is_as_one_with_an_empty_one(model: Seq2SeqTransformer) -> None:
    given = torch.empty(10, 0, dtype=torch.long)
    plain = generate(model, sources(), Beam(size=3), max_lengths_B=BOUNDS)
    assert texts(plain) == texts(generate(model, sources(), Beam(size=3), max_lengths_B=BOUNDS, prefix_NT=given))


def test_prefixes_of_other_rows_are_refused() -> None:
    with pytest.raises(AssertionError, match="prefixes of 1 rows for 10 hypotheses"):
        generate(MODELS["pre", "learned"], sources(), Greedy(), max_lengths_B=BOUNDS, prefix_NT=torch.full((1, 1), 4))
