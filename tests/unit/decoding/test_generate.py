"""Generation depends on no other row of the batch, keeps its bounds, and leaves each module in its mode."""

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from intelligen.config.schema.decoding import Beam, DecodingSearch, Greedy, Sample
from intelligen.config.schema.model import Seq2Seq
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.decoding.generate import generate
from intelligen.decoding.hypotheses import Hypotheses
from intelligen.decoding.token_sampling import draw
from intelligen.models.kv_cache import KVCache
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer

torch.set_num_threads(1)
scored = partial(generate, log_probs=True)
CONFIG = Seq2Seq(
    d_model=16, d_ff=24, heads=2, encoder_layers=2, decoder_layers=2, tied_embeddings="none", max_positions=16
)
VOCABULARY = 12
SEARCHES = [Greedy(), Beam(size=4), Sample(top_p=0.9)]
LENGTHS = [5, 9, 2, 7, 7, 3, 8, 6, 1, 4]
BOUNDS = [12, 3, 9, 12, 5, 12, 7, 12, 12, 1]


def decided_model(seed: int = 5) -> Seq2SeqTransformer:
    torch.manual_seed(seed)
    model = Seq2SeqTransformer(CONFIG, source_vocabulary=VOCABULARY, target_vocabulary=VOCABULARY)
    with torch.no_grad():
        model.output.weight.mul_(3.0)
    return model


def sources() -> Tensor:
    source_BS = torch.randint(4, VOCABULARY, (len(LENGTHS), 9), generator=torch.Generator().manual_seed(0))
    return source_BS.masked_fill(torch.arange(9) >= torch.tensor(LENGTHS)[:, None], PAD)


def text(hypotheses: Hypotheses, row: int) -> list[int]:
    return hypotheses.tokens_NT[row, : int(hypotheses.lengths_N[row])].tolist()


def test_the_fixture_ends_some_hypotheses_and_cuts_others() -> None:
    found = generate(decided_model(), sources(), Greedy(), max_lengths_B=torch.tensor(BOUNDS))
    assert 2 <= int(found.finished_N.sum()) <= 8
    assert len(found.lengths_N.unique()) > 3


@pytest.mark.parametrize("search", [Greedy(), Beam(size=4)], ids=lambda search: search.name)
def test_padding_and_batch_composition_change_nothing(search: DecodingSearch) -> None:
    model, source_BS, bounds = decided_model(), sources(), torch.tensor(BOUNDS)
    together = scored(model, source_BS, search, max_lengths_B=bounds)
    padded = scored(model, pad(source_BS, (0, 5)), search, max_lengths_B=bounds)
    order = torch.randperm(len(BOUNDS), generator=torch.Generator().manual_seed(1))
    shuffled = scored(model, source_BS[order], search, max_lengths_B=bounds[order])
    for row, length in enumerate(LENGTHS):
        alone = scored(model, source_BS[row : row + 1, :length], search, max_lengths_B=bounds[row : row + 1])
        index = order.tolist().index(row)
        for other, at in ((alone, 0), (padded, row), (shuffled, index)):
            assert text(other, at) == text(together, row)
            torch.testing.assert_close(other.log_probs_N[at], together.log_probs_N[row])


@torch.no_grad()
def test_greedy_equals_a_plain_loop_without_a_cache() -> None:
    model, source_BS = decided_model().eval(), sources()
    found = scored(model, source_BS, Greedy(), max_lengths_B=torch.tensor(BOUNDS))
    for row, bound in enumerate(BOUNDS):
        prefix, log_prob = [BOS], 0.0
        while len(prefix) <= bound and prefix[-1] != EOS:
            logits_V = model(source_BS[row : row + 1], torch.tensor([prefix]))[0, -1]
            logits_V[[PAD, BOS]] = -torch.inf
            prefix.append(int(logits_V.argmax()))
            log_prob += logits_V.log_softmax(-1).max().item()
        assert text(found, row) == prefix[1:]
        assert found.log_probs_N[row].item() == pytest.approx(log_prob, abs=1e-4)
        assert bool(found.finished_N[row]) == (prefix[-1] == EOS)


