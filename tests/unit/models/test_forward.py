"""The decoder reads mixtures of tokens, and the encoder's pooled state is the mean over the source."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from intelligen.config.schema.model import Seq2Seq
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer

torch.set_num_threads(1)
VOCABULARY = 11
SHAPE = {"d_model": 16, "d_ff": 24, "heads": 2, "encoder_layers": 2, "decoder_layers": 2}
CONFIGS = {
    "all": Seq2Seq(**SHAPE, tied_embeddings="all", norm="pre"),
    "none": Seq2Seq(**SHAPE, tied_embeddings="none", norm="post"),
}


def build(config: Seq2Seq) -> Seq2SeqTransformer:
    torch.manual_seed(0)
    return Seq2SeqTransformer(config, source_vocabulary=VOCABULARY, target_vocabulary=VOCABULARY).eval()


@pytest.fixture(params=CONFIGS)
def model(request: pytest.FixtureRequest) -> Seq2SeqTransformer:
    return build(CONFIGS[request.param])


def tokens(*shape: int, seed: int = 1) -> Tensor:
    return torch.randint(4, VOCABULARY, shape, generator=torch.Generator().manual_seed(seed))


def padded_sources() -> Tensor:
    return tokens(3, 6).masked_fill(torch.arange(6) >= torch.tensor([[6], [4], [1]]), PAD)


def one_hot(target_NT: Tensor) -> Tensor:
    return F.one_hot(target_NT, VOCABULARY).float()


def test_a_one_hot_mixture_is_its_token(model: Seq2SeqTransformer) -> None:
    target_NT = tokens(6, 4, seed=2)
    target_NT[:, 0] = BOS
    target_NT[1, 2:] = PAD
    encoded = model.encode(padded_sources())
    plain, mixed = model.states(target_NT, encoded), model.mixture_states(one_hot(target_NT), encoded)
    torch.testing.assert_close(mixed, plain)


def test_a_mixture_is_embedded_as_the_weighted_sum_of_its_tokens() -> None:
    model = build(CONFIGS["none"])
    mixed_token, parts = 10, {4: 0.5, 5: 0.3, 8: 0.2}
    with torch.no_grad():
        table_VD = model.target_embedding.weight
        table_VD[mixed_token] = sum(weight * table_VD[token] for token, weight in parts.items())
    target_NT = torch.tensor([[BOS, mixed_token, 6]]).expand(3, -1)
    mixture_NTV = one_hot(target_NT)
    mixture_NTV[:, 1] = 0.0
    mixture_NTV[:, 1, list(parts)] = torch.tensor(list(parts.values()))
    encoded = model.encode(padded_sources())
    plain, mixed = model.states(target_NT, encoded), model.mixture_states(mixture_NTV, encoded)
    torch.testing.assert_close(mixed, plain)


def test_a_mixture_s_gradient_reaches_the_table_by_its_weights_and_the_weights_if_asked_to() -> None:
    model = build(CONFIGS["none"])
    assert model.output is not None
    source_BS, weights_1TV = padded_sources()[:1], torch.zeros(1, 1, VOCABULARY)
    weights_1TV[..., 4], weights_1TV[..., 5] = 0.75, 0.25
    logits = model.project(model.mixture_states(weights_1TV, model.encode(source_BS)))
    logits[..., EOS].sum().backward()
    gradient_VD = model.target_embedding.weight.grad
    assert gradient_VD is not None
    assert set(gradient_VD.abs().sum(dim=1).nonzero().flatten().tolist()) == {4, 5}
    torch.testing.assert_close(gradient_VD[4], 3 * gradient_VD[5])
    assert weights_1TV.grad is None
    logits = model.project(model.mixture_states(weights_1TV.requires_grad_(), model.encode(source_BS)))
    logits[..., EOS].sum().backward()
    assert weights_1TV.grad is not None
    # Both passes are in the table's gradient: 2 · 0.75 times that of the embedded input.
    input_gradient_D = gradient_VD[4] / 1.5
    torch.testing.assert_close(weights_1TV.grad[0, 0], model.target_embedding.weight.detach() @ input_gradient_D)


def test_the_pooled_state_is_the_encoder_s_mean_over_the_source(model: Seq2SeqTransformer) -> None:
    source_BS = padded_sources()
    pooled = model.pooled(model.encode(source_BS))
    for row, length in enumerate([6, 4, 1]):
        states_1SD = model.encode(source_BS[row : row + 1, :length]).states_BSD
        torch.testing.assert_close(pooled[row], states_1SD[0].mean(dim=0))
    padded = model.pooled(model.encode(F.pad(source_BS, (0, 3), value=PAD)))
    torch.testing.assert_close(padded, pooled)


def test_pooled_logits_train_the_encoder_even_beside_a_source_of_padding_alone(model: Seq2SeqTransformer) -> None:
    source_BS = padded_sources()
    source_BS[1] = PAD
    logits = model.project(model.pooled(model.encode(source_BS)))
    logits.logsumexp(-1).sum().backward()
    assert logits.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.encoder.parameters())
