"""Beam search: exhaustive where the beam has room, greedy where it is one, and it ends when no prefix can win."""

import itertools
import math
from functools import partial

import pytest
import torch
from torch import Tensor

from intelligen.config.schema.decoding import Beam, ByLength, Greedy
from intelligen.config.schema.model import Seq2Seq
from intelligen.data.special_tokens import BOS, EOS, PAD, UNK
from intelligen.decoding.beam_search import beam_search
from intelligen.decoding.generate import generate
from intelligen.decoding.hypotheses import Hypotheses
from intelligen.models.attention import Heads
from intelligen.models.kv_cache import KVCache
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer

torch.set_num_threads(1)
scored = partial(generate, log_probs=True)
A, B = 4, 5
BY_LENGTH = ByLength(form="length")
CONFIG = Seq2Seq(d_model=16, d_ff=24, heads=2, encoder_layers=1, decoder_layers=2, tied_embeddings="none")


def decided_model(vocabulary: int, *, seed: int) -> Seq2SeqTransformer:
    torch.manual_seed(seed)
    model = Seq2SeqTransformer(CONFIG, source_vocabulary=vocabulary, target_vocabulary=vocabulary)
    with torch.no_grad():
        model.output.weight.mul_(3.0)
    return model


def all_finished(vocabulary: int, *, max_length: int) -> list[tuple[int, ...]]:
    pieces = [UNK, *range(EOS + 1, vocabulary)]
    return [(*prefix, EOS) for length in range(max_length) for prefix in itertools.product(pieces, repeat=length)]


@torch.no_grad()
def log_probability(model: Seq2SeqTransformer, source_1S: Tensor, hypothesis: tuple[int, ...]) -> float:
    logits_TV = model(source_1S, torch.tensor([[BOS, *hypothesis[:-1]]]))[0]
    logits_TV[:, [PAD, BOS]] = -math.inf
    return logits_TV.log_softmax(-1)[range(len(hypothesis)), hypothesis].sum().item()


def divisor(tokens: int, by: float | ByLength) -> float:
    return tokens**by.alpha if isinstance(by, ByLength) else ((5 + tokens) / 6) ** by


