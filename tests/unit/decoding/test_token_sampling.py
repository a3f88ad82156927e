"""Samples follow the model's distribution, cut by top-k and top-p; each draw depends on its own key alone."""

import math
from collections import Counter
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from intelligen.config.schema.decoding import Greedy, Sample
from intelligen.config.schema.model import Seq2Seq
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.decoding.generate import generate
from intelligen.decoding.token_sampling import draw, row_uniforms
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer

torch.set_num_threads(1)
scored = partial(generate, log_probs=True)
CONFIG = Seq2Seq(d_model=16, d_ff=24, heads=2, encoder_layers=1, decoder_layers=1, tied_embeddings="none")
PROBABILITIES = torch.tensor([0.0, 0.05, 0.0, 0.4, 0.1, 0.25, 0.2])
SOURCE = torch.tensor([[4, 5, 3, 0], [5, 4, 4, 3]])


def small_model() -> Seq2SeqTransformer:
    torch.manual_seed(3)
    return Seq2SeqTransformer(CONFIG, source_vocabulary=6, target_vocabulary=6).eval()


MODEL = small_model()


def uniforms(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def frequencies(*, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, draws: int = 40_000) -> Tensor:
    log_probs_NV = PROBABILITIES.log().expand(draws, -1)
    drawn_N = draw(log_probs_NV, uniforms(draws), temperature=temperature, top_k=top_k, top_p=top_p)
    return drawn_N.bincount(minlength=PROBABILITIES.numel()) / draws


def assert_follows(observed_V: Tensor, expected_V: Tensor, *, draws: int = 40_000) -> None:
    deviation_V = (expected_V * (1 - expected_V) / draws).sqrt()
    assert ((observed_V - expected_V).abs() <= 4 * deviation_V).all(), (observed_V, expected_V)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_tempered_distribution(temperature: float) -> None:
    expected_V = PROBABILITIES ** (1 / temperature)
    assert_follows(frequencies(temperature=temperature), expected_V / expected_V.sum())


def test_top_k_keeps_the_k_most_probable_in_proportion() -> None:
    expected_V = torch.where(PROBABILITIES >= 0.2, PROBABILITIES, 0.0)
    assert_follows(frequencies(top_k=3), expected_V / expected_V.sum())


@pytest.mark.parametrize(("top_p", "kept"), [(0.39, 1), (0.41, 2), (0.64, 2), (0.66, 3), (0.84, 3), (0.86, 4)])
def test_top_p_keeps_the_smallest_set_that_reaches_p(top_p: float, kept: int) -> None:
    floor = PROBABILITIES.sort(descending=True).values[kept - 1]
    expected_V = torch.where(floor <= PROBABILITIES, PROBABILITIES, 0.0)
    assert_follows(frequencies(top_p=top_p), expected_V / expected_V.sum())


def test_top_p_counts_within_top_k() -> None:
    # Of the three most probable, 0.4 and 0.25 hold 0.65 / 0.85 = 0.76 of the probability.
    expected_V = torch.where(PROBABILITIES >= 0.25, PROBABILITIES, 0.0)
    assert_follows(frequencies(top_k=3, top_p=0.75), expected_V / expected_V.sum())


def test_a_draw_never_hits_an_impossible_token() -> None:
    observed_V = frequencies(temperature=10.0, draws=200_000)
    assert observed_V[[PAD, BOS]].sum() == 0


def test_hypotheses_follow_the_model_s_distribution() -> None:
    model, draws = MODEL, 8_000
    bounds, uniforms_NT = torch.tensor([2, 2]), uniforms(2 * draws, 2)
    drawn = scored(model, SOURCE, Sample(), max_lengths_B=bounds, uniforms_NT=uniforms_NT, samples=draws)
    for row, source_1S in enumerate(SOURCE.split(1)):
        rows = slice(row * draws, (row + 1) * draws)
        counted = Counter(map(tuple, drawn.tokens_NT[rows].tolist()))
        expected = exact_probabilities(model, source_1S)
        assert sum(expected.values()) == pytest.approx(1.0, abs=1e-5)
        for hypothesis, probability in expected.items():
            deviation = math.sqrt(probability * (1 - probability) / draws)
            assert abs(counted[hypothesis] / draws - probability) < 4.5 * deviation
        for hypothesis, log_prob in zip(drawn.tokens_NT[rows].tolist(), drawn.log_probs_N[rows].tolist(), strict=True):
            assert log_prob == pytest.approx(math.log(expected[tuple(hypothesis)]), abs=1e-4)


@torch.no_grad()
def exact_probabilities(model: Seq2SeqTransformer, source_1S: Tensor) -> dict[tuple[int, int], float]:
    def following(prefix: list[int]) -> Tensor:
        logits_V = model(source_1S, torch.tensor([[BOS, *prefix]]))[0, -1]
        logits_V[[PAD, BOS]] = -math.inf
        return logits_V.softmax(-1)

    first_V = following([])
    exact = {(EOS, PAD): first_V[EOS].item()}
    for first in (1, 4, 5):
        second_V = following([first])
        exact |= {(first, second): (first_V[first] * second_V[second]).item() for second in (1, 3, 4, 5)}
    return exact


def test_log_probs_are_the_model_s_own_whatever_the_temperature_and_the_cut() -> None:
    model = MODEL
    search, bounds = Sample(temperature=0.5, top_k=2), torch.tensor([2, 2])
    drawn = scored(model, SOURCE, search, max_lengths_B=bounds, uniforms_NT=uniforms(10, 2), samples=5)
    for row in range(10):
        exact = exact_probabilities(model, SOURCE[row // 5 : row // 5 + 1])
        assert drawn.log_probs_N[row].exp().item() == pytest.approx(exact[tuple(drawn.tokens_NT[row].tolist())])


@pytest.mark.parametrize("given", [True, False], ids=["given", "global"])
def test_uniforms_decide_every_draw(given: bool) -> None:
    def drawn(seed: int) -> list[list[int]]:
        torch.manual_seed(9 if given else seed)
        uniforms_NT = uniforms(32, 8, seed=seed) if given else None
        bounds = torch.tensor([8, 8])
        found = generate(MODEL, SOURCE, Sample(), max_lengths_B=bounds, uniforms_NT=uniforms_NT, samples=16)
        return found.tokens_NT.tolist()

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_given_uniforms_spare_the_global_generator() -> None:
    before = torch.get_rng_state()
    generate(MODEL, SOURCE, Sample(), max_lengths_B=torch.tensor([8, 8]), uniforms_NT=uniforms(2, 8))
    assert torch.equal(torch.get_rng_state(), before)


def test_uniforms_of_other_rows_are_refused() -> None:
    with pytest.raises(AssertionError, match="uniforms of 2 rows for 6 hypotheses"):
        generate(MODEL, SOURCE, Sample(), max_lengths_B=torch.tensor([8, 8]), uniforms_NT=uniforms(2, 8), samples=3)


def test_a_very_low_temperature_is_greedy_and_samples_of_a_source_are_adjacent() -> None:
    model, bounds = MODEL, torch.tensor([7, 4])
    greedy = scored(model, SOURCE, Greedy(), max_lengths_B=bounds)
    assert not torch.equal(greedy.tokens_NT[0], greedy.tokens_NT[1])
    search = Sample(temperature=1e-3)
    cold = scored(model, SOURCE, search, max_lengths_B=bounds, uniforms_NT=uniforms(6, 7), samples=3)
    assert torch.equal(cold.tokens_NT, greedy.tokens_NT.repeat_interleave(3, dim=0))
    torch.testing.assert_close(cold.log_probs_N, greedy.log_probs_N.repeat_interleave(3))


ROWS = np.array([3, 0, 2**32 + 3, 8], dtype=np.int64)


def test_a_row_s_uniforms_depend_on_no_other_row_and_on_no_size() -> None:
    whole_RSW = row_uniforms(7, ROWS, width=13, samples=5).view(4, 5, 13)
    assert whole_RSW.dtype == torch.float32
    order = [2, 0, 3]
    for samples, width in ((5, 13), (2, 13), (5, 4), (1, 1), (3, 40)):
        part_RSW = row_uniforms(7, ROWS[order], width=width, samples=samples).view(3, samples, width)
        shared = slice(None, min(samples, 5)), slice(None, min(width, 13))
        assert torch.equal(part_RSW[:, *shared], whole_RSW[order][:, *shared])


def test_every_key_row_sample_and_column_has_its_own_uniform() -> None:
    keys = [0, 1, 2**32, 2**56 - 1, 2**64 - 1]
    drawn = torch.cat([row_uniforms(key, ROWS, width=50, samples=8) for key in keys])
    # Of 8000 draws among 2²⁴ values, two are the same about 8000² / 2²⁵ = 1.9 times by chance.
    assert drawn.unique().numel() >= drawn.numel() - 10
    assert len({tuple(row.tolist()) for row in drawn[:, :2]}) == len(drawn)


def test_row_uniforms_are_uniform_within_and_across_rows() -> None:
    drawn_RSW = row_uniforms(11, np.arange(250), width=20, samples=8).view(250, 8, 20)
    assert 0.0 <= drawn_RSW.min() < drawn_RSW.max() < 1.0
    places_C = (drawn_RSW.flatten() * 10).long().bincount(minlength=10)
    assert_follows(places_C / drawn_RSW.numel(), torch.full((10,), 0.1), draws=drawn_RSW.numel())
    centred_RSW = drawn_RSW - 0.5
    for lag in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        product = centred_RSW * centred_RSW.roll(lag, dims=(0, 1, 2))
        # The product of two independent centred uniforms has variance 1/144.
        assert abs(product.mean().item()) < 4 / (12 * math.sqrt(product.numel()))


def test_no_uniforms_are_drawn_for_no_rows_or_no_columns() -> None:
    assert row_uniforms(1, ROWS[:0], width=3, samples=2).shape == (0, 3)
    assert row_uniforms(1, ROWS, width=0, samples=2).shape == (8, 0)
