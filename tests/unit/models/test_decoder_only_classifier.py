"""A decoder's class is that of the last real token's state, whatever stands behind or beside a row."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from intelligen.config.schema.model import DecoderOnly
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.models.build import build_classifier, build_model
from intelligen.models.decoder_only_classifier import DecoderOnlyClassifier
from intelligen.models.interfaces import PredictingClassifier
from intelligen.models.losses import Targets

torch.set_num_threads(1)
VOCABULARY, CLASSES = 11, 3
SHAPE = {"d_model": 16, "d_ff": 24, "heads": 2, "layers": 2, "max_positions": 32}
VARIANTS = [
    DecoderOnly(**SHAPE, norm=norm, positions=positions, tied_embeddings=tied)
    for norm, positions, tied in (("pre", "sinusoidal", True), ("post", "learned", False))
]


def build(config: DecoderOnly) -> PredictingClassifier:
    torch.manual_seed(0)
    network = build_classifier(config, [VOCABULARY], classes=CLASSES)
    assert isinstance(network, DecoderOnlyClassifier)
    return network.eval()


@pytest.fixture(params=VARIANTS, ids=lambda config: config.norm)
def model(request: pytest.FixtureRequest) -> PredictingClassifier:
    return build(request.param)


def rows() -> list[Tensor]:
    """BOS pieces EOS, of several lengths."""
    generator = torch.Generator().manual_seed(1)
    pieces = [torch.randint(4, VOCABULARY, (length,), generator=generator) for length in (9, 4, 0, 1)]
    return [torch.cat([torch.tensor([BOS]), text, torch.tensor([EOS])]) for text in pieces]


def padded(columns: int = 0) -> Tensor:
    return F.pad(torch.nn.utils.rnn.pad_sequence(rows(), batch_first=True, padding_value=PAD), (0, columns), value=PAD)


@torch.no_grad()
def test_padding_and_neighbours_change_no_class(model: PredictingClassifier) -> None:
    together = model(padded())
    assert together.shape == (4, CLASSES)
    torch.testing.assert_close(torch.cat([model(row[None]) for row in rows()]), together, rtol=0, atol=1e-6)
    torch.testing.assert_close(model(padded(5)), together, rtol=0, atol=1e-6)
    torch.testing.assert_close(model(padded().flip(0)).flip(0), together, rtol=0, atol=1e-6)


@torch.no_grad()
def test_the_class_is_read_from_the_last_real_token(model: PredictingClassifier) -> None:
    """Behind other tokens it is another one; so is it with another last token."""
    plain = model(padded(1))
    for row, text in enumerate(rows()):
        changed = padded(1)
        changed[row, len(text) - 1] = 5
        assert ((model(changed) - plain).abs().amax(dim=1) > 1e-4).tolist() == [one == row for one in range(4)]
        changed = padded(1)
        changed[row, len(text)] = 5
        assert ((model(changed) - plain).abs().amax(dim=1) > 1e-4).tolist() == [one == row for one in range(4)]


@torch.no_grad()
def test_a_row_of_nothing_but_padding_is_finite(model: PredictingClassifier) -> None:
    assert model(torch.full((2, 3), PAD)).isfinite().all()


@torch.no_grad()
def test_what_it_predicts_is_what_the_language_model_of_its_trunk_does(model: PredictingClassifier) -> None:
    """From the same pass as the class; all of the trunk's names are the same in both networks."""
    for config in VARIANTS:
        model = build(config)
        language_model = build_model(config, {"source": VOCABULARY, "target": VOCABULARY}, seed=5).eval()
        ours, theirs = model.state_dict(), language_model.state_dict()
        assert {*ours} - {*theirs} == {"head.weight", "head.bias"}
        assert all(name.startswith("trunk.") for name in theirs)
        language_model.load_state_dict({name: ours[name] for name in theirs})
        tokens_BT = padded()
        logits_BC, states_BTD = model.classify_and_predict(tokens_BT)
        torch.testing.assert_close(logits_BC, model(tokens_BT))
        torch.testing.assert_close(model.project(states_BTD), language_model(tokens_BT[:, :0], tokens_BT))
        targets = Targets(tokens_BT[:, 1:], 0.1)
        encoded = language_model.encode(tokens_BT[:, :0])
        torch.testing.assert_close(
            model.summed_loss(states_BTD[:, :-1], targets),
            language_model.summed_loss(language_model.states(tokens_BT[:, :-1], encoded), targets),
        )


@pytest.mark.parametrize("predicting", [False, True])
def test_every_trainable_weight_takes_part_in_a_loss(model: PredictingClassifier, predicting: bool) -> None:
    """Or else several ranks would wait for its gradient."""
    logits_BC, states_BTD = model.train().classify_and_predict(padded())
    loss = logits_BC.logsumexp(-1).sum()
    if predicting:
        loss = loss + model.summed_loss(states_BTD[:, :-1], Targets(padded()[:, 1:], 0.0))
    loss.backward()
    assert [name for name, weight in model.named_parameters() if weight.grad is None] == []


def test_a_class_is_learnt() -> None:
    """Whether token 4 stands before token 5, so counting tokens does not help; with padding behind."""
    torch.manual_seed(0)
    model = build_classifier(DecoderOnly(**SHAPE), [VOCABULARY], classes=2).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(1)
    for _ in range(100):
        tokens_BT = torch.randint(6, 10, (32, 6), generator=generator)
        place_B2 = torch.rand(32, 5, generator=generator).argsort(dim=1)[:, :2]
        tokens_BT.scatter_(1, place_B2, torch.tensor([4, 5]).expand(32, 2))
        tokens_BT[:16, 5] = PAD
        loss = F.cross_entropy(model(tokens_BT), (place_B2[:, 0] < place_B2[:, 1]).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.4