@torch.no_grad()
@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, 0), (0.7, 3)])
def test_sampling_equals_a_plain_loop_over_each_row_s_own_uniforms(temperature: float, top_k: int) -> None:
    model, source_BS, search = decided_model().eval(), sources(), Sample(temperature=temperature, top_k=top_k)
    uniforms_NT = torch.rand(20, 12, generator=torch.Generator().manual_seed(2))
    bounds = torch.tensor(BOUNDS)
    found = generate(model, source_BS, search, max_lengths_B=bounds, uniforms_NT=uniforms_NT, samples=2)
    assert len(found.lengths_N.unique()) > 4
    for row, uniforms_T in enumerate(uniforms_NT):
        prefix = [BOS]
        while len(prefix) <= BOUNDS[row // 2] and prefix[-1] != EOS:
            logits_V = model(source_BS[row // 2, None], torch.tensor([prefix]))[0, -1]
            logits_V[[PAD, BOS]] = -torch.inf
            uniform_1 = uniforms_T[len(prefix) - 1, None]
            log_probs_1V = logits_V.log_softmax(-1)[None]
            prefix.append(int(draw(log_probs_1V, uniform_1, temperature=temperature, top_k=top_k, top_p=1.0)))
        assert text(found, row) == prefix[1:]


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.name)
def test_every_hypothesis_keeps_its_bound_and_its_form(search: DecodingSearch) -> None:
    bounds = torch.tensor(BOUNDS)
    found = scored(decided_model(), sources(), search, max_lengths_B=bounds)
    assert found.tokens_NT.dtype == torch.int64
    assert found.log_probs_N.dtype == torch.float32
    assert (found.lengths_N >= 1).all()
    assert (found.lengths_N <= bounds).all()
    assert ((found.lengths_N == bounds) | found.finished_N).all()
    for row in range(len(BOUNDS)):
        tokens = text(found, row)
        assert PAD not in tokens
        assert EOS not in tokens[:-1]
        assert set(found.tokens_NT[row, len(tokens) :].tolist()) <= {PAD}


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.name)
def test_pad_and_bos_are_never_generated(search: DecodingSearch) -> None:
    model = decided_model()
    with torch.no_grad():
        # Their logits would be the largest ones wherever the strongest of the others is positive.
        model.output.weight[[PAD, BOS]] = 3 * model.output.weight[[4, 5]]
    found = scored(model, sources(), search, max_lengths_B=torch.full((10,), 12))
    assert not (found.tokens_NT == BOS).any()
    assert all(PAD not in text(found, row) for row in range(10))
    assert found.log_probs_N.isfinite().all()


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.name)
def test_a_row_of_padding_alone_is_harmless(search: DecodingSearch) -> None:
    source_BS = sources()
    source_BS[3] = PAD
    found = scored(decided_model(), source_BS, search, max_lengths_B=torch.tensor(BOUNDS))
    assert found.log_probs_N.isfinite().all()


def test_a_bound_beyond_the_model_s_positions_is_cut_to_them() -> None:
    found = generate(decided_model(), sources(), Sample(), max_lengths_B=torch.full((10,), 1000), samples=8)
    assert int(found.lengths_N.max()) == CONFIG.max_positions


