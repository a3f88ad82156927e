"""Packing: what the encoder makes of a padded batch's tokens, with and without computing its padding."""

import pytest
import torch

from intelligen.config.schema.model import Seq2Seq
from intelligen.data.special_tokens import PAD
from intelligen.models.build import build_model
from intelligen.models.packing import Packing

SIZES = {"d_model": 32, "d_ff": 64, "heads": 4, "encoder_layers": 2, "decoder_layers": 1, "max_positions": 32}


def padded_sources() -> torch.Tensor:
    source_BS = torch.randint(4, 20, (16, 24), generator=torch.Generator().manual_seed(1))
    length_B1 = torch.arange(9, 25)[:, None]
    return source_BS.masked_fill(torch.arange(24) >= length_B1, PAD)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_packing_changes_the_state_of_no_token(norm: str) -> None:
    model = build_model(Seq2Seq.model_validate(SIZES | {"norm": norm}), {"source": 20, "target": 20}, seed=1).eval()
    source_BS = padded_sources()
    padding_BS = source_BS == PAD
    with torch.no_grad():
        assert Packing.of(padding_BS) is not None
        packed = model.encode(source_BS).states_BSD
    assert Packing.of(padding_BS) is None
    torch.testing.assert_close(packed[~padding_BS], model.encode(source_BS).states_BSD[~padding_BS].detach())


@torch.no_grad()
def test_what_is_padded_is_packed_again_as_it_was() -> None:
    packing = Packing.of(padded_sources() == PAD)
    assert packing is not None
    x_PD = torch.randn(packing.place_P.numel(), 3)
    padded_BSD = packing.padded(x_PD)
    assert padded_BSD.shape == (16, 24, 3)
    assert torch.equal(packing.packed(padded_BSD), x_PD)
    assert padded_BSD.count_nonzero() == x_PD.count_nonzero()


@torch.no_grad()
def test_little_padding_and_few_tokens_are_computed_as_they_are() -> None:
    padding_BS = padded_sources() == PAD
    assert Packing.of(padding_BS[-4:]) is None
    assert Packing.of(padding_BS[:2]) is None
