"""One pass over both prefixes gives what a pass over each gave, and dropout goes its own way in each row."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from toy import decode, gradient, pad, select, toy_batch, toy_model

from intelligen.config.schema.generative_strategies import Generative
from intelligen.config.schema.probability_schedule import ProbabilitySchedule
from intelligen.config.schema.single_strategies import Recurrent
from intelligen.data.special_tokens import BOS, PAD
from intelligen.decoding.length_bound import LengthBound
from intelligen.models.encoder_output import TransformerEncoderOutput
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer
from intelligen.strategies import generative, recurrent
from intelligen.strategies.base import Criterion, UpdateContext
from intelligen.strategies.generative import GenerativeCriterion
from intelligen.strategies.own_prefixes import states_after_both
from intelligen.strategies.recurrent import RecurrentCriterion
from intelligen.strategies.teacher_forcing import TeacherForcing

STEP = UpdateContext(seed=1, update=3, total_updates=10)
TEACHER = TeacherForcing(label_smoothing=0.1)
ALWAYS, HALF = ProbabilitySchedule(start=1.0), ProbabilitySchedule(start=0.5)
UPDATES: dict[str, dict[str, Any]] = {
    "recurrent": {},
    "recurrent, drawn": {"pick": "sample", "gold_probability": HALF, "passes": 3},
    "recurrent, mixtures": {"pick": "softmax", "gold_probability": HALF, "passes": 2},
    "generative, by position": {"probability": ALWAYS},
    "generative, risk": {"probability": ALWAYS, "target": "risk", "candidates": 3},
    "generative, self-critical": {"probability": ALWAYS, "target": "self_critical"},
}


def criterion_of(name: str, **weights: float) -> Criterion:
    knobs = UPDATES[name] | weights
    if name.startswith("recurrent"):
        return RecurrentCriterion(Recurrent(**knobs), teacher=TEACHER, label_smoothing=0.1)
    return GenerativeCriterion(
        Generative(**knobs).treatment(),
        teacher=TEACHER,
        label_smoothing=0.1,
        decode=decode,
        rollout_bound=LengthBound(1.0, 4),
    )


def two_passes(
    model: Seq2SeqTransformer, reference_BT: Tensor, own_in: Tensor, encoded: TransformerEncoderOutput, **_: bool
) -> tuple[Tensor, Tensor]:
    """Each prefix read by a pass of its own, which computes anew what it asks of the sources."""
    own_states = model.mixture_states if own_in.is_floating_point() else model.states
    return model.states(reference_BT, encoded), own_states(own_in, encoded)


@pytest.mark.parametrize("mle_weight", [0.3, 0.0])
@pytest.mark.parametrize("name", UPDATES)
def test_without_dropout_an_update_is_that_of_two_passes(
    name: str, mle_weight: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batch = toy_model().float(), pad(toy_batch(), columns=1)
    criterion = criterion_of(name, mle_weight=mle_weight)
    found = criterion(model, batch, STEP)
    for strategy in (recurrent, generative):
        monkeypatch.setattr(strategy, "states_after_both", two_passes)
    expected = criterion(model, batch, STEP)
    torch.testing.assert_close(found.total, expected.total, rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient(found.total, model), gradient(expected.total, model), rtol=1e-5, atol=1e-6)
    assert found.sums.means() == pytest.approx(expected.sums.means(), rel=1e-5)
    assert "train/loss" in found.sums.means()


@pytest.mark.parametrize(("rows", "width"), [(1, 5), (1, 3), (3, 8)])
def test_rows_of_any_width_and_number_are_read_as_by_two_passes(rows: int, width: int) -> None:
    """States and their gradients; what is behind the shorter of both is padding."""
    model, batch = toy_model(), toy_batch()
    generator = torch.Generator().manual_seed(1)
    own_NT = torch.randint(4, 6, (4 * rows, width), generator=generator).index_fill(1, torch.tensor([0]), BOS)
    own_NT[-1, 2:] = PAD
    weights = [torch.randn(n, t, 8, generator=generator) for n, t in (batch.target_in_BT.shape, own_NT.shape)]
    found, expected = (
        both(model, batch.target_in_BT, own_NT, model.encode(batch.source_BS), anchored=True)
        for both in (states_after_both, two_passes)
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    by_found, by_expected = (
        gradient(sum((w * states).sum() for w, states in zip(weights, both, strict=True)), model)
        for both in (found, expected)
    )
    torch.testing.assert_close(by_found, by_expected)


def test_the_same_prefix_meets_another_dropout_in_each_of_its_rows() -> None:
    model, batch = toy_model(dropout=0.5), toy_batch()
    reference_BTD, own_BTD = states_after_both(
        model.train(), batch.target_in_BT, batch.target_in_BT, model.encode(batch.source_BS), anchored=True
    )
    assert not torch.isclose(reference_BTD, own_BTD).all(dim=-1).any()


@pytest.mark.parametrize("read", ["tokens", "mixtures"])
def test_what_the_decoder_asks_of_a_source_is_computed_once(read: str) -> None:
    model, batch = toy_model(), select(toy_batch(), [0, 1])
    own = batch.target_in_BT if read == "tokens" else F.one_hot(batch.target_in_BT, 6).double()
    asked: list[int] = []
    hook = model.decoder[0].cross_attention.kv.register_forward_pre_hook(lambda _, args: asked.append(len(args[0])))
    for anchored in (True, False):
        states_after_both(model, batch.target_in_BT, own, model.encode(batch.source_BS), anchored=anchored)
    hook.remove()
    assert asked == [2, 2]


@pytest.mark.parametrize("name", UPDATES)
def test_an_anchor_without_weight_is_reported_and_takes_no_gradient(name: str) -> None:
    model, batch = toy_model().float(), toy_batch()
    passes: list[tuple[int, bool]] = []
    hook = model.decoder[0].register_forward_pre_hook(lambda _, args: passes.append(_gradient_pass(args)))
    found = criterion_of(name, mle_weight=0.0)(model, batch, STEP)
    hook.remove()
    assert found.sums.means()["train/loss"] == pytest.approx(TEACHER(model, batch, STEP).sums.means()["train/loss"])
    own_rows = len(batch.source_BS) * (3 if name == "generative, risk" else 1)
    assert [rows for rows, with_gradient in passes if with_gradient] == [own_rows]
    assert passes[-2] == (len(batch.source_BS), False)


def _gradient_pass(args: tuple[Tensor, ...]) -> tuple[int, bool]:
    return len(args[0]), torch.is_grad_enabled()