@pytest.mark.parametrize("by", [0.0, 0.6, 1.0, BY_LENGTH], ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_a_beam_with_room_for_every_prefix_is_exhaustive(seed: int, by: float | ByLength) -> None:
    model = decided_model(6, seed=seed).eval()
    source_BS = torch.tensor([[4, 5, 1, 4, 3], [5, 5, 3, 0, 0], [4, 3, 0, 0, 0]])
    bounds = [4, 3, 2]
    found = generate(model, source_BS, Beam(size=108, length_penalty=by), max_lengths_B=torch.tensor(bounds))
    for row, bound in enumerate(bounds):
        scored = {}
        for hypothesis in all_finished(6, max_length=bound):
            log_prob = log_probability(model, source_BS[row : row + 1], hypothesis)
            scored[hypothesis] = log_prob / divisor(len(hypothesis), by), log_prob
        best = max(scored, key=lambda hypothesis: scored[hypothesis])
        length = int(found.lengths_N[row])
        assert tuple(found.tokens_NT[row, :length].tolist()) == best
        assert found.log_probs_N[row].item() == pytest.approx(scored[best][1], abs=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("seed", [0, 5, 9])
def test_a_beam_of_one_is_greedy(seed: int, alpha: float) -> None:
    model = decided_model(12, seed=seed)
    source_BS = torch.randint(4, 12, (16, 6), generator=torch.Generator().manual_seed(seed))
    bounds = torch.arange(16) % 7 + 3
    greedy = scored(model, source_BS, Greedy(), max_lengths_B=bounds)
    beam = generate(model, source_BS, Beam(size=1, length_penalty=alpha), max_lengths_B=bounds)
    assert 0 < int(greedy.finished_N.sum()) < 16
    assert torch.equal(beam.tokens_NT, greedy.tokens_NT)
    torch.testing.assert_close(beam.log_probs_N, greedy.log_probs_N)


def test_a_wider_beam_finds_what_greedy_misses() -> None:
    model = decided_model(12, seed=0)
    source_BS = torch.randint(4, 12, (32, 6), generator=torch.Generator().manual_seed(0))
    bounds = torch.full((32,), 10)
    greedy, beam = (
        scored(model, source_BS, search, max_lengths_B=bounds)
        for search in (Greedy(), Beam(size=8, length_penalty=0.0))
    )
    both_N = greedy.finished_N & beam.finished_N
    gain_N = (beam.log_probs_N - greedy.log_probs_N)[both_N]
    assert gain_N.min() > -1e-4
    assert gain_N.max() > 0.1


class Chain:
    """A first-order Markov chain in the place of a network: probabilities that a reader can check by hand."""

    def __init__(self, **next_tokens: dict[int, float]) -> None:
        names = {"begin": BOS, "a": A, "b": B}
        self.log_probs_VV = torch.zeros(6, 6)
        for name, row in next_tokens.items():
            self.log_probs_VV[names[name]] = -math.inf
            for token, probability in row.items():
                self.log_probs_VV[names[name], token] = math.log(probability)
        self.rows_computed: list[int] = []

    def __call__(self, tokens_NT: Tensor, cache: KVCache) -> Tensor:
        self.rows_computed.append(cache.rows)
        return self.log_probs_VV[tokens_NT]


def search_chain(chain: Chain, *, bounds: list[int], size: int, alpha: float | ByLength) -> Hypotheses:
    sources = len(bounds)
    cache = KVCache(Heads(1, 1, 1), [torch.zeros(sources, 1, 2)], None, rows_per_source=size, max_length=max(bounds))
    return beam_search(
        chain, cache, size=size, length_penalty=alpha, max_lengths_B=torch.tensor(bounds), longest=max(bounds)
    )


def test_the_length_penalty_decides_between_short_and_long() -> None:
    chain = Chain(begin={EOS: 0.3, A: 0.7}, a={B: 0.8, EOS: 0.2}, b={EOS: 0.37, A: 0.63})
    plain = search_chain(chain, bounds=[3], size=4, alpha=0.0)
    assert plain.tokens_NT.tolist() == [[EOS]]
    assert plain.log_probs_N.item() == pytest.approx(math.log(0.3))
    # log 0.3 / lp(1) = -1.20, log (0.7·0.2) / lp(2) = -1.69, log (0.7·0.8·0.37) / lp(3) = -1.18.
    penalised = search_chain(chain, bounds=[3], size=4, alpha=1.0)
    assert penalised.tokens_NT.tolist() == [[A, B, EOS]]
    assert penalised.log_probs_N.item() == pytest.approx(math.log(0.7 * 0.8 * 0.37))


def test_by_length_the_mean_of_the_tokens_decides() -> None:
    chain = Chain(begin={EOS: 0.5, A: 0.5}, a={EOS: 0.5, B: 0.5}, b={EOS: 0.7, A: 0.3})
    # By Wu et al. log 0.5 = -0.69 is best. The means: -0.69 twice and, of `a b EOS`, (2·log 0.5 + log 0.7) / 3 = -0.58.
    assert search_chain(chain, bounds=[3], size=4, alpha=1.0).tokens_NT.tolist() == [[EOS]]
    assert search_chain(chain, bounds=[3], size=4, alpha=BY_LENGTH).tokens_NT.tolist() == [[A, B, EOS]]


def test_without_any_finished_hypothesis_the_best_prefix_is_returned() -> None:
    chain = Chain(begin={A: 0.7, B: 0.3}, a={A: 0.2, B: 0.8}, b={A: 0.1, B: 0.9})
    found = search_chain(chain, bounds=[3, 2], size=3, alpha=0.6)
    assert found.tokens_NT.tolist() == [[A, B, B], [A, B, PAD]]
    assert not found.finished_N.any()
    assert found.log_probs_N.tolist() == pytest.approx([math.log(0.7 * 0.8 * 0.9), math.log(0.7 * 0.8)])


def test_a_finished_hypothesis_is_preferred_to_an_unfinished_prefix() -> None:
    chain = Chain(begin={A: 0.99, EOS: 0.01}, a={A: 1.0}, b={A: 1.0})
    found = search_chain(chain, bounds=[6], size=2, alpha=0.0)
    assert found.tokens_NT.tolist() == [[EOS]]


def test_the_search_ends_once_no_prefix_can_win() -> None:
    chain = Chain(begin={EOS: 0.9, A: 0.1}, a={A: 1.0}, b={A: 1.0})
    search_chain(chain, bounds=[50], size=4, alpha=0.6)
    # The prefix `a` could reach log 0.1 / lp(50) = -0.64 against log 0.9 / lp(1) = -0.11.
    assert len(chain.rows_computed) == 1


def test_the_search_goes_on_while_a_longer_hypothesis_could_win() -> None:
    # log 0.55 = -0.60 wins by itself; log (0.45·0.9) / lp(3) = -0.38 wins with α = 3.
    chain = Chain(begin={EOS: 0.55, A: 0.45}, a={B: 1.0}, b={A: 0.1, EOS: 0.9})
    assert search_chain(chain, bounds=[10], size=4, alpha=3.0).lengths_N.item() > 1
    assert search_chain(chain, bounds=[10], size=4, alpha=0.0).lengths_N.item() == 1


def test_finished_sources_leave_the_batch() -> None:
    chain = Chain(begin={A: 1.0}, a={A: 1.0}, b={A: 1.0})
    found = search_chain(chain, bounds=[1, 2, 3, 10], size=2, alpha=0.6)
    assert found.lengths_N.tolist() == [1, 2, 3, 10]
    assert chain.rows_computed == [8, 6, 4, 2, 2, 2, 2, 2, 2, 2]


def test_a_source_that_waits_to_leave_keeps_its_result() -> None:
    chain = Chain(begin={A: 0.9, EOS: 0.1}, a={EOS: 1.0})
    found = search_chain(chain, bounds=[1] + [3] * 9, size=2, alpha=0.0)
    assert chain.rows_computed == [20, 20]
    assert found.tokens_NT.tolist() == [[EOS, PAD]] + [[A, EOS]] * 9
