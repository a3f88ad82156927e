"""Policies: what they observe moves their weights, and nothing else does."""

import io
import math
import random

import pytest
import torch

from intelligen.config.schema.strategy_mixture import Bandit, Curriculum, Gap, Stage, Static, Weights
from intelligen.strategies.base import UpdateContext
from intelligen.strategies.intelligen_mixture import build_policy
from intelligen.strategies.mixture_policies import Policy, Selection

BLEU = Selection("valid/bleu")
ONLY = {name: Weights(**{name: 1.0}) for name in ("standard", "auxiliary", "recurrent", "generative")}
NEVER = [math.nan, math.inf, -math.inf, None]


def running(settings: Static | Curriculum | Gap | Bandit, *, selection: Selection = BLEU, seed: int = 1) -> Policy:
    return build_policy(settings, selection=selection, watched="valid/chrf", seed=seed)


def weights(policy: Policy, *, update: int = 1) -> dict[str, float]:
    return dict(policy.weights(UpdateContext(seed=1, update=update, total_updates=100)))


def hear(policy: Policy, *, epoch: int = 1, rolled_back: bool = False, **metrics: float | None) -> None:
    heard = {name.replace("_", "/", 1): value for name, value in metrics.items() if value is not None}
    policy.observe(heard, epoch=epoch, rolled_back=rolled_back)


def resumed(policy: Policy, settings: Static | Curriculum | Gap | Bandit) -> Policy:
    """Another policy with the same settings and the state that a checkpoint brings back."""
    buffer = io.BytesIO()
    torch.save(policy.state_dict(), buffer)
    buffer.seek(0)
    other = running(settings)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert other.state_dict() == policy.state_dict()
    return other


def test_static_weights_are_the_settings_whatever_is_observed():
    policy = running(Static(weights=Weights(standard=0.7, generative=0.3)))
    hear(policy, valid_bleu=1.0, valid_chrf=1.0, valid_exposure_gap=1.0)
    assert weights(policy) == weights(policy, update=100) == {"standard": 0.7, "generative": 0.3}


SHARES = Curriculum(
    stages=(
        Stage(weights=ONLY["standard"], until_share=0.25),
        Stage(weights=ONLY["recurrent"], until_share=0.6),
        Stage(weights=ONLY["generative"]),
    )
)
EPOCHS = Curriculum(
    stages=(
        Stage(weights=ONLY["standard"], until_epochs_without_gain=2),
        Stage(weights=ONLY["recurrent"], until_epochs_without_gain=1),
        Stage(weights=ONLY["generative"]),
    )
)
MIXED = Curriculum(
    stages=(
        Stage(weights=ONLY["standard"], until_share=0.2),
        Stage(weights=ONLY["auxiliary"], until_epochs_without_gain=2),
        Stage(weights=ONLY["recurrent"], until_share=0.4),
        Stage(weights=ONLY["generative"]),
    )
)


def test_a_stage_ends_exactly_at_its_share_of_the_updates():
    policy = running(SHARES)
    chosen = [next(iter(weights(policy, update=update))) for update in range(1, 101)]
    assert chosen == ["standard"] * 25 + ["recurrent"] * 35 + ["generative"] * 40


def test_a_run_resumed_behind_a_gate_has_passed_it():
    assert weights(running(SHARES), update=61) == {"generative": 1.0}


def test_a_stage_ends_after_its_epochs_without_gain_in_a_row():
    policy = running(EPOCHS)
    stages = []
    # Best 20 at epoch 0; one epoch below it, a gain, two without gain; a new stage counts anew; equal is no gain.
    for epoch, bleu in enumerate([20, 19, 21, 20.5, 20.9, 22, 22]):
        hear(policy, epoch=epoch, valid_bleu=bleu)
        stages += list(weights(policy))
    assert stages == [*["standard"] * 4, "recurrent", "recurrent", "generative"]


