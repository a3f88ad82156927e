"""Trunk of a decoder-only Transformer: tokens in, causal states out; its generator and its classifier share it."""

import math
from collections.abc import Callable
from functools import partial
from typing import cast

from torch import Tensor, nn

from intelligen.config.schema.model import DecoderOnly
from intelligen.models.attention import Heads, KeysValues
from intelligen.models.dropout import Dropout
from intelligen.models.embeddings import Positions, embedding_table
from intelligen.models.matmul import Linear, linear
from intelligen.models.transformer_layers import EncoderLayer


class DecoderTrunk(nn.Module):
    """Embeddings, causal layers and output projection (Radford et al. 2018)."""

    def __init__(self, config: DecoderOnly, *, vocabulary: int) -> None:
        super().__init__()
        d_model = config.d_model
        self._scale = math.sqrt(d_model)
        self.embedding = embedding_table(vocabulary, d_model)
        self.output = None if config.tied_embeddings else Linear(d_model, vocabulary, bias=False)
        if self.output is not None:
            nn.init.xavier_uniform_(self.output.weight)
        # A prompt, and behind it what is written.
        self.positions = Positions(2 * config.max_positions, d_model, learned=config.positions == "learned")
        self.dropout = Dropout(config.dropout)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))
        # The residual stream of a pre-norm stack is never normalised on its way.
        self.norm = nn.LayerNorm(d_model) if config.norm == "pre" else nn.Identity()
        self.output_dropout = Dropout(config.output_dropout)

    def forward(
        self,
        embedded_NTD: Tensor,
        positions: Tensor,
        *,
        mask: Tensor | None = None,
        causal: bool = True,
        remember: Callable[[int, Tensor], Tensor | KeysValues] | None = None,
    ) -> Tensor:
        """States [N, T, D].

        Args:
            embedded_NTD: Rows of the embedding, or mixtures of them.
            positions: Vectors of their positions, [T, D] or [N, T, D].
            mask: What each position sees, boolean; it replaces `causal`.
            causal: Each position sees those up to itself; where there is neither, it sees all.
            remember: What a layer's new keys and values are attended to with: (layer, new ones) → all.

        """
        x_NTD = self._placed(embedded_NTD, positions)
        for index, layer in enumerate(self.layers):
            kept = None if remember is None else partial(remember, index)
            x_NTD = layer(x_NTD, mask, causal=causal and mask is None, remember=kept)
        states_NTD: Tensor = self.output_dropout(self.norm(x_NTD))
        return states_NTD

    @property
    def heads(self) -> Heads:
        """Of every layer."""
        return self._layers[0].self_attention.heads

    def read(self, tokens_BT: Tensor) -> Tensor:
        """States [B, T, D] of sequences that begin at the first position. Causality hides the padding behind them."""
        states_BTD: Tensor = self(self.embedding(tokens_BT), self.positions(0, tokens_BT.size(1)))
        return states_BTD

    def keys(self, tokens_BS: Tensor) -> tuple[Tensor, ...]:
        """Each layer's keys and values [B, S, W] of such sequences; the last layer is not run for more than these."""
        x_BSD = self._placed(self.embedding(tokens_BS), self.positions(0, tokens_BS.size(1)))
        *lower, last = self._layers
        if not tokens_BS.size(1):
            return (last.kv(x_BSD),) * len(self.layers)
        found: list[Tensor] = []

        def keep(kv_BSW: Tensor) -> Tensor:
            found.append(kv_BSW)
            return kv_BSW

        for layer in lower:
            x_BSD = layer(x_BSD, None, causal=True, remember=keep)
        return (*found, last.kv(x_BSD))

    @property
    def _layers(self) -> list[EncoderLayer]:
        return cast(list[EncoderLayer], list(self.layers))

    def _placed(self, embedded: Tensor, positions: Tensor) -> Tensor:
        placed: Tensor = self.dropout(embedded * self._scale + positions)
        return placed

    def project(self, states: Tensor) -> Tensor:
        """Logits [..., V] of the next token."""
        return linear(states, self.projection_VD)

    @property
    def projection_VD(self) -> Tensor:
        """The output projection, which may be the embedding."""
        return (self.embedding if self.output is None else self.output).weight
