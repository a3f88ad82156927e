"""Hugging Face's MarianMT of our shape, random weights, called as its trainer calls it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import MarianConfig, MarianMTModel

from intelligen.config.schema.model import Seq2Seq
from intelligen.data.batches import Batch
from intelligen.data.special_tokens import BOS, EOS, PAD


def build(shape: Seq2Seq, vocabulary: int) -> MarianMTModel:
    """A model that differs from ours in nothing but where it normalises: MarianMT knows post-norm alone."""
    config = MarianConfig(
        vocab_size=vocabulary,
        d_model=shape.d_model,
        encoder_layers=shape.encoder_layers,
        decoder_layers=shape.decoder_layers,
        encoder_attention_heads=shape.heads,
        decoder_attention_heads=shape.heads,
        encoder_ffn_dim=shape.d_ff,
        decoder_ffn_dim=shape.d_ff,
        activation_function=shape.activation,
        dropout=shape.dropout,
        attention_dropout=shape.attention_dropout,
        activation_dropout=shape.activation_dropout,
        max_position_embeddings=shape.max_positions,
        scale_embedding=True,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        forced_eos_token_id=None,
        decoder_start_token_id=BOS,
    )
    torch.manual_seed(1)
    return MarianMTModel(config).train()


def mean_loss(model: nn.Module, batch: Batch, *, label_smoothing: float) -> Tensor:
    """Over the target tokens; torch's own smoothed cross entropy is faster than the trainer's `LabelSmoother`."""
    logits_BTV = model(
        input_ids=batch.source_BS,
        attention_mask=batch.source_BS != PAD,
        decoder_input_ids=batch.target_in_BT,
        use_cache=False,
    ).logits
    return F.cross_entropy(
        logits_BTV.flatten(0, 1), batch.target_out_BT.flatten(), ignore_index=PAD, label_smoothing=label_smoothing
    )
