"""The policy gradient is the gradient of the expected reward, and neither player's update touches the other."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from test_discriminator import assert_same, round_trip
from torch import Tensor, nn
from torch.quasirandom import SobolEngine
from toy import LONGEST, decode, every_output, gradient, output_log_prob, select, toy_batch, toy_model

from intelligen.config.schema.single_strategies import Adversarial, Discriminator, SeqGan, SeqGanConstant, SeqGanRandom
from intelligen.config.schema.training import Optimizer, Training
from intelligen.data.batches import Batch, Rows
from intelligen.data.special_tokens import PAD
from intelligen.decoding.length_bound import LengthBound
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer
from intelligen.strategies import monte_carlo_returns
from intelligen.strategies.base import Strategy, UpdateContext
from intelligen.strategies.discriminator import DiscriminatorTrainer, build_discriminator
from intelligen.strategies.monte_carlo_returns import ReturnEstimator, Sampler, cuts, prefixes
from intelligen.strategies.rewards import sentence_rewards
from intelligen.strategies.seqgan import SeqGanCriterion
from intelligen.strategies.teacher_forcing import TeacherForcing

torch.set_num_threads(1)
BOUND = LengthBound(0.01, LONGEST)
SMALL = Discriminator(head_width=4, d_ff=8, heads=2, layers=1, pretraining_updates=0)
# The game alone: no teacher-forced updates, no pre-training, no whitening.
PLAIN: dict[str, Any] = {
    "discriminator": SMALL,
    "mle_ratio": 0.0,
    "mle_weight": 0.0,
    "policy_weight": 1.0,
    "whiten": False,
    "clip": None,
}
Wrap = Callable[[nn.Module], nn.Module]


def unwrapped(module: nn.Module) -> nn.Module:
    return module


def trainer_of(
    settings: Adversarial, model: Seq2SeqTransformer, *, wrap: Wrap = unwrapped, world_size: int = 1
) -> DiscriminatorTrainer | None:
    if isinstance(settings, SeqGanConstant):
        return None
    return DiscriminatorTrainer(
        build_discriminator(settings.discriminator, model, seed=3),
        settings.discriminator,
        wrap=wrap,
        training=Training(),
        world_size=world_size,
        frozen=isinstance(settings, SeqGanRandom),
    )


def sharp_discriminator(settings: Adversarial, model: Seq2SeqTransformer) -> DiscriminatorTrainer:
    """A discriminator with opinions: at its random weights it finds all texts nearly alike."""
    trainer = trainer_of(settings, model)
    assert trainer is not None
    trainer.discriminator.get_parameter("output.weight").data.mul_(10)
    return trainer


def criterion_with(
    settings: Adversarial, model: Seq2SeqTransformer, trainer: DiscriminatorTrainer | None
) -> SeqGanCriterion:
    teacher = TeacherForcing(label_smoothing=0.0)
    return SeqGanCriterion(
        settings, model=model, trainer=trainer, teacher=teacher, decode=decode, rollout_bound=BOUND, precision="fp32"
    )


def objective_of(settings: Adversarial, model: Seq2SeqTransformer) -> SeqGanCriterion:
    return criterion_with(settings, model, trainer_of(settings, model))


def step_of(update: int, *, rank: int = 0) -> UpdateContext:
    return UpdateContext(seed=1, update=update, total_updates=100, rank=rank)


def repeated(batch: Batch, times: int) -> Batch:
    """Each row many times, as rows of their own, so that each draws for itself."""
    index = np.tile(np.arange(len(batch.rows)), times)
    many = select(batch, index.tolist())
    return replace(
        many,
        rows=np.arange(len(index)),
        update_targets=batch.update_targets * times,
        update_rows=batch.update_rows * times,
    )


def gradient_of(criterion: SeqGanCriterion, model: Seq2SeqTransformer, batch: Batch, step: UpdateContext) -> Tensor:
    criterion.prepare([batch], step)
    return gradient(criterion(model, batch, step).total, model)


@pytest.fixture(scope="module")
def exact_W() -> Tensor:
    """−∇ Σ_x Σ_y p(y | x)·R(x, y) / target tokens, over every output y: what no baseline and no cut changes."""
    model, batch, settings = toy_model(), toy_batch(), SeqGanRandom(**PLAIN)
    sampler = Sampler(model, settings, rollout_bound=BOUND)
    critic = ReturnEstimator(settings, sampler=sampler, trainer=sharp_discriminator(settings, model), decode=decode)
    outputs = every_output()
    output_NT = torch.tensor([[*output, *[PAD] * (LONGEST - len(output))] for output in outputs])
    expected = torch.zeros((), dtype=torch.float64)
    for row in range(len(batch.rows)):
        one = select(batch, [row])
        rewards_N, _ = critic.rewards(output_NT, one)
        log_probs_N = torch.stack([output_log_prob(model, one.source_BS, output) for output in outputs])
        assert log_probs_N.exp().sum().item() == pytest.approx(1.0)
        expected = expected + (log_probs_N.exp() * rewards_N).sum()
    return -gradient(expected, model) / batch.update_targets


def deviation(settings: SeqGanRandom, exact_W: Tensor, *, copies: int, steps: Sequence[UpdateContext]) -> float:
    """How far the estimate is off the exact gradient, in standard errors: the farthest of 8 directions."""
    model = toy_model()
    criterion = criterion_with(settings, model, sharp_discriminator(settings, model))
    # An average of the past: an update's own mean would depend on its samples.
    criterion.load_state_dict({**criterion.state_dict(), "average_reward": 0.0})
    draws_KW = torch.stack([gradient_of(criterion, model, repeated(toy_batch(), copies), step) for step in steps])
    # The exact gradient's own direction, and some at random: coordinates by the hundred would surpass any bound.
    generator = torch.Generator().manual_seed(0)
    directions_DW = torch.cat([exact_W[None], torch.randn(7, exact_W.numel(), generator=generator).double()])
    directions_DW /= directions_DW.norm(dim=1, keepdim=True)
    projected_KD = draws_KW @ directions_DW.T
    error_D = projected_KD.std(dim=0) / len(projected_KD) ** 0.5
    off_D = (projected_KD.mean(dim=0) - directions_DW @ exact_W) / error_D
    print(f"exact {exact_W.norm():.4f}, standard error along it {error_D[0]:.4f}; off by {off_D.tolist()}")
    assert error_D[0] < 0.15 * exact_W.norm(), "precise enough to tell a wrong estimate"
    return float(off_D.abs().max())


@pytest.mark.parametrize(
    ("baseline", "cut_points"),
    [("half", 0), ("ema", 0), ("greedy", 0), ("leave_one_out", 0), ("leave_one_out", 2)],
)
def test_the_estimate_is_the_exact_gradient_in_expectation(baseline: str, cut_points: int, exact_W: Tensor) -> None:
    samples = 2 if baseline == "leave_one_out" else 1
    settings = SeqGanRandom(baseline=baseline, cut_points=cut_points, completions=2, samples=samples, **PLAIN)
    steps = [step_of(update) for update in range(1, 17)]
    assert deviation(settings, exact_W, copies=40, steps=steps) < 4


class EvenDraws(UpdateContext):
    """Draws that fill the unit cube evenly, scrambled anew at every update: the mean is the same, its error small."""

    def uniforms(
        self, purpose: str, rows: Rows, *, width: int, samples: int = 1, device: torch.device | None = None
    ) -> Tensor:
        """The copies of a source share a Sobol' net; a point has a sample's coordinates and its completion's."""
        assert samples == 1
        point_NC = SobolEngine(2 * LONGEST, scramble=True, seed=self.update).draw(len(rows))
        point_BKC = point_NC.view(len(toy_batch().rows), -1, 2 * LONGEST)
        sample_NT, completion_NT = point_BKC.transpose(0, 1).flatten(0, 1).chunk(2, dim=1)
        return (sample_NT if purpose == "sample" else completion_NT)[:, :width]


