"""K parallel passes feed back the tokens that step-by-step decoding picks, with the loss of a slow computation."""

import math
import random
from functools import cache
from itertools import pairwise
from typing import get_args

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from toy import batch_of, gradient, listening, pad, select, without_targets

from intelligen.config.schema.decoding import Greedy, Sample
from intelligen.config.schema.model import Seq2Seq
from intelligen.config.schema.probability_schedule import ProbabilitySchedule
from intelligen.config.schema.single_strategies import Recurrent
from intelligen.data.batches import Batch
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.decoding.generate import generate
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer
from intelligen.optimization import Loss
from intelligen.strategies.base import UpdateContext
from intelligen.strategies.recurrent import RecurrentCriterion
from intelligen.strategies.teacher_forcing import TeacherForcing

VOCABULARY = 12
CONFIG = Seq2Seq(d_model=16, d_ff=32, heads=2, encoder_layers=1, decoder_layers=1)
SMOOTHING = 0.1
STEP = UpdateContext(seed=1, update=3, total_updates=10)
TEACHER = TeacherForcing(label_smoothing=SMOOTHING)
PICKS = get_args(Recurrent.model_fields["pick"].annotation)
MIXTURES = ("softmax", "gumbel", "soft_top_k")
every_pick = pytest.mark.parametrize("pick", PICKS)
every_mixture = pytest.mark.parametrize("pick", MIXTURES)


def sentences(count: int, *, shortest: int, longest: int, seed: int) -> Batch:
    """The target is the source backwards."""
    rng = random.Random(seed)
    rows = [[rng.randrange(4, VOCABULARY) for _ in range(rng.randint(shortest, longest))] for _ in range(count)]
    return batch_of([[*row, EOS] for row in rows], [[*row[::-1], EOS] for row in rows])


@cache
def half_trained(*, dropout: float = 0.0) -> Seq2SeqTransformer:
    """A model that writes something else for every source, and much of it wrong."""
    config = CONFIG.model_copy(update={"dropout": dropout})
    torch.manual_seed(0)
    model = Seq2SeqTransformer(config, source_vocabulary=VOCABULARY, target_vocabulary=VOCABULARY)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for seed in range(60):
        optimizer.zero_grad()
        TEACHER(model, sentences(32, shortest=3, longest=8, seed=seed), STEP).total.backward()
        optimizer.step()
    return model


def held_out() -> Batch:
    return sentences(8, shortest=6, longest=8, seed=1000)


def knobs(pick: str = "argmax", *, gold: float = 0.0, **others: object) -> Recurrent:
    return Recurrent(pick=pick, gold_probability=ProbabilitySchedule(start=gold), **others)


def loss(
    settings: Recurrent, batch: Batch, *, model: Seq2SeqTransformer | None = None, step: UpdateContext = STEP
) -> Loss:
    model = model or half_trained()
    criterion = RecurrentCriterion(settings, teacher=TEACHER, label_smoothing=SMOOTHING)
    return criterion(model, batch, step)


def own_input(
    settings: Recurrent, batch: Batch, *, model: Seq2SeqTransformer | None = None, step: UpdateContext = STEP
) -> Tensor:
    """What the decoder reads in the gradient pass beside the reference: [B, T] or [B, T, V]."""
    model = model or half_trained()
    with listening(model) as heard:
        RecurrentCriterion(settings, teacher=TEACHER, label_smoothing=SMOOTHING)(model, batch, step)
    reference, own = (
        (both for both, _ in heard) if settings.pick in MIXTURES else heard[0][0].unflatten(0, (-1, 2)).unbind(1)
    )
    assert torch.equal(reference, batch.target_in_BT)
    return own


def next_logits(model: Seq2SeqTransformer, source_1S: Tensor, inputs: Tensor) -> Tensor:
    """Logits [V] after the inputs, [t] or [t, V], as generation has them."""
    states = model.mixture_states if inputs.is_floating_point() else model.states
    logits_V = model.project(states(inputs[None], model.encode(source_1S)))[0, -1]
    return logits_V.masked_fill(F.one_hot(torch.tensor([PAD, BOS]), VOCABULARY).sum(dim=0).bool(), -math.inf)


