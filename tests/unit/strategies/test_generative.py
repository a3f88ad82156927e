"""Each generative target has the gradient of its formula, and padding and micro-batches do not change it."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
import torch
from sacrebleu.metrics import CHRF
from torch import Tensor, nn
from toy import (
    LONGEST,
    ChosenDraws,
    batch_of,
    decode,
    draws_of,
    every_output,
    gradient,
    greedy_output,
    listening,
    output_log_prob,
    pad,
    rows_of,
    select,
    toy_batch,
    toy_model,
    without_targets,
)

from intelligen.config.schema.decoding import Greedy
from intelligen.config.schema.generative_strategies import Generative
from intelligen.config.schema.probability_schedule import ProbabilitySchedule
from intelligen.data.batches import Batch
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.decoding.generate import generate
from intelligen.decoding.length_bound import LengthBound
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer
from intelligen.strategies.base import UpdateContext
from intelligen.strategies.generative import GenerativeCriterion, shift_right
from intelligen.strategies.teacher_forcing import TeacherForcing

SMOOTHING = 0.1
STEP = UpdateContext(seed=1, update=3, total_updates=10)
ALWAYS = ProbabilitySchedule(start=1.0)
TARGETS = ("gold_position", "risk", "self_critical", "gold_offpolicy")
# Log-probabilities and rewards are float32, whatever the model computes in.
FLOAT32 = {"rtol": 1e-5, "atol": 1e-7}


def objective_of(**knobs: Any) -> GenerativeCriterion:
    """A generative update alone, without its anchor, unless the knobs say otherwise."""
    defaults = {"probability": ALWAYS, "mle_weight": 0.0, "generative_weight": 1.0, "max_length": LONGEST}
    return GenerativeCriterion(
        Generative(**defaults | knobs).treatment(),
        teacher=TeacherForcing(label_smoothing=SMOOTHING),
        label_smoothing=SMOOTHING,
        decode=decode,
        rollout_bound=LengthBound(1.0, 4),
    )


def loss(criterion: GenerativeCriterion, forward: nn.Module, batch: Batch, step: UpdateContext = STEP) -> Tensor:
    criterion.prepare([batch], step)
    return criterion(forward, batch, step).total


def reward(output: Sequence[int], reference: Sequence[int]) -> float:
    """Sentence chrF in 0–1."""
    hypothesis, text = decode([[token for token in row if token != EOS] for row in (output, reference)])
    return CHRF().sentence_score(hypothesis, [text]).score / 100


def enumerating(model: Seq2SeqTransformer, batch: Batch, *, temperature: float = 1.0) -> ChosenDraws:
    """A step in which each source's samples are all of its possible outputs, once each."""
    draws = [
        draws_of(model, source_1S, output, temperature=temperature)
        for source_1S, _ in rows_of(batch)
        for output in every_output()
    ]
    return ChosenDraws(seed=1, update=3, total_updates=10, draws_NT=torch.tensor(draws))


# gold_position


def autoregressive_loss(model: Seq2SeqTransformer, batch: Batch) -> Tensor:
    """One graph through T decoder passes a row, each with the argmax of the ones before as its input."""
    losses = []
    for source_1S, reference in rows_of(batch):
        prefix = [BOS]
        for token in reference:
            logits_V = model(source_1S, torch.tensor([prefix]))[0, -1]
            log_probs_V = logits_V.log_softmax(dim=-1)
            losses.append(-(1 - SMOOTHING) * log_probs_V[token] - SMOOTHING * log_probs_V.mean())
            prefix.append(
                max((t for t in range(len(logits_V)) if t not in (PAD, BOS)), key=logits_V.tolist().__getitem__)
            )
            if prefix[-1] == EOS:
                break
    return torch.stack(losses).sum() / batch.update_targets