def test_a_loss_gains_by_falling():
    policy = running(EPOCHS, selection=Selection("valid/loss"))
    stages = []
    for epoch, loss in enumerate([3.0, 2.0, 1.0, 1.5, 1.2]):
        hear(policy, epoch=epoch, valid_loss=loss)
        stages += list(weights(policy))
    assert stages == [*["standard"] * 4, "recurrent"]


def test_epochs_of_an_earlier_stage_do_not_count_and_passed_shares_are_skipped():
    policy = running(MIXED)
    hear(policy, epoch=0, valid_bleu=20)
    assert weights(policy, update=1) == {"standard": 1.0}
    hear(policy, epoch=1, valid_bleu=19)
    assert weights(policy, update=21) == {"auxiliary": 1.0}
    hear(policy, epoch=2, valid_bleu=19)
    assert weights(policy, update=31) == {"auxiliary": 1.0}
    hear(policy, epoch=3, valid_bleu=19)
    assert weights(policy, update=41) == {"generative": 1.0}


@pytest.mark.parametrize("missing", NEVER)
def test_an_epoch_without_a_score_counts_for_nothing_in_a_curriculum(missing):
    policy = running(EPOCHS)
    stages = []
    for epoch, bleu in enumerate([missing, 20, 19, missing, missing, 19]):
        hear(policy, epoch=epoch, valid_bleu=bleu)
        stages += list(weights(policy))
    assert stages == [*["standard"] * 5, "recurrent"]


def test_a_curriculum_resumes_in_its_stage_with_its_count():
    policy = running(EPOCHS)
    for epoch, bleu in enumerate([20, 19, 19, 21, 20.5]):
        hear(policy, epoch=epoch, valid_bleu=bleu)
        policy = resumed(policy, EPOCHS)
    assert weights(policy) == {"generative": 1.0}


GAP = Gap(gain=2.0, largest_share=0.6, memory=0.75, weights=Weights(recurrent=0.25, generative=0.75))


def test_without_a_measured_gap_all_mass_is_teacher_forced():
    assert weights(running(GAP)) == {"standard": 1.0, "recurrent": 0.0, "generative": 0.0}


def test_the_share_follows_the_moving_average_of_the_gap():
    policy = running(GAP)
    hear(policy, epoch=0, valid_exposure_gap=0.1)
    assert weights(policy) == pytest.approx({"standard": 0.8, "recurrent": 0.05, "generative": 0.15})
    hear(policy, epoch=1, valid_exposure_gap=0.2)  # average 0.125
    assert weights(policy) == pytest.approx({"standard": 0.75, "recurrent": 0.0625, "generative": 0.1875})
    policy = resumed(policy, GAP)
    hear(policy, epoch=2, valid_exposure_gap=0.025)  # average 0.1
    assert weights(policy) == pytest.approx({"standard": 0.8, "recurrent": 0.05, "generative": 0.15})


@pytest.mark.parametrize(("gap", "share"), [(-0.5, 0.0), (0.9, 0.6)])
def test_the_share_stays_between_zero_and_the_largest(gap, share):
    policy = running(GAP)
    hear(policy, epoch=0, valid_exposure_gap=gap)
    assert 1.0 - weights(policy)["standard"] == pytest.approx(share)


@pytest.mark.parametrize("missing", NEVER)
def test_an_epoch_without_a_gap_leaves_the_average_alone(missing):
    policy = running(GAP)
    hear(policy, epoch=0, valid_exposure_gap=0.1)
    hear(policy, epoch=1, valid_exposure_gap=missing)
    assert weights(policy)["standard"] == pytest.approx(0.8)


BANDIT = Bandit(arms=("standard", "recurrent", "generative"), exploration=0.2, per="update")
ARMS = BANDIT.arms


def arm(policy: Policy) -> str:
    (name,) = weights(policy)
    return name


