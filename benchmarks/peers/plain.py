"""What a good engineer writes in an afternoon: `nn.Transformer`, tied embeddings, torch's own cross entropy."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from intelligen.config.schema.model import Seq2Seq
from intelligen.data.batches import Batch
from intelligen.data.special_tokens import PAD
from intelligen.models.embeddings import embedding_table, sinusoids


class PlainTransformer(nn.Module):
    """Source tokens and a target prefix → logits; of our shape, with dropout where ours has it."""

    positions_PD: Tensor

    def __init__(self, shape: Seq2Seq, vocabulary: int) -> None:
        super().__init__()
        self.embedding = embedding_table(vocabulary, shape.d_model)
        self.register_buffer("positions_PD", sinusoids(shape.max_positions, shape.d_model))
        self.dropout = nn.Dropout(shape.dropout)
        self.transformer = nn.Transformer(
            shape.d_model,
            shape.heads,
            shape.encoder_layers,
            shape.decoder_layers,
            shape.d_ff,
            shape.dropout,
            activation=shape.activation,
            batch_first=True,
            norm_first=shape.norm == "pre",
        )
        for part in self.transformer.modules():
            if isinstance(part, nn.MultiheadAttention):
                part.dropout = shape.attention_dropout
            elif isinstance(part, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
                part.dropout.p = shape.activation_dropout

    def forward(self, source_BS: Tensor, target_in_BT: Tensor) -> Tensor:
        """Logits [B, T, V]; a mask is given only where something is hidden."""
        padding_BS = source_BS == PAD
        # On an accelerator the question would stall the queue of kernels.
        hidden_BS = padding_BS if padding_BS.is_cuda or bool(padding_BS.any()) else None
        T = target_in_BT.size(1)
        out_BTD = self.transformer(
            self._embed(source_BS),
            self._embed(target_in_BT),
            tgt_mask=nn.Transformer.generate_square_subsequent_mask(T, device=source_BS.device, dtype=torch.bool),
            src_key_padding_mask=hidden_BS,
            memory_key_padding_mask=hidden_BS,
            tgt_is_causal=True,
        )
        return F.linear(out_BTD, self.embedding.weight)

    def _embed(self, tokens_BT: Tensor) -> Tensor:
        scaled_BTD = self.embedding(tokens_BT) * math.sqrt(self.embedding.embedding_dim)
        embedded: Tensor = self.dropout(scaled_BTD + self.positions_PD[: tokens_BT.size(1)])
        return embedded


def build(shape: Seq2Seq, vocabulary: int) -> PlainTransformer:
    """The model with random weights."""
    torch.manual_seed(1)
    return PlainTransformer(shape, vocabulary).train()


def mean_loss(model: nn.Module, batch: Batch, *, label_smoothing: float) -> Tensor:
    """Over the target tokens."""
    logits_BTV = model(batch.source_BS, batch.target_in_BT)
    return F.cross_entropy(
        logits_BTV.flatten(0, 1), batch.target_out_BT.flatten(), ignore_index=PAD, label_smoothing=label_smoothing
    )
