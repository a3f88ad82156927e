"""The mixture: members train as if alone, shares follow the weights, and the guard rolls back what does harm."""

import copy
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import tiny_trial

from intelligen.config.schema.generative_strategies import GenerativeRisk
from intelligen.config.schema.probability_schedule import ProbabilitySchedule
from intelligen.config.schema.strategy_mixture import (
    Bandit,
    Curriculum,
    Gap,
    Guard,
    Intelligen,
    MixtureMember,
    Stage,
    Static,
    Weights,
)
from intelligen.data.batches import Batch, SentencePairs
from intelligen.data.loader import Loader
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.decoding.length_bound import LengthBound
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer
from intelligen.optimization import MetricSums
from intelligen.strategies.base import Criterion, Strategy, UpdateContext
from intelligen.strategies.generative import GenerativeCriterion
from intelligen.strategies.intelligen_mixture import IntelligenCriterion, build_policy
from intelligen.strategies.mixture_policies import Selection
from intelligen.strategies.roll_back_guard import RollBackGuard
from intelligen.strategies.teacher_forcing import TeacherForcing

BLEU = Selection("valid/bleu")
LOSS = Selection("valid/loss")
GUARD = Guard(drop=1.0, patience=2)
HALF = Static(weights=Weights(standard=0.5, generative=0.5))