def live(policy: Policy, gains: dict[str, float], *, first: int = 1, rounds: int, noise: float = 0.0) -> list[str]:
    """Epochs in a world where an arm's epoch gains so much chrF and takes a second; the arms that were pulled."""
    rng, pulled = random.Random(first), []
    chrf = 0.0
    hear(policy, epoch=first - 1, valid_chrf=chrf, time_epoch_s=1.0)
    for epoch in range(first, first + rounds):
        pulled.append(arm(policy))
        chrf += gains[pulled[-1]] + rng.gauss(0.0, noise)
        hear(policy, epoch=epoch, valid_chrf=chrf, time_epoch_s=1.0)
    return pulled


@pytest.mark.parametrize("best", ARMS)
def test_the_better_arm_is_pulled_most(best):
    pulled = live(running(BANDIT), {name: 1.0 if name == best else -0.2 for name in ARMS}, rounds=300, noise=0.3)
    assert pulled.count(best) > 150
    # Exploration goes on: each other arm is expected in 1/15 of the rounds at the least.
    assert all(pulled.count(name) > 5 for name in ARMS)


def test_alike_arms_are_pulled_alike():
    pulled = live(running(Bandit(exploration=1.0, per="update")), dict.fromkeys(ARMS, 1.0), rounds=600)
    assert all(abs(pulled.count(name) - 200) < 4 * math.sqrt(600 * 2 / 9) for name in ARMS)


def test_one_payment_is_the_importance_weighted_one_of_exp3():
    policy = running(BANDIT)
    hear(policy, epoch=0, valid_chrf=10.0)
    pulled = arm(policy)
    hear(policy, epoch=1, valid_chrf=12.0)  # the largest gain so far: reward 1, drawn with probability 1/3
    other = next(name for name in ARMS if name != pulled)
    share = math.exp(0.2 * 3 / 3) / (math.exp(0.2 * 3 / 3) + 2)
    assert policy.probabilities()[pulled] == pytest.approx(0.8 * share + 0.2 / 3)
    assert policy.probabilities()[other] == pytest.approx(0.8 * (1 - share) / 2 + 0.2 / 3)

    chance, log_weights = policy.probabilities(), dict(zip(ARMS, policy.state_dict()["log_weights"], strict=True))
    pulled = arm(policy)
    hear(policy, epoch=2, valid_chrf=11.0)  # half the largest magnitude, lost: reward 0.25
    log_weights[pulled] += 0.2 * 0.25 / chance[pulled] / 3
    total = sum(math.exp(value) for value in log_weights.values())
    expected = {name: 0.8 * math.exp(value) / total + 0.2 / 3 for name, value in log_weights.items()}
    assert policy.probabilities() == pytest.approx(expected)


def test_per_second_a_slow_gain_is_worth_less():
    ends = {}
    for per in ("second", "update"):
        policy = running(Bandit(arms=ARMS, exploration=0.2, per=per))
        hear(policy, epoch=0, valid_chrf=0.0)
        for epoch, (gain, seconds) in enumerate([(1.0, 1.0), (1.0, 10.0)], start=1):
            pulled, chance = arm(policy), policy.probabilities()
            before = dict(zip(ARMS, policy.state_dict()["log_weights"], strict=True))
            hear(policy, epoch=epoch, valid_chrf=epoch * gain, time_epoch_s=seconds)
        after = dict(zip(ARMS, policy.state_dict()["log_weights"], strict=True))
        other = next(name for name in ARMS if name != pulled)
        raised = (after[pulled] - after[other]) - (before[pulled] - before[other])
        ends[per] = raised * 3 / 0.2 * chance[pulled]
    assert ends == pytest.approx({"second": 0.55, "update": 1.0})


def test_no_probability_falls_below_the_exploration_and_nothing_overflows():
    # So much exploration that the best arm's plain weight would be exp(1667) in the end.
    policy = running(Bandit(arms=ARMS, exploration=0.5, per="update"))
    hear(policy, epoch=0, valid_chrf=0.0)
    chrf = 0.0
    for epoch in range(1, 10_001):
        chrf += 1.0 if arm(policy) == "recurrent" else -1.0
        hear(policy, epoch=epoch, valid_chrf=chrf)
        chance = policy.probabilities()
        assert min(chance.values()) >= 0.5 / 3
        assert sum(chance.values()) == pytest.approx(1.0)
    assert policy.probabilities()["recurrent"] == pytest.approx(1.0 - 1.0 / 3)
    assert all(math.isfinite(value) for value in policy.state_dict()["log_weights"])