def test_finished_rows_leave_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rows_computed, extend = decided_model(), [], Seq2SeqTransformer.extend

    def recording(self: Seq2SeqTransformer, tokens_NT: Tensor, cache: KVCache) -> Tensor:
        rows_computed.append(tokens_NT.size(0))
        return extend(self, tokens_NT, cache)

    monkeypatch.setattr(Seq2SeqTransformer, "extend", recording)
    found = generate(model, sources(), Greedy(), max_lengths_B=torch.tensor(BOUNDS))
    still_live = [int((found.lengths_N > step).sum()) for step in range(len(rows_computed))]
    assert len(rows_computed) == int(found.lengths_N.max())
    assert all(live <= computed <= live / 0.875 for live, computed in zip(still_live, rows_computed, strict=True))
    assert rows_computed[-1] < rows_computed[0]


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.name)
def test_log_probabilities_are_taken_where_they_are_wanted_and_change_no_token(search: DecodingSearch) -> None:
    model, uniforms_NT = decided_model(), torch.rand(10, 12, generator=torch.Generator().manual_seed(1))
    given = {"max_lengths_B": torch.tensor(BOUNDS), "uniforms_NT": uniforms_NT}
    plain, wanted = (ask(model, sources(), search, **given) for ask in (generate, scored))
    assert torch.equal(plain.tokens_NT, wanted.tokens_NT)
    assert wanted.log_probs_N is not None
    assert (plain.log_probs_N is None) == (not isinstance(search, Beam))


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.name)
def test_every_module_gets_its_own_mode_back(search: DecodingSearch) -> None:
    model = decided_model().train()
    model.encoder.eval()
    modes = [module.training for module in model.modules()]
    generate(model, sources(), search, max_lengths_B=torch.tensor(BOUNDS))
    assert [module.training for module in model.modules()] == modes
    with pytest.raises(IndexError):
        generate(model, sources() + VOCABULARY, search, max_lengths_B=torch.tensor(BOUNDS))
    assert [module.training for module in model.modules()] == modes


def test_generation_has_no_dropout_even_in_training() -> None:
    torch.manual_seed(5)
    config = CONFIG.model_copy(update={"dropout": 0.5})
    model = Seq2SeqTransformer(config, source_vocabulary=VOCABULARY, target_vocabulary=VOCABULARY).train()
    first, second = (scored(model, sources(), Greedy(), max_lengths_B=torch.tensor(BOUNDS)) for _ in range(2))
    assert torch.equal(first.tokens_NT, second.tokens_NT)
    assert torch.equal(first.log_probs_N, second.log_probs_N)


@pytest.mark.parametrize("autocast", [False, True], ids=["fp32", "bf16"])
def test_generated_tokens_can_be_trained_on(autocast: bool) -> None:
    model = decided_model().train()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        rollout = scored(model, sources(), Greedy(), max_lengths_B=torch.tensor(BOUNDS))
        target_in_NT = torch.cat([torch.full((10, 1), BOS), rollout.tokens_NT[:, :-1]], dim=1)
        logits_NTV = model(sources(), target_in_NT)
        logits_NTV.float().log_softmax(-1)[..., EOS].mean().neg().backward()
    assert rollout.log_probs_N.dtype == torch.float32
    assert not rollout.tokens_NT.is_inference()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_several_hypotheses_per_source_need_sampling() -> None:
    with pytest.raises(AssertionError, match="beam finds one hypothesis per source"):
        generate(decided_model(), sources(), Beam(), max_lengths_B=torch.tensor(BOUNDS), samples=2)


def test_a_beam_of_one_is_greedy_to_the_last_token() -> None:
    model, bounds = decided_model(), torch.tensor(BOUNDS)
    greedy = scored(model, sources(), Greedy(), max_lengths_B=bounds)
    beam = generate(model, sources(), Beam(size=1, length_penalty=2.0), max_lengths_B=bounds)
    assert beam.tokens_NT.tolist() == greedy.tokens_NT.tolist()
    assert beam.log_probs_N.tolist() == greedy.log_probs_N.tolist()


def test_a_beam_of_one_is_greedy_where_log_probabilities_round_two_tokens_to_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logits_V = torch.zeros(VOCABULARY)
    logits_V[5], logits_V[6] = torch.tensor(0.1).nextafter(torch.tensor(1.0)), 0.1
    assert len(logits_V.log_softmax(0)[5:7].unique()) == 1
    model = decided_model()
    monkeypatch.setattr(model, "extend", lambda tokens_NT, cache: logits_V.expand(len(tokens_NT), 1, -1).clone())
    for search in (Greedy(), Beam(size=1)):
        found = generate(model, sources()[:1], search, max_lengths_B=torch.tensor([3]))
        assert found.tokens_NT.tolist() == [[5, 5, 5]]
