"""Attention within segments is attention with a mask: by the stand-in for the kernel, which computes on any device."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from gpu_checks.segment_attention import segment_attention
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from intelligen.config.base import canonical_json
from intelligen.config.schema.decoding import Decoding
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.model import DecoderOnly, Seq2Seq
from intelligen.config.schema.training import Training
from intelligen.data.special_tokens import BOS, PAD
from intelligen.models.build import build_model
from intelligen.models.compiled_layers import compile_layers
from intelligen.models.interfaces import Generator
from intelligen.models.losses import Targets
from intelligen.models.row_masks import masks_of_rows, row_keys
from intelligen.models.segments import attend_within, segments_of

SHAPE: dict[str, Any] = {"d_model": 16, "d_ff": 32, "heads": 2, "max_positions": 16}
SOURCE_BS = torch.tensor([[5, 6, 7, 8, 3], [8, 9, 3, 0, 0], [4, 4, 4, 3, 0]])
TARGET_NT = torch.tensor([[BOS, 5, 6, 3], [BOS, 7, 3, 0]]).repeat(3, 1)


def network(*, flash: bool, dropout: float = 0.0) -> Generator:
    settings = Seq2Seq(**SHAPE, encoder_layers=2, decoder_layers=1, dropout=dropout)
    model = build_model(settings, {"source": 12, "target": 12}, seed=1)
    model.flash_attention = flash
    return model


def gradients(model: Generator, source_BS: Tensor = SOURCE_BS) -> tuple[Tensor, list[Tensor | None]]:
    """Of a loss of two targets for each source, read in two passes over the same sources."""
    encoded = model.for_several_passes(model.encode(source_BS))
    targets = Targets(TARGET_NT[:, 1:], 0.1)
    loss = sum(model.summed_loss(model.states(TARGET_NT[:, :-1], encoded), targets) for _ in range(2))
    assert isinstance(loss, Tensor)
    loss.backward()
    return loss.detach(), [weight.grad for weight in model.parameters()]


def test_what_the_kernel_is_told_separates_rows_from_their_padding() -> None:
    padding_BS = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]]).bool()
    segments = segments_of(padding_BS)
    assert segments.of_keys.tolist() == [0, 2, 4, 8, 8, 12, 12]
    assert segments.of_keys.dtype == torch.int32
    assert segments.of_queries is segments.of_keys
    across = segments.seen_by(6)
    assert across.of_queries.tolist() == [0, 6, 6, 12, 12, 18, 18]
    assert (across.most_queries, across.most_keys) == (6, 4)
    with segment_attention():
        from torch.nn.attention.varlen import varlen_attn

        q_MHE, k_LHE, v_LHE = (torch.randn(rows, 2, 8) for rows in (18, 12, 12))
        found_MHE = varlen_attn(q_MHE, k_LHE, v_LHE, *across)
    assert isinstance(found_MHE, Tensor)
    for queries, keys in ((slice(0, 6), slice(0, 2)), (slice(6, 12), slice(4, 8)), (slice(12, 18), slice(8, 12))):
        q_HTE, k_HLE, v_HLE = (one.transpose(0, 1) for one in (q_MHE[queries], k_LHE[keys], v_LHE[keys]))
        expected_HTE = F.scaled_dot_product_attention(q_HTE, k_HLE, v_HLE)
        torch.testing.assert_close(found_MHE[queries].transpose(0, 1), expected_HTE)


def test_the_kernel_takes_what_it_is_given() -> None:
    # Types and shapes alone, by torch's own description of the kernel.
    with FakeTensorMode():
        q_MHE = torch.randn(24, 2, 8, dtype=torch.bfloat16, requires_grad=True)
        kv_BLW = torch.randn(3, 5, 32, dtype=torch.bfloat16, requires_grad=True)
        k_LHE, v_LHE = (one.reshape(-1, 2, 8) for one in kv_BLW.split(16, dim=-1))
        segments = segments_of(torch.zeros(3, 5, dtype=torch.bool)).seen_by(8)
        attend_within(segments, q_MHE, k_LHE, v_LHE).sum().backward()
    assert q_MHE.grad is not None
    assert kv_BLW.grad is not None


def test_losses_and_gradients_are_those_of_a_mask() -> None:
    expected, expected_by = gradients(network(flash=False))
    with segment_attention():
        found, found_by = gradients(network(flash=True))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found_by, expected_by)


def test_a_source_of_padding_alone_attends_to_itself_as_ever() -> None:
    source_BS = SOURCE_BS.clone()
    source_BS[1] = PAD
    expected, _ = gradients(network(flash=False), source_BS)
    with segment_attention():
        found, _ = gradients(network(flash=True), source_BS)
    torch.testing.assert_close(found, expected)


def test_masks_of_dropout_are_the_rows_own() -> None:
    keys_B, found = row_keys(1, torch.arange(3)), []
    for flash in (False, True):
        with segment_attention(), masks_of_rows(keys_B):
            found.append(gradients(network(flash=flash, dropout=0.5)))
    torch.testing.assert_close(found[1], found[0])


def test_compiled_layers_attend_within_segments() -> None:
    compiled = network(flash=True)
    compile_layers(compiled, backend="eager")
    with segment_attention():
        torch.testing.assert_close(gradients(compiled), gradients(network(flash=True)))


def test_in_full_precision_and_in_a_cache_there_is_a_mask() -> None:
    assert network(flash=True).encode(SOURCE_BS).segments is None
    with segment_attention():
        assert network(flash=True).encode(SOURCE_BS).select(torch.tensor([1])).segments is None


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (DecoderOnly(), "is for model.name seq2seq, not decoder_only"),
        (Seq2Seq(attention_dropout=0.1), r"needs model.attention_dropout 0, got 0\.1"),
        (Seq2Seq(d_model=64, heads=16), "needs heads of equal d_k and d_v, a multiple of 8 up to 256, got 4 and 4"),
        (Seq2Seq(d_k=32, d_v=64), "got 32 and 64"),
    ],
)
def test_what_the_kernel_cannot_do_is_refused(model: Seq2Seq | DecoderOnly, why: str) -> None:
    training = Training(precision="bf16", flash_attention=True)
    with pytest.raises(ValueError, match=rf"training\.flash_attention .*{why}; set it to false"):
        Experiment(version=1, name="x", model=model, training=training)


def test_it_needs_half_precision_and_is_part_of_an_identity_where_it_is_on_alone() -> None:
    with pytest.raises(ValueError, match="needs precision bf16 or fp16"):
        Experiment(version=1, name="x", training=Training(flash_attention=True))
    Experiment(version=1, name="x", training=Training(precision="fp16", flash_attention=True))
    assert "flash_attention" not in canonical_json(Training())
    assert "cuda_graphs" not in canonical_json(Decoding())
