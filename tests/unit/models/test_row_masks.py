"""Dropout by row: a row's masks depend on its key, the use and the place, and on nothing that lies beside it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from intelligen.config.base import canonical_json
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.model import DecoderOnly, Encoder, Seq2Seq
from intelligen.config.schema.training import Training
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.models.build import build_classifier, build_model
from intelligen.models.dropout import Dropout
from intelligen.models.row_masks import masks_of_rows, row_keys, rows_repeated, weight_factors

DROPPING: dict[str, Any] = {
    **{"d_model": 24, "d_ff": 30, "heads": 3, "d_k": 8, "d_v": 8, "max_positions": 16},
    **dict.fromkeys(("dropout", "attention_dropout", "activation_dropout", "output_dropout"), 0.3),
}
KEYS_B = row_keys(7, torch.arange(4))
SOURCE_BS = torch.tensor([[5, 6, 7, EOS], [8, EOS, PAD, PAD], [9, 5, EOS, PAD], [6, EOS, PAD, PAD]])
TARGET_BT = torch.tensor([[BOS, 5, PAD], [BOS, 7, 8], [BOS, 9, PAD], [BOS, PAD, PAD]])


def seq2seq() -> Callable[[Tensor, Tensor], Tensor]:
    model = build_model(Seq2Seq(**DROPPING, encoder_layers=2, decoder_layers=2), {"source": 12, "target": 12}, seed=1)
    return lambda source_BS, target_NT: model.states(target_NT, model.encode(source_BS))


def prompted() -> Callable[[Tensor, Tensor], Tensor]:
    model = build_model(DecoderOnly(**DROPPING, layers=2), {"source": 12, "target": 12}, seed=1)
    return lambda source_BS, target_NT: model.states(target_NT, model.encode(source_BS))


def language_model() -> Callable[[Tensor, Tensor], Tensor]:
    run = prompted()
    return lambda source_BS, target_NT: run(source_BS[:, :0], target_NT)


def pair_classifier() -> Callable[[Tensor, Tensor], Tensor]:
    torch.manual_seed(1)
    model = build_classifier(Encoder(**DROPPING, layers=2), [12, 12], classes=3)
    return lambda source_BS, target_BT: model(source_BS, target_BT)[:, None]


def classifier() -> Callable[[Tensor, Tensor], Tensor]:
    torch.manual_seed(1)
    model = build_classifier(DecoderOnly(**DROPPING, layers=2), [12], classes=3)
    return lambda _, target_BT: model(target_BT)[:, None]


@pytest.mark.parametrize("make", [seq2seq, prompted, language_model, pair_classifier, classifier])
def test_a_row_is_computed_as_if_it_were_alone_whatever_lies_beside_it_and_behind_it(make):
    run = make()
    with masks_of_rows(KEYS_B):
        together = run(SOURCE_BS, TARGET_BT)
    with masks_of_rows(KEYS_B + 1):
        assert not torch.allclose(run(SOURCE_BS, TARGET_BT), together)
    for row in range(4):
        source, target = (one[row][one[row] != PAD] for one in (SOURCE_BS, TARGET_BT))
        with masks_of_rows(KEYS_B[row : row + 1]):
            alone = run(source[None], target[None])
        torch.testing.assert_close(together[row, : alone.size(1)], alone[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [seq2seq, prompted])
def test_several_texts_of_a_source_have_masks_of_their_own_whatever_their_width(make):
    run, padded = make(), torch.nn.functional.pad(TARGET_BT, (0, 2), value=PAD)
    twice_NT, wider_NT = (one.repeat_interleave(2, dim=0) for one in (TARGET_BT, padded))
    found = []
    for target_NT in (twice_NT, wider_NT):
        with masks_of_rows(KEYS_B):
            found.append(run(SOURCE_BS, target_NT)[:, :3])
    own_NT = twice_NT != PAD
    torch.testing.assert_close(found[1][own_NT], found[0][own_NT], rtol=1e-4, atol=1e-5)
    assert not torch.isclose(found[0][::2], found[0][1::2]).all(dim=-1).any()


def test_masks_keep_the_asked_share_and_the_mean_and_no_two_are_alike():
    dropout, ones_NTD = Dropout(0.3), torch.ones(4, 50, 101)
    with masks_of_rows(KEYS_B):
        uses = [dropout(ones_NTD), dropout(ones_NTD)]
        with rows_repeated(2):
            uses += dropout(torch.ones(8, 50, 101)).chunk(2)
    kept = torch.cat(uses).flatten(0, 1) != 0
    assert torch.cat(uses).unique().tolist() == pytest.approx([0, 1 / 0.7], abs=1e-4)
    assert float(kept.float().mean()) == pytest.approx(0.7, abs=0.01)
    for shares in (kept.float().mean(dim=0), kept.float().mean(dim=1)):
        assert float((shares - 0.7).abs().max()) < 0.25
    # Of independent masks 0.7² + 0.3² of the elements agree.
    alike = (kept[:, None] == kept).float().mean(dim=-1).fill_diagonal_(0.58)
    assert float(alike.mean()) == pytest.approx(0.58, abs=0.005)
    assert float(alike.max()) < 0.9


def test_weights_of_attention_are_dropped_by_head_query_and_key():
    with masks_of_rows(KEYS_B):
        factors_NHTL = weight_factors(torch.ones(4, 20, 8), heads=6, keys=(3, 20), p=0.5)
    assert factors_NHTL.shape == (4, 6, 20, 23)
    for dimension in range(4):
        slices = [one.flatten() for one in factors_NHTL.unbind(dimension)]
        assert all(0.2 < float((slices[0] == other).float().mean()) < 0.8 for other in slices[1:])
    assert float(factors_NHTL.mean()) == pytest.approx(1, abs=0.05)


def test_torch_draws_where_there_are_no_keys_and_nothing_is_dropped_outside_training():
    dropout, x_NTD = Dropout(0.3), torch.ones(4, 5, 6)
    drawn = []
    for own in (torch.nn.Dropout(0.3), dropout):
        torch.manual_seed(1)
        with masks_of_rows(None):
            drawn.append(own(x_NTD))
    assert torch.equal(*drawn)
    with masks_of_rows(KEYS_B):
        assert torch.equal(dropout.eval()(x_NTD), x_NTD)
        assert weight_factors(x_NTD, heads=2, keys=(5,), p=0.0) is None


def test_the_key_is_part_of_an_identity_where_it_is_on_alone_and_excludes_compiled_layers():
    assert "dropout_by_row" not in canonical_json(Training())
    assert "dropout_by_row" in canonical_json(Training(dropout_by_row=True))
    with pytest.raises(ValueError, match=r"training\.dropout_by_row and training\.compile exclude each other"):
        Experiment(version=1, name="x", training=Training(dropout_by_row=True, compile=True))
