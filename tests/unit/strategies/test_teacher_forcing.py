"""Teacher forcing equals a slow computation token by token; R-Drop is the mean of two dropout passes."""

import pytest
import torch
from torch import Tensor
from toy import VOCABULARY, gradient, next_log_probs, pad, rows_of, select, toy_batch, toy_model

from intelligen.data.batches import Batch
from intelligen.data.special_tokens import BOS, PAD
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer
from intelligen.strategies.base import UpdateContext
from intelligen.strategies.teacher_forcing import TeacherForcing

STEP = UpdateContext(seed=1, update=3, total_updates=10)
SMOOTHING = 0.1


def loss(criterion: TeacherForcing, model: Seq2SeqTransformer, batch: Batch) -> Tensor:
    """The update's loss, with the same dropout at every call."""
    criterion.prepare([batch], STEP)
    torch.manual_seed(7)
    return criterion(model, batch, STEP).total


def test_the_loss_and_its_gradient_are_those_of_a_slow_computation_token_by_token() -> None:
    model, batch = toy_model(), toy_batch()
    losses = []
    for source_1S, reference in rows_of(batch):
        for position, token in enumerate(reference):
            prefix = torch.tensor([[BOS, *reference[:position]]])
            log_probs_V = model(source_1S, prefix)[0, -1].log_softmax(dim=-1)
            losses.append(-(1 - SMOOTHING) * log_probs_V[token] - SMOOTHING * log_probs_V.mean())
    slow = torch.stack(losses).sum() / len(losses)
    fast = loss(TeacherForcing(label_smoothing=SMOOTHING), model, batch)
    torch.testing.assert_close(fast, slow)
    torch.testing.assert_close(gradient(fast, model), gradient(slow, model))


@pytest.mark.parametrize("r_drop", [0.0, 0.7])
def test_padding_counts_nothing_in_the_loss_and_its_gradient(r_drop: float) -> None:
    model, batch = toy_model(), toy_batch()
    criterion = TeacherForcing(label_smoothing=SMOOTHING, r_drop=r_drop)
    plain, padded = loss(criterion, model, batch), loss(criterion, model, pad(batch, columns=3))
    torch.testing.assert_close(padded, plain)
    torch.testing.assert_close(gradient(padded, model), gradient(plain, model))


def test_the_reported_loss_is_the_sum_over_tokens_divided_once() -> None:
    model, batch = toy_model(), toy_batch()
    criterion = TeacherForcing(label_smoothing=0.0)
    expected = 0.0
    sums = criterion(model, select(batch, [0]), STEP).sums
    for row in range(1, len(batch.rows)):
        sums.add(criterion(model, select(batch, [row]), STEP).sums)
    for source_1S, reference in rows_of(batch):
        for position, token in enumerate(reference):
            logits_V = model(source_1S, torch.tensor([[BOS, *reference[:position]]]))[0, -1]
            expected -= logits_V.log_softmax(dim=-1)[token].item()
    assert sums.means()["train/loss"] == pytest.approx(expected / batch.update_targets)


def test_micro_batches_add_up_to_the_update_they_are_cut_from() -> None:
    model, batch = toy_model(), toy_batch()
    criterion = TeacherForcing(label_smoothing=SMOOTHING)
    parts = [criterion(model, select(batch, part), STEP).total for part in ([2, 0], [3], [1])]
    torch.testing.assert_close(torch.stack(parts).sum(), loss(criterion, model, batch))


def test_r_drop_is_the_mean_of_two_dropout_passes_and_half_of_both_divergences() -> None:
    """Liang et al. (2021), eq. 1–4, one token at a time."""
    model, batch, weight = toy_model(dropout=0.3).train(), toy_batch(), 0.7
    fast = loss(TeacherForcing(label_smoothing=SMOOTHING, r_drop=weight), model, batch)

    torch.manual_seed(7)  # the same dropout as the fast loss had
    logits_NTV = model(batch.source_BS.repeat(2, 1), batch.target_in_BT.repeat(2, 1))
    first_BTV, second_BTV = logits_NTV.softmax(dim=-1).chunk(2)
    assert not torch.allclose(first_BTV, second_BTV, atol=0.05)
    smoothed, divergence = [], []
    for row, position in (batch.target_out_BT != PAD).nonzero().tolist():
        token = batch.target_out_BT[row, position]
        p_V, q_V = first_BTV[row, position], second_BTV[row, position]
        smoothed += [-(1 - SMOOTHING) * v[token].log() - SMOOTHING * v.log().mean() for v in (p_V, q_V)]
        divergence += [sum(a[v] * (a[v] / b[v]).log() for v in range(VOCABULARY)) for a, b in ((p_V, q_V), (q_V, p_V))]
    slow = (torch.stack(smoothed).sum() + weight * torch.stack(divergence).sum()) / 2 / batch.update_targets
    # The product's divergence is computed in float32.
    torch.testing.assert_close(fast, slow, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradient(fast, model), gradient(slow, model), rtol=1e-5, atol=1e-6)


def test_without_dropout_r_drop_adds_nothing() -> None:
    model, batch = toy_model(), toy_batch()
    plain = loss(TeacherForcing(label_smoothing=SMOOTHING), model, batch)
    torch.testing.assert_close(loss(TeacherForcing(label_smoothing=SMOOTHING, r_drop=2.0), model, batch), plain)


def test_the_toy_s_distribution_is_far_from_even() -> None:
    """The fixture of these tests: an even distribution would hide many a mistake."""
    assert next_log_probs(toy_model(), toy_batch().source_BS[:1], []).exp().max() > 0.4