def test_the_model_of_these_tests_is_neither_perfect_nor_degenerate() -> None:
    batch = held_out()
    found = generate(half_trained(), batch.source_BS, Greedy(), max_lengths_B=torch.full((8,), 9)).tokens_NT
    assert len({tuple(row) for row in found.tolist()}) == 8
    assert len(found.unique()) > 6
    agreement = (found[:, :5] == batch.target_out_BT[:, :5]).double().mean(dim=0)
    assert 0.1 < agreement.mean() < 0.8, agreement


@pytest.mark.parametrize("passes", [1, 2, 3, 5])
def test_after_k_passes_the_first_k_tokens_are_those_of_greedy_decoding(passes: int) -> None:
    batch = held_out()
    found = generate(half_trained(), batch.source_BS, Greedy(), max_lengths_B=torch.full((8,), 6)).tokens_NT
    own_BT = own_input(knobs(passes=passes), batch)
    assert (found[:, :passes] != PAD).all()
    assert torch.equal(own_BT[:, 1 : passes + 1], found[:, :passes])
    assert (own_BT[:, 0] == BOS).all()
    # One pass fewer does not yet know them all, or the tests of more passes would say nothing.
    if passes > 1:
        fewer_BT = own_input(knobs(passes=passes - 1), batch)
        assert not torch.equal(fewer_BT[:, 1 : passes + 1], found[:, :passes])


@pytest.mark.parametrize("passes", [1, 2, 3, 5])
@pytest.mark.parametrize(("pick", "top_k"), [("sample", 0), ("top_k", 3)])
def test_after_k_passes_the_first_k_tokens_are_those_that_sampling_draws(pick: str, top_k: int, passes: int) -> None:
    batch = held_out()
    uniforms_BT = STEP.uniforms("recurrent/pick", batch.rows, width=9)
    search = Sample(temperature=0.8, top_k=top_k)
    bounds_B = torch.full((8,), 6)
    found = generate(half_trained(), batch.source_BS, search, max_lengths_B=bounds_B, uniforms_NT=uniforms_BT).tokens_NT
    own_BT = own_input(knobs(pick, passes=passes, temperature=0.8, top_k=3), batch)
    written = found[:, :passes] != PAD
    assert written.double().mean() > 0.8
    assert torch.equal(own_BT[:, 1 : passes + 1][written], found[:, :passes][written])


@every_pick
def test_with_gold_probability_one_it_is_teacher_forcing(pick: str) -> None:
    model, batch = half_trained(), held_out()
    found = loss(knobs(pick, gold=1.0, passes=2, mle_weight=0.25, recurrent_weight=0.75), batch)
    teacher = TEACHER(model, batch, STEP)
    torch.testing.assert_close(found.total, teacher.total, rtol=1e-6, atol=0)
    torch.testing.assert_close(gradient(found.total, model), gradient(teacher.total, model), rtol=1e-5, atol=1e-7)
    assert found.sums.means()["train/replaced_pct"] == 0


@pytest.mark.parametrize("gold", [0.2, 0.8])
def test_the_gold_probability_is_the_share_that_stays_the_reference_s(gold: float) -> None:
    batch = sentences(100, shortest=7, longest=8, seed=5)
    own_BTV = own_input(knobs("softmax", gold=gold, temperature=10.0), batch)
    # So hot a softmax is nowhere near one-hot, so that what is one-hot was kept.
    kept_BT = own_BTV.amax(dim=-1) == 1.0
    replaceable_BT = (batch.target_in_BT != PAD) & (batch.target_in_BT != BOS)
    count = int(replaceable_BT.sum())
    share = kept_BT[replaceable_BT].double().mean().item()
    assert abs(share - gold) < 4 * math.sqrt(gold * (1 - gold) / count)
    assert torch.equal(own_BTV.argmax(dim=-1)[kept_BT], batch.target_in_BT[kept_BT])
    reported = loss(knobs("argmax", gold=gold), batch).sums.means()["train/replaced_pct"]
    assert reported == pytest.approx(100 * (1 - share))


def test_the_schedule_decides_at_every_update() -> None:
    batch = held_out()
    moving = Recurrent(gold_probability=ProbabilitySchedule(shape="linear", start=1.0, end=0.0))
    replaced = [
        loss(moving, batch, step=UpdateContext(seed=1, update=update, total_updates=11)).sums.means()[
            "train/replaced_pct"
        ]
        for update in (1, 6, 11)
    ]
    assert replaced[0] == 0
    assert 20 < replaced[1] < 80
    assert replaced[2] == 100


