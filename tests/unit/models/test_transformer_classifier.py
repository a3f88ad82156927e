"""The classifier reads what its sequences say, which of them says it, and nothing of their padding."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from intelligen.config.schema.model import Encoder, Seq2Seq
from intelligen.data.special_tokens import PAD
from intelligen.models.transformer_classifier import TransformerClassifier

torch.set_num_threads(1)


SUM_OF_WEIGHTS = 81.93308839142992
"""Of the network below with vocabularies of 10 and 7 tokens, as the first release made it."""


def build(*vocabularies: int, classes: int = 3, **shape: object) -> TransformerClassifier:
    torch.manual_seed(0)
    config = Seq2Seq(d_model=16, d_ff=24, heads=2, encoder_layers=2, max_positions=16, **shape)
    return TransformerClassifier(config, vocabularies=vocabularies, classes=classes).eval()


def sources() -> Tensor:
    return torch.tensor([[4, 5, 6, 7], [8, 4, PAD, PAD], [9, PAD, PAD, PAD]])


def targets() -> Tensor:
    return torch.tensor([[4, 4, PAD], [5, 6, 4], [PAD, PAD, PAD]])


def test_an_encoder_and_a_seq2seq_of_its_shape_are_one_network() -> None:
    """Whose names and first weights stay what they were; discriminators are such networks."""
    torch.manual_seed(0)
    encoder = Encoder(d_model=16, d_ff=24, heads=2, layers=2, max_positions=16)
    state = TransformerClassifier(encoder, vocabularies=[10, 7], classes=3).state_dict()
    torch.testing.assert_close(state, build(10, 7).state_dict(), rtol=0, atol=0)
    assert {name.partition(".")[0] for name in state} == {"tables", "segments", "encoder", "norm", "output"}
    assert sum(float(tensor.double().sum()) for tensor in state.values()) == pytest.approx(SUM_OF_WEIGHTS, abs=1e-4)


def test_output_dropout_acts_on_what_the_mean_is_taken_over() -> None:
    quiet, loud = build(10, dropout=0.0), build(10, dropout=0.0, output_dropout=0.5)
    torch.testing.assert_close(loud(sources()), quiet(sources()), rtol=0, atol=0)
    assert not torch.allclose(loud.train()(sources()), quiet.train()(sources()))


@pytest.mark.parametrize("norm", ["pre", "post"])
@torch.no_grad()
def test_padding_behind_any_sequence_changes_nothing(norm: str) -> None:
    model = build(10, 7, norm=norm)
    plain = model(sources(), targets())
    assert plain.shape == (3, 3)
    torch.testing.assert_close(model(F.pad(sources(), (0, 3)), F.pad(targets(), (0, 5))), plain, rtol=0, atol=1e-6)
    alone = torch.cat([model(sources()[1:2, :2], targets()[1:2]), model(sources()[2:, :1], targets()[2:, :0])])
    torch.testing.assert_close(alone, plain[1:], rtol=0, atol=1e-6)


@torch.no_grad()
def test_a_row_of_nothing_but_padding_is_finite() -> None:
    assert build(10)(torch.zeros(2, 3, dtype=torch.long)).isfinite().all()


@torch.no_grad()
def test_order_and_side_matter() -> None:
    model = build(10, 10)
    first, second = sources(), F.pad(targets(), (0, 1))
    plain = model(first, second)
    assert ((model(second, first) - plain).abs().amax(dim=1) > 1e-3).all()
    assert ((model(first[:1].flip(1), second[:1]) - plain[:1]).abs() > 1e-3).any()
    # Equal vectors at equal positions: only the segment tells the two sides apart.
    model.tables[1].load_state_dict(model.tables[0].state_dict())
    one, other = torch.tensor([[4, 5]]), torch.tensor([[6, 7]])
    assert (model(one, other) - model(other, one)).abs().max() > 1e-3


def test_one_sequence_is_learnt_to_be_classified() -> None:
    """The class is whether token 4 stands before token 5, so counting tokens does not help."""
    model = build(10, classes=2).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(1)
    for _ in range(80):
        tokens_BT = torch.randint(6, 10, (32, 5), generator=generator)
        place_B2 = torch.rand(32, 5, generator=generator).argsort(dim=1)[:, :2]
        tokens_BT.scatter_(1, place_B2, torch.tensor([4, 5]).expand(32, 2))
        loss = F.cross_entropy(model(tokens_BT), (place_B2[:, 0] < place_B2[:, 1]).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.4