def test_a_cut_biases_the_gradient_only_where_the_sample_s_own_length_places_it(
    exact_W: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Completions from a place that the sample's future chose stand for other futures than that one."""
    settings = SeqGanRandom(baseline="ema", cut_points=1, completions=1, **PLAIN)
    steps = [EvenDraws(seed=1, update=update, total_updates=100) for update in range(1, 13)]
    assert deviation(settings, exact_W, copies=256, steps=steps) < 4

    draw, drawn = Sampler.sample, list[Tensor]()
    monkeypatch.setattr(Sampler, "sample", lambda *args, **options: drawn.append(draw(*args, **options)) or drawn[-1])
    monkeypatch.setattr(
        monte_carlo_returns, "cuts", lambda _, cut_points: cuts((drawn[-1] != PAD).sum(dim=1), cut_points)
    )
    assert deviation(settings, exact_W, copies=256, steps=steps) > 6, "so precise that a bias of some percent shows"


@pytest.mark.parametrize("reward", ["bleu", "chrf"])
def test_rewards_are_the_discriminator_s_and_the_metric_s(reward: Literal["bleu", "chrf"]) -> None:
    model, batch = toy_model(), toy_batch()
    settings = SeqGan(adversarial_weight=0.25, reward=reward, **PLAIN)
    trainer = sharp_discriminator(settings, model)
    critic = ReturnEstimator(
        settings, sampler=Sampler(model, settings, rollout_bound=BOUND), trainer=trainer, decode=decode
    )
    for hypothesis_NT in (batch.target_out_BT, batch.target_out_BT.roll(1, dims=0)):
        rewards_N, judged_N = critic.rewards(hypothesis_NT, batch)
        metric_N = sentence_rewards(hypothesis_NT, batch.target_out_BT, decode=decode, name=reward)
        torch.testing.assert_close(rewards_N, 0.25 * judged_N + 0.75 * metric_N)
        torch.testing.assert_close(critic.rewards(nn.functional.pad(hypothesis_NT, (0, 2)), batch)[1], judged_N)
    assert (metric_N < 1).any(), "a hypothesis that differs from its reference: there the metrics do, too"


def test_a_rollout_keeps_to_the_bound_that_the_settings_give() -> None:
    model, batch = toy_model(), repeated(toy_batch(), 8)
    for max_length, longest in ((None, LONGEST), (2, 2), (LONGEST + 1, LONGEST)):
        sampler = Sampler(model, SeqGan(max_length=max_length, **PLAIN), rollout_bound=BOUND)
        assert sampler.bounds(batch).tolist() == [longest] * len(batch.rows)
        assert sampler.sample(batch, step_of(1), "sample", samples=1).size(1) == longest


def test_completions_go_on_from_their_prefixes() -> None:
    model, batch = toy_model(), repeated(toy_batch(), 4)
    settings = SeqGan(samples=2, cut_points=2, completions=3, **PLAIN)
    sampler = Sampler(model, settings, rollout_bound=BOUND)
    sampled_NT = sampler.sample(batch, step_of(1), "sample", samples=2)
    lengths_N1 = (sampled_NT != PAD).sum(dim=1, keepdim=True)
    kept_NM = torch.minimum(torch.tensor([[1, 2]]).expand(len(sampled_NT), -1), lengths_N1 - 1)
    prefix_NP = prefixes(sampled_NT, kept_NM).repeat_interleave(3, dim=0)
    completed_NT = sampler.sample(batch, step_of(1), "completion", samples=12, prefix_NT=prefix_NP)
    completed = completed_NT.view(len(sampled_NT), 2, 3, -1)
    ends = set()
    for row, sample in enumerate(sampled_NT.tolist()):
        for cut in (0, 1):
            kept = int(kept_NM[row, cut])
            for completion in completed[row, cut].tolist():
                assert completion[:kept] == sample[:kept]
                assert completion[kept] != PAD, "at least one new token"
                ends.add((row, cut, tuple(completion[kept:])))
    assert len(ends) > 2 * len(sampled_NT), "completions of one prefix differ"


def log_probs_of_samples(
    settings: Adversarial, model: Seq2SeqTransformer, batch: Batch, step: UpdateContext
) -> list[Tensor]:
    sampler = Sampler(model, settings, rollout_bound=BOUND)
    sampled_NT = sampler.sample(batch, step, "sample", samples=settings.samples)
    return [
        output_log_prob(model, batch.source_BS[row // settings.samples, None], [token for token in output if token])
        for row, output in enumerate(sampled_NT.tolist())
    ]


def test_the_constant_control_raises_the_probability_of_whatever_is_sampled() -> None:
    model, batch = toy_model(), toy_batch()
    settings = SeqGanConstant(
        discriminator=SMALL,
        samples=2,
        mle_ratio=0.0,
        mle_weight=0.3,
        policy_weight=0.6,
        clip=0.5,
    )
    criterion = objective_of(settings, model)
    found_W = gradient_of(criterion, model, batch, step_of(1))
    summed = torch.stack(log_probs_of_samples(settings, model, batch, step_of(1))).sum()
    teacher = TeacherForcing(label_smoothing=0.0)(model, batch, step_of(1)).total
    expected = 0.3 * teacher - 0.6 * summed / (batch.update_targets * 2)
    torch.testing.assert_close(found_W, gradient(expected, model), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "settings",
    [SeqGan(**PLAIN), SeqGan(cut_points=1, **PLAIN), SeqGan(temperature=0.5, **PLAIN)],
    ids=["sequence", "search", "sharper"],
)
def test_the_gradient_weighs_each_token_by_its_advantage_alone(settings: Adversarial) -> None:
    """Advantages that depended on the weights would add a term of their own."""
    model, batch = toy_model(), toy_batch()
    criterion = objective_of(settings, model)
    criterion.prepare([batch], step_of(1))
    (rollout,) = criterion._rollouts.values()
    assert not rollout.advantage_NT.requires_grad
    weighed = torch.zeros((), dtype=torch.float64)
    for row, (output, advantages) in enumerate(
        zip(rollout.sampled_NT.tolist(), rollout.advantage_NT.tolist(), strict=True)
    ):
        tokens = [token for token in output if token != PAD]
        before = torch.zeros((), dtype=torch.float64)
        for position, advantage in zip(range(len(tokens)), advantages, strict=False):
            source_1S, reached_by = batch.source_BS[row, None], tokens[: position + 1]
            reached = output_log_prob(model, source_1S, reached_by, temperature=settings.temperature)
            weighed, before = weighed + advantage * (reached - before), reached
    found_W = gradient(criterion(model, batch, step_of(1)).total, model)
    torch.testing.assert_close(found_W, -gradient(weighed, model) / batch.update_targets, rtol=1e-5, atol=1e-7)


def test_the_moving_average_that_is_subtracted_is_of_the_updates_before() -> None:
    """The same samples under two averages: their gradients differ by the averages' difference times that of Σ log p."""
    model, batch = toy_model(), toy_batch()
    seen_W = []
    for average in (0.0, 0.3):
        criterion = objective_of(SeqGanRandom(baseline="ema", **PLAIN), model)
        criterion.load_state_dict({**criterion.state_dict(), "average_reward": average})
        seen_W.append(gradient_of(criterion, model, batch, step_of(1)))
    constant_W = gradient_of(objective_of(SeqGanConstant(**PLAIN), model), model, batch, step_of(1))
    torch.testing.assert_close(seen_W[0] - seen_W[1], 0.3 * constant_W, rtol=1e-4, atol=1e-7)


def test_the_moving_average_keeps_nine_tenths_of_its_past() -> None:
    model, batch = toy_model(), toy_batch()
    criterion = objective_of(SeqGanRandom(baseline="ema", **PLAIN), model)
    rewards = [criterion.prepare([batch], step_of(update)).means()["train/seqgan_reward"] for update in (1, 2, 3)]
    assert len(set(rewards)) == 3
    expected = 0.9 * (0.9 * rewards[0] + 0.1 * rewards[1]) + 0.1 * rewards[2]
    assert criterion.state_dict()["average_reward"] == pytest.approx(expected)


def test_the_policy_gradient_ramps_up_over_adversarial_updates() -> None:
    model, batch = toy_model(), toy_batch()
    steep, slow = (objective_of(SeqGanConstant(ramp_updates=ramp, **PLAIN), model) for ramp in (1, 4))
    for update, share in enumerate([0.25, 0.5, 0.75, 1.0, 1.0], start=1):
        full_W, ramped_W = (gradient_of(criterion, model, batch, step_of(update)) for criterion in (steep, slow))
        torch.testing.assert_close(ramped_W, share * full_W)


def test_kl_anchors_to_the_weights_that_training_started_from() -> None:
    model, batch = toy_model(), toy_batch()
    criterion = objective_of(SeqGanConstant(kl_weight=0.5, **{**PLAIN, "policy_weight": 1e-12}), model)
    at_start_W = gradient_of(criterion, model, batch, step_of(1))
    assert at_start_W.abs().max() < 1e-6
    with torch.no_grad():
        model.get_parameter("output.weight").add_(torch.randn(model.get_parameter("output.weight").shape).double())
    criterion.prepare([batch], step_of(2))
    loss = criterion(model, batch, step_of(2))
    (rollout,) = criterion._rollouts.values()
    tokens = int((rollout.sampled_NT != PAD).sum())
    assert loss.sums.means()["train/kl"] > 0.1
    expected = 0.5 * loss.sums.means()["train/kl"] * tokens / batch.update_targets
    assert loss.total.item() == pytest.approx(expected, rel=1e-5)
    assert gradient(loss.total, model).abs().max() > 1e-3


def strategy_of(settings: Adversarial, *, dropout: float = 0.1) -> Strategy:
    model = toy_model(dropout=dropout)
    training = Training(optimizer=Optimizer(learning_rate=1e-2))
    criterion = objective_of(settings, model)
    return Strategy(model, criterion, wrap=unwrapped, training=training, total_updates=100, world_size=1)


def discriminator_of(criterion: Any) -> nn.Module:
    module: nn.Module = criterion._trainer.discriminator
    return module


def copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def untouched(module: nn.Module, before: dict[str, Tensor]) -> bool:
    same = all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    return same and all(weight.grad is None for weight in module.parameters())


def test_neither_player_s_update_touches_the_other() -> None:
    strategy, batch = strategy_of(SeqGan(**PLAIN)), toy_batch()
    generator, discriminator = strategy.model, discriminator_of(strategy.criterion)
    before, discriminator_before = copied(generator), copied(discriminator)
    strategy.criterion.prepare([batch], step_of(1))
    assert untouched(generator, before), "the discriminator's update"
    assert not untouched(discriminator, discriminator_before)
    discriminator_before = copied(discriminator)
    strategy._updater.update([lambda: strategy.criterion(generator, batch, step_of(1))], update=1)
    assert untouched(discriminator, discriminator_before), "the generator's update"
    assert not untouched(generator, before)
    ids = {weight.data_ptr() for weight in generator.parameters()}
    assert not ids & {weight.data_ptr() for weight in discriminator.parameters()}


def test_the_frozen_control_s_discriminator_never_changes() -> None:
    strategy = strategy_of(SeqGanRandom(**PLAIN))
    before = copied(discriminator_of(strategy.criterion))
    for update in range(1, 4):
        metrics = strategy.train_step([toy_batch()], step_of(update)).means()
        assert metrics["train/adversarial_pct"] == 100
        assert metrics["train/adversarial_pct"] == 100
        assert 0 < metrics["train/discriminator_reward"] < 1
    assert untouched(discriminator_of(strategy.criterion), before)


def test_the_discriminator_plays_alone_until_the_gate_or_the_phase_s_end() -> None:
    early = SMALL.model_copy(update={"pretraining_updates": 3, "accuracy_gate": 1.0})
    settings = SeqGan(**{**PLAIN, "discriminator": early})
    strategy, teacher = strategy_of(settings), strategy_of(SeqGan(**{**PLAIN, "mle_ratio": 1.0}))
    for update in range(1, 6):
        before = copied(discriminator_of(strategy.criterion))
        metrics = strategy.train_step([toy_batch()], step_of(update)).means()
        assert metrics["train/pretraining_pct"] == (100 if update <= 3 else 0)
        assert metrics["train/adversarial_pct"] == (0 if update <= 3 else 100)
        assert ("train/seqgan_reward" in metrics) == (update > 3)
        assert not untouched(discriminator_of(strategy.criterion), before)
    assert "train/discriminator_accuracy" not in teacher.train_step([toy_batch()], step_of(1)).means()


def test_so_many_updates_are_teacher_forced_as_asked_for() -> None:
    criterion = objective_of(SeqGanConstant(**{**PLAIN, "mle_ratio": 0.7}), toy_model())
    drawn = [criterion.prepare([toy_batch()], step_of(u)).means()["train/adversarial_pct"] for u in range(1, 201)]
    assert abs(sum(drawn) / 100 - 60) < 4 * (200 * 0.3 * 0.7) ** 0.5


REPLAYING = SeqGan(
    **{**PLAIN, "whiten": True, "mle_weight": 0.5},
    samples=2,
    cut_points=1,
    baseline="leave_one_out",
    ramp_updates=4,
    kl_weight=0.1,
).model_copy(
    update={"discriminator": SMALL.model_copy(update={"replay": 3, "every": 2, "steps": 2, "pretraining_updates": 2})}
)


def test_a_resumed_game_goes_on_bit_for_bit() -> None:
    strategy, resumed = strategy_of(REPLAYING), strategy_of(REPLAYING)
    for update in range(1, 6):
        strategy.train_step([toy_batch()], step_of(update))
    resumed.model.load_state_dict(copied(strategy.model))
    resumed.load_state_dict(round_trip(strategy.state_dict()))
    for continued in (strategy, resumed):
        for update in range(6, 10):
            continued.train_step([toy_batch()], step_of(update))
    assert_same(copied(strategy.model), copied(resumed.model))
    assert_same(strategy.state_dict(), resumed.state_dict())


@pytest.mark.parametrize("control", [SeqGanConstant, SeqGanRandom])
def test_the_null_controls_begin_the_game_as_late_as_seqgan_may(control: type[Adversarial]) -> None:
    waiting = control(**{**PLAIN, "discriminator": SMALL.model_copy(update={"pretraining_updates": 2})})
    strategy = strategy_of(waiting)
    phases = []
    for update in range(1, 5):
        metrics = strategy.train_step([toy_batch()], step_of(update)).means()
        phases.append((metrics["train/pretraining_pct"], metrics["train/adversarial_pct"]))
    assert phases == [(100, 0), (100, 0), (0, 100), (0, 100)]
