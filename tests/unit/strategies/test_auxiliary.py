"""The auxiliary loss weighs the first tokens, by the decoder's head or the encoder's, and nothing else."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from toy import gradient, pad, select, toy_batch, toy_model, without_targets

from intelligen.config.schema.single_strategies import Auxiliary
from intelligen.data.batches import Batch
from intelligen.data.special_tokens import BOS, PAD
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer
from intelligen.optimization import Loss
from intelligen.strategies.auxiliary import AuxiliaryCriterion
from intelligen.strategies.base import UpdateContext
from intelligen.strategies.teacher_forcing import TeacherForcing

STEP = UpdateContext(seed=1, update=3, total_updates=10)
SMOOTHING = 0.1
TEACHER = TeacherForcing(label_smoothing=SMOOTHING)
HEADS = [Auxiliary(head="decoder", tokens=3, decay=0.5, weight=0.4), Auxiliary(head="encoder", weight=0.4)]
each_head = pytest.mark.parametrize("settings", HEADS, ids=lambda settings: settings.head)


def loss(settings: Auxiliary, model: Seq2SeqTransformer, batch: Batch) -> Loss:
    return AuxiliaryCriterion(settings, teacher=TEACHER, label_smoothing=SMOOTHING)(model, batch, STEP)


def smoothed(logits_V: Tensor, token: int) -> Tensor:
    log_probs_V = logits_V.log_softmax(dim=-1)
    return -(1 - SMOOTHING) * log_probs_V[token] - SMOOTHING * log_probs_V.mean()


def slow_rows(model: Seq2SeqTransformer, batch: Batch) -> list[tuple[Tensor, list[Tensor]]]:
    """Each row's source [1, S] and the losses of its tokens, each computed from its own prefix."""
    rows = []
    for source_S, out_T in zip(batch.source_BS, batch.target_out_BT, strict=True):
        source_1S, reference = source_S[source_S != PAD][None], out_T[out_T != PAD].tolist()
        logits = [model(source_1S, torch.tensor([[BOS, *reference[:t]]]))[0, -1] for t in range(len(reference))]
        rows.append((source_1S, [smoothed(row_V, token) for row_V, token in zip(logits, reference, strict=True)]))
    return rows


@pytest.mark.parametrize("combine", ["add", "convex"])
@each_head
def test_without_weight_it_is_teacher_forcing(settings: Auxiliary, combine: str) -> None:
    model, batch = toy_model(), toy_batch()
    weightless = loss(settings.model_copy(update={"weight": 0.0, "combine": combine}), model, batch).total
    teacher = TEACHER(model, batch, STEP).total
    assert torch.equal(weightless, teacher)
    assert torch.equal(gradient(weightless, model), gradient(teacher, model))


@pytest.mark.parametrize(("tokens", "decay"), [(1, 0.5), (2, 0.5), (4, 0.3), (9, 1.0)])
@pytest.mark.parametrize(("combine", "kept"), [("add", 1.0), ("convex", 0.6)])
def test_the_decoder_s_head_weighs_the_first_tokens_of_teacher_forcing_up(
    combine: str, kept: float, tokens: int, decay: float
) -> None:
    """Token j counts kept/targets + λ·w_j/rows; the batch has rows of 2 to 5 tokens."""
    model, batch = toy_model(), toy_batch()
    settings = Auxiliary(combine=combine, weight=0.4, tokens=tokens, decay=decay)
    shares = [decay**j / sum(decay**i for i in range(tokens)) for j in range(tokens)] + [0.0] * 5
    targets, rows = 14, 4
    slow = torch.stack(
        [
            token_loss * (kept / targets + 0.4 * shares[position] / rows)
            for _, losses in slow_rows(model, batch)
            for position, token_loss in enumerate(losses)
        ]
    ).sum()
    fast = loss(settings, model, batch).total
    torch.testing.assert_close(fast, slow)
    torch.testing.assert_close(gradient(fast, model), gradient(slow, model))


@pytest.mark.parametrize(("combine", "kept"), [("add", 1.0), ("convex", 0.6)])
def test_the_encoder_s_head_predicts_y_1_from_the_source_s_mean_state(combine: str, kept: float) -> None:
    model, batch = toy_model(), toy_batch()
    rows = slow_rows(model, batch)
    main = torch.stack([token_loss for _, losses in rows for token_loss in losses]).sum() / 14
    firsts = []
    for (source_1S, _), token in zip(rows, batch.target_out_BT[:, 0].tolist(), strict=True):
        mean_D = model.encode(source_1S).states_BSD[0].mean(dim=0)
        firsts.append(smoothed(model.output(mean_D), token))
    slow = kept * main + 0.4 * torch.stack(firsts).sum() / 4
    fast = loss(Auxiliary(head="encoder", combine=combine, weight=0.4), model, batch)
    torch.testing.assert_close(fast.total, slow)
    torch.testing.assert_close(gradient(fast.total, model), gradient(slow, model))
    assert fast.sums.means()["train/auxiliary_loss"] == pytest.approx(torch.stack(firsts).mean().item())


def test_the_encoder_s_head_alone_teaches_the_encoder_and_no_decoder_layer() -> None:
    model, batch = toy_model(), toy_batch()
    loss(Auxiliary(head="encoder", combine="convex", weight=1.0), model, batch).total.backward()
    for name, weight in model.named_parameters():
        assert (weight.grad is not None and bool(weight.grad.any())) != name.startswith(("decoder", "target")), name


@each_head
def test_what_is_reported_does_not_depend_on_the_weight(settings: Auxiliary) -> None:
    model, batch = toy_model(), toy_batch()
    light, heavy = (loss(settings.model_copy(update={"weight": w}), model, batch).sums.means() for w in (0.1, 0.9))
    assert light == heavy
    assert light["train/loss"] == TEACHER(model, batch, STEP).sums.means()["train/loss"]


@each_head
def test_padding_and_order_change_nothing(settings: Auxiliary) -> None:
    model, batch = toy_model(), toy_batch()
    plain = loss(settings, model, batch)
    expected = gradient(plain.total, model)
    for other in (pad(batch, columns=3), select(batch, [2, 0, 3, 1])):
        found = loss(settings, model, other)
        torch.testing.assert_close(gradient(found.total, model), expected)
        assert found.sums.means() == pytest.approx(plain.sums.means())


@each_head
def test_shares_of_micro_batches_add_up_and_a_row_without_targets_adds_nothing(settings: Auxiliary) -> None:
    model, batch = toy_model(), toy_batch()
    whole = loss(settings, model, batch)
    parts = [select(batch, range(start, end)) for start, end in pairwise([0, 2, 3, 4])]
    # Without its padding, row 2 is shorter than what is weighed.
    short = parts[1]
    parts[1] = replace(short, target_in_BT=short.target_in_BT[:, :2], target_out_BT=short.target_out_BT[:, :2])
    shares = [loss(settings, model, part) for part in (*parts, without_targets(parts[0]))]
    total = torch.stack([share.total for share in shares]).sum()
    torch.testing.assert_close(gradient(total, model), gradient(whole.total, model))
    assert shares[-1].total.item() == 0
    for share in shares[1:]:
        shares[0].sums.add(share.sums)
    assert shares[0].sums.means() == pytest.approx(whole.sums.means())