class Memory(Criterion):
    """A member that remembers what it prepared, what it heard, and that it was told to go back."""

    def __init__(self, *, asks: bool = False) -> None:
        self.prepared: list[UpdateContext] = []
        self.heard: list[dict[str, float]] = []
        self.rolled_back = 0
        self._asks = asks

    def __call__(self, forward, batch, step):
        raise NotImplementedError

    def prepare(self, micro_batches: Sequence[Batch], step: UpdateContext) -> MetricSums:
        self.prepared.append(step)
        return MetricSums({"train/prepared": (1, 1)})

    def observe(self, metrics: Mapping[str, float], *, epoch: int) -> bool:
        self.heard.append(dict(metrics))
        return self._asks

    def state_dict(self) -> dict[str, Any]:
        return {"heard": copy.deepcopy(self.heard)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.heard = state["heard"]

    def roll_back(self, state: dict[str, Any]) -> None:
        super().roll_back(state)
        self.rolled_back += 1


def mixture(
    policy: Static | Curriculum | Gap | Bandit = HALF,
    *,
    members: dict[MixtureMember, Criterion] | None = None,
    guard: Guard = GUARD,
    selection: Selection = BLEU,
) -> IntelligenCriterion:
    """With members that have nothing to prepare, unless others are given."""
    if members is None:
        names = Intelligen(policy=policy).members()
        members = {name: TeacherForcing(label_smoothing=0.0) for name in names}
    return IntelligenCriterion(
        members,
        policy=build_policy(policy, selection=selection, watched="valid/chrf", seed=1),
        guard=RollBackGuard(guard, selection=selection),
    )


def shares(criterion: IntelligenCriterion, *, updates: int = 1000, rank: int = 0) -> dict[str, float]:
    """What a run of so many updates reports."""
    sums = MetricSums()
    for update in range(1, updates + 1):
        sums.add(criterion.prepare([], UpdateContext(seed=1, update=update, total_updates=updates, rank=rank)))
    return {name.removeprefix("train/share_"): mean for name, mean in sums.means().items()}


def within_chance(share: float, expected: float, *, updates: int = 1000) -> bool:
    """Four standard deviations of the binomial distribution."""
    return abs(share - expected) <= 4 * math.sqrt(expected * (1 - expected) / updates)


# One member's updates


@pytest.fixture(scope="module")
def prepared(tiny_store: tuple[Path, str]) -> Prepared:
    store, identity = tiny_store
    return open_prepared(store / "prepared" / identity)


def members(prepared: Prepared) -> dict[MixtureMember, Criterion]:
    """Real members; the generative one draws its branches, samples its candidates and has dropout."""
    teacher = TeacherForcing(label_smoothing=0.1, r_drop=0.5)
    generative = GenerativeCriterion(
        GenerativeRisk(candidates=2, probability=ProbabilitySchedule(start=0.7)),
        teacher=TeacherForcing(label_smoothing=0.1),
        label_smoothing=0.1,
        decode=prepared.tokenizer("target").decode,
        rollout_bound=LengthBound(1.0, 2),
    )
    return {"standard": teacher, "generative": generative}


def trained(
    prepared: Prepared, *, alone: MixtureMember | None = None, weights: Weights | None = None
) -> tuple[Any, ...]:
    """Weights and reports after four updates, by a member alone or by a static mixture."""
    trial = tiny_trial("unused")
    torch.manual_seed(1)
    size = prepared.tokenizer("target").size
    model = Seq2SeqTransformer(trial.model, source_vocabulary=prepared.tokenizer("source").size, target_vocabulary=size)
    parts = members(prepared)
    criterion = parts[alone] if alone is not None else mixture(Static(weights=weights), members=parts)
    strategy = Strategy(
        model, criterion, wrap=lambda module: module, training=trial.training, total_updates=4, world_size=1
    )
    loader = Loader(SentencePairs(prepared.split("train")), batch_tokens=300, micro_batch_tokens=100, seed=1)
    updates = [loader.next_update() for _ in range(4)]
    assert all(len(micro_batches) > 1 for micro_batches in updates)
    steps = [UpdateContext(seed=1, update=update, total_updates=4) for update in range(1, 5)]
    reports = [strategy.train_step(*pair).to_lists() for pair in zip(updates, steps, strict=True)]
    return model.state_dict(), reports


@pytest.mark.parametrize("member", ["standard", "generative"])
def test_all_mass_on_one_member_makes_exactly_its_updates(member, prepared):
    alone, reports_alone = trained(prepared, alone=member)
    mixed, reports_mixed = trained(prepared, weights=Weights(**{member: 1.0}))
    assert all(torch.equal(alone[name], mixed[name]) for name in alone)
    for own, report in zip(reports_alone, reports_mixed, strict=True):
        added = {name: report.pop(name) for name in list(report) if name not in own}
        assert report == own
        assert added == {
            "train/share_standard": [float(member == "standard"), 1.0],
            "train/share_generative": [float(member == "generative"), 1.0],
            "train/guard_mass": [1.0, 1.0],
        }


def test_an_update_of_several_micro_batches_belongs_to_one_member(prepared):
    _, alone = trained(prepared, alone="generative")
    _, reports = trained(prepared, weights=Weights(standard=0.5, generative=0.5))
    drawn = [report["train/share_generative"][0] for report in reports]
    assert {0.0, 1.0} == set(drawn)
    for share, report, own in zip(drawn, reports, alone, strict=True):
        # The generative member draws teacher-forced updates too, the same ones as alone.
        assert report.get("train/risk", [0.0, 0.0])[1] == share * own.get("train/risk", [0.0, 0.0])[1]


# Shares


def test_observed_shares_follow_the_weights():
    weights = Weights(standard=0.5, auxiliary=0.15, recurrent=0.25, seqgan=0.1)
    seen = shares(mixture(Static(weights=weights)))
    assert seen.pop("train/guard_mass") == 1.0
    assert set(seen) == set(weights.positive())
    assert sum(seen.values()) == pytest.approx(1.0)
    assert all(within_chance(seen[name], expected) for name, expected in weights.positive().items())


def test_every_rank_draws_the_same_member():
    draws = []
    for rank in (0, 1):
        criterion = mixture()
        step = [UpdateContext(seed=1, update=update, total_updates=50, rank=rank) for update in range(1, 51)]
        draws.append([criterion.prepare([], one).to_lists() for one in step])
    assert draws[0] == draws[1]


def test_only_the_drawn_member_prepares_and_its_own_draws_are_left_to_it():
    parts: dict[MixtureMember, Criterion] = {"standard": Memory(), "generative": Memory()}
    criterion = mixture(members=parts)
    for update in range(1, 401):
        step = UpdateContext(seed=1, update=update, total_updates=400)
        sums, (drawn,) = criterion.prepare([], step).to_lists(), [m for m in parts.values() if step in m.prepared]
        assert sums["train/prepared"] == [1.0, 1.0]
        assert drawn.prepared[-1] is step
        assert sums["train/share_generative"] == [float(drawn is parts["generative"]), 1.0]
    # The member's draws are uniform whichever updates it was drawn for; the mean's standard deviation is 1/√(12·n).
    own = [step.uniform("generative") for step in parts["generative"].prepared]
    assert abs(sum(own) / len(own) - 0.5) < 4 / math.sqrt(12 * len(own))


def test_a_member_without_weight_is_never_drawn():
    seen = shares(mixture(Gap(gain=1.0), members={name: Memory() for name in ("standard", "recurrent", "generative")}))
    assert (seen["standard"], seen["recurrent"], seen["generative"]) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Static(weights=Weights(seqgan=1.0)), ("standard", "seqgan")),
        (
            Curriculum(
                stages=(
                    Stage(weights=Weights(recurrent=1.0), until_share=0.5),
                    Stage(weights=Weights(auxiliary=0.5, recurrent=0.5)),
                )
            ),
            ("standard", "auxiliary", "recurrent"),
        ),
        (Gap(weights=Weights(generative=1.0)), ("standard", "generative")),
        (Bandit(arms=("seqgan", "auxiliary")), ("standard", "auxiliary", "seqgan")),
    ],
)
def test_only_what_can_be_drawn_is_a_member_and_standard(policy, expected):
    assert Intelligen(policy=policy).members() == expected