def test_a_resumed_bandit_pulls_the_same_arms():
    gains = {"standard": 0.1, "recurrent": 0.5, "generative": -0.2}
    policy = running(BANDIT)
    live(policy, gains, rounds=20, noise=0.3)
    other = resumed(policy, BANDIT)
    assert arm(other) == arm(policy)
    assert live(other, gains, first=21, rounds=40, noise=0.3) == live(policy, gains, first=21, rounds=40, noise=0.3)


def test_epochs_and_seeds_draw_independently():
    gains = dict.fromkeys(ARMS, 0.0)
    first, again, other = (tuple(live(running(BANDIT, seed=seed), gains, rounds=40)) for seed in (1, 1, 2))
    assert first == again != other
    assert {arm(running(BANDIT, seed=seed)) for seed in range(20)} == set(ARMS)


def test_observing_epoch_0_rewards_no_arm_and_keeps_the_first_one():
    policy = running(BANDIT)
    first = arm(policy)
    hear(policy, epoch=0, valid_chrf=50.0, time_epoch_s=1.0)
    assert arm(policy) == first
    assert policy.probabilities() == pytest.approx(dict.fromkeys(ARMS, 1 / 3))


@pytest.mark.parametrize("missing", NEVER)
def test_an_epoch_without_its_chrf_is_not_rewarded_and_neither_is_the_next(missing):
    policy = running(BANDIT)
    for epoch, chrf in enumerate([10.0, 11.0]):
        hear(policy, epoch=epoch, valid_chrf=chrf)
    before = policy.probabilities()
    for epoch, chrf in enumerate([missing, 50.0], start=2):
        hear(policy, epoch=epoch, valid_chrf=chrf)
        assert policy.probabilities() == before
    hear(policy, epoch=4, valid_chrf=51.0)
    assert policy.probabilities() != before


@pytest.mark.parametrize("seconds", [*NEVER, 0.0])
def test_an_epoch_without_its_time_is_not_rewarded_per_second(seconds):
    policy = running(Bandit(arms=ARMS, per="second"))
    hear(policy, epoch=0, valid_chrf=10.0)
    hear(policy, epoch=1, valid_chrf=11.0, time_epoch_s=seconds)
    assert policy.probabilities() == pytest.approx(dict.fromkeys(ARMS, 1 / 3))


def test_no_arm_is_rewarded_for_the_recovery_after_a_roll_back():
    policy = running(BANDIT)
    hear(policy, epoch=0, valid_chrf=50.0)
    hear(policy, epoch=1, valid_chrf=10.0, rolled_back=True)
    before = policy.probabilities()
    hear(policy, epoch=2, valid_chrf=50.0)
    assert policy.probabilities() == before


def test_a_chrf_that_never_moves_is_rewarded_half():
    policy = running(BANDIT)
    live(policy, dict.fromkeys(ARMS, 0.0), rounds=50)
    assert all(math.isfinite(value) for value in policy.state_dict()["log_weights"])
    assert policy.state_dict()["largest_reward"] == 0.0


def test_a_bandit_is_rewarded_by_the_metric_that_its_task_watches_whichever_way_that_points():
    learnt = {}
    for watched, values in {"valid/chrf": (10.0, 12.0), "valid/perplexity": (12.0, 10.0)}.items():
        policy = build_policy(BANDIT, selection=BLEU, watched=watched, seed=1)
        for epoch, value in enumerate(values):
            policy.observe({watched: value}, epoch=epoch, rolled_back=False)
        learnt[watched] = policy.probabilities()
    assert learnt["valid/chrf"] == learnt["valid/perplexity"] != dict.fromkeys(ARMS, 1 / 3)