def test_one_pass_by_position_has_the_gradient_of_a_free_running_graph() -> None:
    model, batch = toy_model(), toy_batch()
    outputs = [greedy_output(model, source_1S, longest=len(reference)) for source_1S, reference in rows_of(batch)]
    for_reference = list(zip(outputs, (reference for _, reference in rows_of(batch)), strict=True))
    assert any(len(output) < len(reference) for output, reference in for_reference), "no rollout ends early"
    assert any(len(output) == len(reference) > 2 for output, reference in for_reference), "all rollouts end early"
    assert all(output != reference for output, reference in for_reference), "a rollout is its reference"

    fast, slow = loss(objective_of(target="gold_position"), model, batch), autoregressive_loss(model, batch)
    torch.testing.assert_close(fast, slow)
    torch.testing.assert_close(gradient(fast, model), gradient(slow, model))


# risk


@pytest.mark.parametrize(("alpha", "temperature"), [(0.5, 1.0), (1.0, 1.0), (0.5, 2.0)])
def test_risk_over_all_outputs_is_the_exact_risk_however_they_were_sampled(alpha: float, temperature: float) -> None:
    model, batch = toy_model(), toy_batch()
    candidates = len(every_output())
    exact = torch.zeros((), dtype=torch.float64)
    for source_1S, reference in rows_of(batch):
        scores = [output_log_prob(model, source_1S, output) / len(output) for output in every_output()]
        q_n = (alpha * torch.stack(scores)).softmax(dim=0)
        exact = exact + sum(q * (1 - reward(o, reference)) for q, o in zip(q_n, every_output(), strict=True))
    exact = exact / batch.update_rows
    criterion = objective_of(target="risk", candidates=candidates, alpha=alpha, temperature=temperature)
    estimate = loss(criterion, model, batch, enumerating(model, batch, temperature=temperature))
    torch.testing.assert_close(estimate.double(), exact, **FLOAT32)
    torch.testing.assert_close(gradient(estimate, model), gradient(exact, model), **FLOAT32)


# self_critical


def crowd(*, copies: int) -> Batch:
    """One sentence pair many times, as rows of their own."""
    return batch_of([[4, 5, 4, EOS]] * copies, [[5, 4, EOS]] * copies)


@cache
def advantages() -> tuple[float, ...]:
    """r(u) − r(greedy) of every output of the crowd's source."""
    model, ((source_1S, reference),) = toy_model(), rows_of(crowd(copies=1))
    baseline = reward(greedy_output(model, source_1S, longest=LONGEST), reference)
    return tuple(reward(output, reference) - baseline for output in every_output())


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_self_critical_weights_each_sample_by_its_advantage_over_the_greedy_output(temperature: float) -> None:
    """Each output once: −Σ (r(u) − r(greedy))·∇log p(u), p being what the samples are drawn from."""
    model, batch = toy_model(), crowd(copies=len(every_output()))
    source_1S, _ = rows_of(batch)[0]
    assert min(advantages()) < 0 < max(advantages())
    log_probs = [output_log_prob(model, source_1S, output, temperature=temperature) for output in every_output()]
    exact = -sum(a * log_prob for a, log_prob in zip(advantages(), log_probs, strict=True)) / batch.update_targets
    draws = [draws_of(model, source_1S, output, temperature=temperature) for output in every_output()]
    step = ChosenDraws(seed=1, update=3, total_updates=10, draws_NT=torch.tensor(draws))
    estimate = loss(objective_of(target="self_critical", temperature=temperature), model, batch, step)
    torch.testing.assert_close(estimate.double(), exact, **FLOAT32)
    torch.testing.assert_close(gradient(estimate, model), gradient(exact, model), **FLOAT32)