# The guard


def hear(
    criterion: IntelligenCriterion, scores: list[float], *, first: int = 0, name: str = "valid/bleu"
) -> list[bool]:
    return [criterion.observe({name: score}, epoch=epoch) for epoch, score in enumerate(scores, start=first)]


def test_harmful_epochs_in_a_row_ask_to_go_back_and_the_best_includes_epoch_0():
    # 18.9 is harmful and 19 is not: a drop of just 1 is allowed. A harmless epoch clears the strike.
    assert hear(mixture(), [20, 18.9, 19, 18.9, 18.8]) == [False, False, False, False, True]


def test_a_roll_back_clears_the_strikes_and_keeps_the_best():
    assert hear(mixture(), [20, 15, 15, 18, 18, 21, 19.5, 19.5]) == [
        False,
        False,
        True,
        False,
        True,
        False,
        False,
        True,
    ]


def test_a_loss_is_harmful_where_it_rises():
    assert hear(mixture(selection=LOSS), [4, 2, 3.5, 3.1], name="valid/loss") == [False, False, False, True]
    assert not any(hear(mixture(selection=LOSS), [4, 3, 2, 1, 0], name="valid/loss"))


def test_without_a_bound_the_guard_sleeps():
    criterion = mixture(guard=Guard(drop=None, patience=1))
    assert not any(hear(criterion, [20, 0, 0, 0]))
    assert shares(criterion, updates=1)["train/guard_mass"] == 1.0


@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_neither_a_strike_nor_a_best(missing):
    assert hear(mixture(), [missing, 20, 15, missing, 15]) == [False, False, False, False, True]
    assert hear(mixture(), [20, missing, missing, missing]) == [False] * 4


def test_each_roll_back_halves_all_mass_but_that_of_standard():
    weights = Weights(standard=0.2, recurrent=0.2, generative=0.6)
    criterion = mixture(Static(weights=weights))
    hear(criterion, [20, 15, 15])
    for mass, further in ((0.5, [15, 15]), (0.25, [])):
        seen = shares(criterion)
        assert seen["train/guard_mass"] == mass
        assert within_chance(seen["recurrent"], 0.2 * mass)
        assert within_chance(seen["generative"], 0.6 * mass)
        assert within_chance(seen["standard"], 1.0 - 0.8 * mass)
        hear(criterion, further)