@every_pick
@pytest.mark.parametrize("passes", [1, 3])
def test_the_loss_and_its_gradient_are_those_of_a_slow_computation_sentence_by_sentence(pick: str, passes: int) -> None:
    model, batch = half_trained(), held_out()
    settings = knobs(pick, passes=passes, gold=0.4, temperature=0.7, top_k=3, mle_weight=0.3, recurrent_weight=0.6)
    coins_BT = STEP.uniforms("recurrent/gold", batch.rows, width=9)
    uniforms_BT = STEP.uniforms("recurrent/pick", batch.rows, width=9)
    noise_W = STEP.uniforms("recurrent/noise", torch.zeros(1).long().numpy(), width=2**20 + VOCABULARY - 1)[0]
    both = []
    for row in range(8):
        source_1S = batch.source_BS[row][batch.source_BS[row] != PAD][None]
        target_T = batch.target_out_BT[row][batch.target_out_BT[row] != PAD]
        gold_T = batch.target_in_BT[row, : len(target_T)]
        gold_inputs = inputs_TV = F.one_hot(gold_T, VOCABULARY).float()
        for _ in range(passes):
            picked = [gold_inputs[0]]
            for t in range(1, len(target_T)):
                logits_V = next_logits(model, source_1S, inputs_TV[:t]).detach()
                start = int(uniforms_BT[row, t - 1] * 2**20)
                noise_V = -torch.log(-torch.log(noise_W[start : start + VOCABULARY]))
                own_V = slow_pick(pick, logits_V, uniform=float(uniforms_BT[row, t - 1]), noise_V=noise_V)
                picked.append(gold_inputs[t] if coins_BT[row, t] < 0.4 else own_V)
            inputs_TV = torch.stack(picked)
        for weight, read in ((0.3, gold_inputs), (0.6, inputs_TV)):
            logits_1TV = model.project(model.mixture_states(read[None], model.encode(source_1S)))
            both.append(weight * F.cross_entropy(logits_1TV[0], target_T, reduction="sum", label_smoothing=SMOOTHING))
    slow = torch.stack(both).sum() / batch.update_targets
    fast = loss(settings, batch).total
    torch.testing.assert_close(fast, slow, rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient(fast, model), gradient(slow, model), rtol=1e-4, atol=1e-6)


def slow_pick(pick: str, logits_V: Tensor, *, uniform: float, noise_V: Tensor) -> Tensor:
    """A mixture [V], at temperature 0.7 and top_k 3; a token is a one-hot mixture."""
    warm_V = logits_V / 0.7
    order_V = logits_V.argsort(descending=True)
    head_V = warm_V.masked_fill(~torch.isin(torch.arange(VOCABULARY), order_V[:3]), -math.inf)
    match pick:
        case "softmax":
            return warm_V.softmax(dim=-1)
        case "soft_top_k":
            return head_V.softmax(dim=-1)
        case "gumbel":
            return ((logits_V + noise_V) / 0.7).softmax(dim=-1)
        case "argmax":
            token = int(order_V[0])
        case "sample":
            token = next(v for v in range(VOCABULARY) if float(warm_V.softmax(dim=-1)[: v + 1].sum()) > uniform)
        case "top_k":
            probs_K = head_V.softmax(dim=-1)[order_V[:3]]
            token = next(int(order_V[i]) for i in range(3) if float(probs_K[: i + 1].sum()) > uniform)
    return F.one_hot(torch.tensor(token), VOCABULARY).float()


@every_pick
def test_padding_order_and_micro_batches_change_neither_loss_nor_gradient(pick: str) -> None:
    model, batch = half_trained(), held_out()
    settings = knobs(pick, passes=2, gold=0.4)
    whole = loss(settings, batch)
    expected = gradient(whole.total, model)
    parts = [select(batch, range(start, end)) for start, end in pairwise([0, 1, 5, 8])]
    for shares in ([pad(batch, columns=3)], [select(batch, [5, 2, 7, 0, 1, 3, 6, 4])], parts):
        found = [loss(settings, share) for share in shares]
        total = torch.stack([share.total for share in found]).sum()
        torch.testing.assert_close(gradient(total, model), expected, rtol=1e-4, atol=1e-6)
        for share in found[1:]:
            found[0].sums.add(share.sums)
        assert found[0].sums.means() == pytest.approx(whole.sums.means(), rel=1e-5)