def test_self_critical_estimates_the_policy_gradient_without_bias() -> None:
    """Its mean over many updates is Σ p(u)·(r(u) − r(greedy))·∇log p(u), within four standard errors."""
    model, batch = toy_model(), crowd(copies=64)
    source_1S, _ = rows_of(batch)[0]
    log_probs = torch.stack([output_log_prob(model, source_1S, output) for output in every_output()])
    assert log_probs.exp().sum().item() == pytest.approx(1.0)
    # The gradient of the expectation itself: differentiating p gives p·∇log p.
    exact = gradient(-(log_probs.exp() * torch.tensor(advantages())).sum(), model)

    criterion = objective_of(target="self_critical")
    per_row = batch.update_targets / batch.update_rows
    estimates = torch.stack(
        [
            gradient(loss(criterion, model, batch, UpdateContext(1, update, 99)) * per_row, model)
            for update in range(1, 41)
        ]
    )
    # The exact gradient's own direction, the greedy baseline's, and some that nobody chose.
    directions = torch.randn(exact.numel(), 8, generator=torch.Generator().manual_seed(5), dtype=exact.dtype)
    directions = torch.cat([exact[:, None], directions], dim=1)
    directions = directions / directions.norm(dim=0)
    seen = estimates @ directions
    standard_errors = seen.std(dim=0) / len(seen) ** 0.5
    deviations = (seen.mean(dim=0) - exact @ directions) / standard_errors
    print(f"policy gradient, |exact| {exact.norm():.4f}, along nine directions:")
    for along, error, deviation in zip(exact @ directions, standard_errors, deviations, strict=True):
        print(f"  exact {along:+.5f}, standard error {error:.5f}, deviation {deviation:+.2f} standard errors")
    assert standard_errors[0] < 0.1 * exact.norm(), "the estimate is too rough to tell anything"
    assert (deviations.abs() < 4).all()


# gold_offpolicy


def test_off_policy_weights_are_constants() -> None:
    """−Σ w·∇log p with w computed apart, some of the weights at their floor and some above."""
    model, batch, floor = toy_model(), toy_batch(), 0.2
    log_probs = []
    for source_1S, reference in rows_of(batch):
        for position, token in enumerate(reference):
            logits_V = model(source_1S, torch.tensor([[BOS, *reference[:position]]]))[0, -1]
            log_probs.append(logits_V.log_softmax(dim=-1)[token])
    weights = [max(log_prob.exp().item(), floor) for log_prob in log_probs]
    assert min(weights) == floor < 1.5 * floor < max(weights)
    exact = -sum(w * log_prob for w, log_prob in zip(weights, log_probs, strict=True)) / batch.update_targets
    fast = loss(objective_of(target="gold_offpolicy", min_importance=floor), model, batch)
    torch.testing.assert_close(fast.double(), exact, **FLOAT32)
    torch.testing.assert_close(gradient(fast, model), gradient(exact, model), **FLOAT32)