@pytest.mark.parametrize("policy", [Static(weights=Weights(generative=1.0)), Bandit(arms=("recurrent", "generative"))])
def test_freed_mass_goes_to_standard_even_where_the_policy_gives_it_none(policy):
    criterion = mixture(policy)
    hear(criterion, [20, 15, 15])
    assert within_chance(shares(criterion)["standard"], 0.5)


# State


def checkpointed(criterion: IntelligenCriterion) -> dict[str, Any]:
    buffer = io.BytesIO()
    torch.save(criterion.state_dict(), buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def test_a_resumed_mixture_goes_on_as_if_nothing_had_happened():
    first, second = (mixture(members={name: Memory() for name in ("standard", "generative")}) for _ in range(2))
    hear(first, [20, 15, 15, 15])
    second.load_state_dict(checkpointed(first))
    assert second.state_dict() == first.state_dict()
    assert shares(second, updates=50) == shares(first, updates=50)
    assert hear(second, [15], first=4) == [True]


@pytest.mark.parametrize(
    "policy", [HALF, Gap(weights=Weights(generative=1.0)), Bandit(arms=("standard", "generative"))]
)
def test_a_roll_back_takes_the_members_back_and_keeps_what_was_learnt(policy):
    parts: dict[MixtureMember, Criterion] = {"standard": Memory(), "generative": Memory()}
    criterion = mixture(policy, members=parts)
    metrics = {"valid/bleu": 20.0, "valid/exposure_gap": 0.1, "valid/chrf": 30.0, "time/epoch_s": 1.0}
    criterion.observe(metrics, epoch=0)
    good = checkpointed(criterion)
    worse = {**metrics, "valid/bleu": 10.0, "valid/exposure_gap": 0.5, "valid/chrf": 20.0}
    assert [criterion.observe(worse, epoch=epoch) for epoch in (1, 2)] == [False, True]
    learnt = criterion.state_dict()["controller"]
    assert learnt != good["controller"]

    criterion.roll_back(good)
    assert criterion.state_dict() == {"controller": learnt, "members": good["members"]}
    assert [member.rolled_back for member in parts.values()] == [1, 1]
    assert shares(criterion, updates=1)["train/guard_mass"] == 0.5


def test_a_bandit_behind_the_guard_rewards_no_arm_for_the_recovery():
    criterion = mixture(Bandit(arms=("standard", "generative"), per="update"))
    log_weights = []
    for epoch, (bleu, chrf) in enumerate([(20.0, 40.0), (10.0, 30.0), (10.0, 30.0), (20.0, 40.0), (20.0, 41.0)]):
        criterion.observe({"valid/bleu": bleu, "valid/chrf": chrf}, epoch=epoch)
        log_weights.append(criterion.state_dict()["controller"]["policy"]["log_weights"])
    # Rolled back at epoch 2: epoch 3 only looks like a gain.
    assert log_weights[1] != log_weights[2] == log_weights[3] != log_weights[4]


def test_a_roll_back_that_a_member_asks_for_is_passed_on_and_all_observe_it():
    parts: dict[MixtureMember, Criterion] = {"standard": Memory(asks=True), "generative": Memory(asks=True)}
    assert mixture(members=parts).observe({"valid/bleu": 1.0}, epoch=1)
    assert [member.heard for member in parts.values()] == [[{"valid/bleu": 1.0}]] * 2


def test_no_test_score_reaches_policy_guard_or_members():
    parts: dict[MixtureMember, Criterion] = {"standard": Memory(), "generative": Memory()}
    seen = mixture(members=parts, selection=Selection("test/bleu"))
    for epoch, score in enumerate([20.0, 0.0, 0.0, 0.0]):
        metrics = {"train/loss": 1.0, "valid/loss": 2.0, "time/epoch_s": 3.0, "test/bleu": score, "test_a/bleu": score}
        assert not seen.observe(metrics, epoch=epoch)
    assert parts["generative"].heard == [{"train/loss": 1.0, "valid/loss": 2.0, "time/epoch_s": 3.0}] * 4