@every_mixture
def test_a_mixture_is_made_of_tokens_that_generation_could_pick(pick: str) -> None:
    batch = pad(held_out(), columns=2)
    own_BTV = own_input(knobs(pick, top_k=3), batch)
    torch.testing.assert_close(own_BTV.sum(dim=-1), torch.ones(own_BTV.shape[:2]))
    one_hot_BTV = F.one_hot(batch.target_in_BT, VOCABULARY).float()
    kept_BT = (batch.target_in_BT == PAD) | (batch.target_in_BT == BOS)
    assert torch.equal(own_BTV[kept_BT], one_hot_BTV[kept_BT])
    assert not own_BTV[~kept_BT][:, [PAD, BOS]].any()
    others = (own_BTV[~kept_BT] > 0).sum(dim=-1)
    assert (others == (3 if pick == "soft_top_k" else VOCABULARY - 2)).all()


@pytest.mark.parametrize("pick", ["softmax", "soft_top_k"])
def test_a_cold_mixture_is_the_most_probable_token(pick: str) -> None:
    model, batch = half_trained(), held_out()
    cold = loss(knobs(pick, passes=2, gold=0.3, temperature=1e-5), batch).total
    hard = loss(knobs("argmax", passes=2, gold=0.3), batch).total
    torch.testing.assert_close(cold, hard, rtol=1e-6, atol=0)
    torch.testing.assert_close(gradient(cold, model), gradient(hard, model), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("pick", ["sample", "gumbel"])
def test_draws_follow_the_model_s_distribution(pick: str) -> None:
    """A cold Gumbel mixture is a draw from the distribution that the noise was added to."""
    rows = 6000
    model, batch = half_trained(), batch_of([[4, 9, 5, 7, EOS]] * rows, [[5, 6, EOS]] * rows)
    temperature = 1e-5 if pick == "gumbel" else 1.0
    own = own_input(knobs(pick, temperature=temperature), batch)
    token_B = own[:, 1] if pick == "sample" else own[:, 1].argmax(dim=-1)
    observed_V = token_B.bincount(minlength=VOCABULARY) / rows
    with torch.no_grad():
        expected_V = next_logits(model, batch.source_BS[:1], torch.tensor([BOS])).softmax(dim=-1)
    assert (expected_V > 0.05).sum() > 2
    assert ((observed_V - expected_V).abs() <= 4 * (expected_V * (1 - expected_V) / rows).sqrt()).all()


@every_pick
def test_neither_padding_nor_a_beginning_is_ever_picked(pick: str) -> None:
    batch = held_out()
    torch.manual_seed(0)
    model = Seq2SeqTransformer(CONFIG, source_vocabulary=VOCABULARY, target_vocabulary=VOCABULARY)
    with torch.no_grad():
        model.target_embedding.weight[[PAD, BOS]] = 9 * model.target_embedding.weight[[4, 5]]
        favourite_BT = model(batch.source_BS, batch.target_in_BT).argmax(dim=-1)
    assert (favourite_BT == PAD).any()
    assert (favourite_BT == BOS).any()
    own = own_input(knobs(pick, passes=2), batch, model=model)
    picked = own[(batch.target_in_BT != PAD) & (batch.target_in_BT != BOS)]
    if pick in MIXTURES:
        assert not picked[:, [PAD, BOS]].any()
    else:
        assert not torch.isin(picked, torch.tensor([PAD, BOS])).any()


def test_a_picked_end_is_read_like_any_token_and_the_positions_after_it_count() -> None:
    batch = held_out()
    sources, references = batch.source_BS.tolist(), batch.target_out_BT.tolist()
    longer = batch_of(sources, [[*row, *row, EOS] for row in ([t for t in row if t > EOS] for row in references)])
    found = generate(half_trained(), batch.source_BS, Greedy(), max_lengths_B=torch.full((8,), 9))
    own_BT = own_input(knobs(passes=9), longer)
    written = found.tokens_NT != PAD
    assert found.finished_N.any()
    assert torch.equal(own_BT[:, 1:10][written], found.tokens_NT[written])
    assert not (own_BT[longer.target_in_BT != PAD] == PAD).any()
    shares = loss(knobs(passes=9), longer).sums.to_lists()
    assert shares["train/recurrent_loss"][1] == shares["train/loss"][1] == longer.num_targets


@every_pick
def test_picks_are_made_without_dropout_and_leave_training_mode_on(pick: str) -> None:
    batch = held_out()
    lively, sober = half_trained(dropout=0.5), half_trained(dropout=0.5)
    lively.train()
    torch.manual_seed(1)
    trained = own_input(knobs(pick, passes=2), batch, model=lively)
    assert all(part.training for part in lively.modules())
    sober.eval()
    evaluated = own_input(knobs(pick, passes=2), batch, model=sober)
    assert torch.equal(trained, evaluated)


@pytest.mark.parametrize("passes", [1, 4])
def test_k_passes_cost_k_decoder_passes_without_a_gradient_and_one_encoder_pass(passes: int) -> None:
    seen = passes_of(knobs(passes=passes))
    assert seen == {"encoder": [False, True], "decoder": [False] * passes + [True]}


def passes_of(settings: Recurrent) -> dict[str, list[bool]]:
    """Whether each pass of an update has a gradient."""
    model, batch, seen = half_trained(), held_out(), {"encoder": [], "decoder": []}
    hooks = [
        getattr(model, part)[0].register_forward_pre_hook(
            lambda *_, part=part: seen[part].append(torch.is_grad_enabled())
        )
        for part in seen
    ]
    loss(settings, batch)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("passes", [1, 3])
@every_pick
def test_without_dropout_the_anchor_picks_what_a_separate_pass_does(pick: str, passes: int) -> None:
    model, batch = half_trained(), held_out()
    settings = knobs(pick, passes=passes, gold=0.4, temperature=0.7, top_k=3, mle_weight=0.3)
    separate, anchor = (loss(settings.model_copy(update={"picks": picks}), batch) for picks in ("separate", "anchor"))
    torch.testing.assert_close(anchor.total, separate.total, rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient(anchor.total, model), gradient(separate.total, model), rtol=1e-4, atol=1e-6)
    assert anchor.sums.means() == pytest.approx(separate.sums.means(), rel=1e-5)


def test_the_anchor_picks_from_the_very_pass_that_its_loss_is_of() -> None:
    """Its dropout included, which none of its passes goes without."""
    batch, model = held_out(), half_trained(dropout=0.5)
    with listening(model.train()) as heard:
        loss(knobs(picks="anchor"), batch, model=model)
    (_, reference_BTV), (own_BT, _) = heard
    picked_BT = reference_BTV.index_fill(2, torch.tensor([PAD, BOS]), -math.inf).argmax(dim=-1)
    replaced_BT = (batch.target_in_BT != PAD) & (batch.target_in_BT != BOS)
    assert torch.equal(own_BT[replaced_BT], picked_BT.roll(1, dims=1)[replaced_BT])
    sober_BT = own_input(knobs(), batch, model=model)
    assert not torch.equal(own_BT, sober_BT)


@pytest.mark.parametrize("mle_weight", [0.5, 0.0])
@pytest.mark.parametrize("passes", [1, 4])
def test_the_anchor_s_picks_cost_no_pass_but_those_after_the_first(passes: int, mle_weight: float) -> None:
    seen = passes_of(knobs(picks="anchor", passes=passes, mle_weight=mle_weight))
    assert seen == {"encoder": [True], "decoder": [mle_weight > 0] + [False] * (passes - 1) + [True]}


@every_pick
def test_a_row_without_targets_adds_nothing(pick: str) -> None:
    model, batch = half_trained(), without_targets(select(held_out(), [0]))
    found = loss(knobs(pick, passes=2), batch)
    assert found.total.item() == 0
    assert not gradient(found.total, model).any()
    assert found.sums.means() == {}


@pytest.mark.parametrize("mle_weight", [0.5, 0.0])
@pytest.mark.parametrize("picks", ["separate", "anchor"])
@every_pick
def test_in_bfloat16_the_gradient_reaches_all_that_it_reaches_in_float32(
    pick: str, picks: str, mle_weight: float
) -> None:
    """A weight that the picks round, without a gradient, must be rounded anew for the pass that has one."""
    model, batch = half_trained(), held_out()
    # What is picked is not read, since rounding may change it.
    settings = knobs(pick, gold=1.0, picks=picks, mle_weight=mle_weight)
    exact = gradient(loss(settings, batch).total, model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = loss(settings, batch).total
    assert (gradient(rounded, model) - exact).norm() < 0.05 * exact.norm()