# What is true of all


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("target", TARGETS)
def test_padding_order_and_micro_batches_do_not_change_the_update(target: str, temperature: float) -> None:
    """Draws belong to rows, not to places in a batch."""
    model, batch = toy_model(), toy_batch()
    criterion = objective_of(target=target, temperature=temperature, mle_weight=0.5)
    ways = {
        "plain": [batch],
        "padded": [pad(batch, columns=3)],
        "reversed": [select(batch, [3, 2, 1, 0])],
        "micro-batches": [select(batch, [1, 3]), select(batch, [2]), select(batch, [0])],
    }
    gradients = {
        name: gradient(torch.stack([loss(criterion, model, part).double() for part in parts]).sum(), model)
        for name, parts in ways.items()
    }
    for name in ways:
        torch.testing.assert_close(
            gradients[name], gradients["plain"], **FLOAT32, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("target", TARGETS)
def test_a_batch_that_only_keeps_a_rank_company_teaches_nothing(target: str) -> None:
    model, batch = toy_model(), without_targets(select(toy_batch(), [0]))
    total = loss(objective_of(target=target, mle_weight=0.5), model, batch)
    assert total == 0
    assert not gradient(total, model).any()


@pytest.mark.parametrize("target", ["gold_position", "risk", "self_critical"])
def test_sampled_rollouts_change_from_update_to_update(target: str) -> None:
    model, batch = toy_model(), toy_batch()
    criterion = objective_of(target=target, temperature=1.0)
    seen = {loss(criterion, model, batch, UpdateContext(1, update, 10)).item() for update in range(1, 6)}
    assert len(seen) > 1


@pytest.mark.parametrize("target", TARGETS)
def test_the_anchor_and_the_generative_loss_are_added_by_their_weights(target: str) -> None:
    model, batch = toy_model(), toy_batch()
    alone = loss(objective_of(target=target), model, batch)
    anchor = TeacherForcing(label_smoothing=SMOOTHING)(model, batch, STEP).total
    both = loss(objective_of(target=target, mle_weight=0.3, generative_weight=0.2), model, batch)
    torch.testing.assert_close(both, 0.3 * anchor + 0.2 * alone.double(), **FLOAT32)


def test_the_other_updates_are_teacher_forced() -> None:
    model, batch = toy_model(), select(toy_batch(), [1])
    criterion = objective_of(probability=ProbabilitySchedule(start=0.3))
    anchor = TeacherForcing(label_smoothing=SMOOTHING)(model, batch, STEP).total
    forced = [loss(criterion, model, batch, UpdateContext(1, update, 100)).equal(anchor) for update in range(1, 101)]
    # 100 draws: the standard deviation of the share is 0.046.
    assert abs(sum(forced) / 100 - 0.7) < 4 * 0.046


# The prediction at position t is an input at position t + 1


def test_shift_right_gives_each_prediction_to_the_next_position() -> None:
    shifted = shift_right(torch.tensor([[4, 5, 4, EOS, PAD], [5, EOS, PAD, PAD, PAD], [4, 4, 5, 5, 4]]))
    assert shifted.tolist() == [[BOS, 4, 5, 4, PAD], [BOS, 5, PAD, PAD, PAD], [BOS, 4, 4, 5, 5]]


@pytest.mark.parametrize("target", ["gold_position", "risk", "self_critical"])
@pytest.mark.parametrize("position", range(LONGEST))
def test_the_logits_at_a_position_see_no_prediction_of_that_position(target: str, position: int) -> None:
    """Two rollouts that part at `position`: what is computed up to there must be the same, behind it must not be."""
    model = toy_model()
    batch = batch_of([[4, 5, 4, EOS]], [[5, 4, 5]])
    samples = 2 if target == "risk" else 1
    seen = []
    for token in (4, 5):
        output = [4, 5, 4][:position] + [token] * (LONGEST - position)
        draws = draws_of(model, batch.source_BS, output)
        step = ChosenDraws(seed=1, update=3, total_updates=10, draws_NT=torch.tensor([draws] * samples))
        with listening(model) as heard:
            loss(objective_of(target=target, temperature=1.0, candidates=2), model, batch, step)
        own_in, own_logits = heard[-1]
        assert own_in.tolist() == [[BOS, *output[:-1]]] * samples
        seen.append(own_logits.detach())
    assert torch.equal(seen[0][:, : position + 1], seen[1][:, : position + 1])
    later = slice(position + 1, None)
    assert position + 1 == LONGEST or not torch.isclose(seen[0][:, later], seen[1][:, later]).all()


def test_greedy_rollouts_predict_themselves() -> None:
    """Read at the right positions, a greedy rollout's own logits have its tokens as their argmax."""
    model, batch = toy_model(), toy_batch()
    with listening(model) as heard:
        loss(objective_of(target="gold_position"), model, batch)
    bounds_B = (batch.target_out_BT != PAD).sum(dim=1)
    rollout_BT = generate(model, batch.source_BS, Greedy(), max_lengths_B=bounds_B).tokens_NT
    own_BTV = heard[-1][1][:, : rollout_BT.size(1)]
    own_BTV = own_BTV.index_fill(2, torch.tensor([PAD, BOS]), -torch.inf)
    real_BT = rollout_BT != PAD
    assert torch.equal(own_BTV.argmax(dim=-1)[real_BT], rollout_BT[real_BT])
