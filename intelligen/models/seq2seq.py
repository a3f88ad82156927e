"""Encoder-decoder Transformer (Vaswani et al. 2017): a source is encoded once, a target only ever looks back."""

import math
from collections.abc import Sequence
from functools import partial
from itertools import zip_longest
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from intelligen.config.model import Seq2Seq
from intelligen.data.tokens import PAD
from intelligen.models.cache import KVCache
from intelligen.models.embeddings import Positions, embedding_table
from intelligen.models.layers import DecoderLayer, EncoderLayer
from intelligen.models.likelihood import Expected, summed_loss
from intelligen.models.memory import Memory, visible_keys


class Seq2SeqTransformer(nn.Module):
    """Source tokens and a target prefix → logits of the next target token.

    Sequences are right-padded with PAD. A target batch has N = B·n rows: n ≥ 1 adjacent rows for each of B sources.
    Tied weights are one parameter under one name, so checkpoints hold every tensor once.
    """

    def __init__(self, config: Seq2Seq, *, source_vocabulary: int, target_vocabulary: int) -> None:
        super().__init__()
        tied, d_model = config.tied_embeddings, config.d_model
        assert tied != "all" or source_vocabulary == target_vocabulary, "one table needs one vocabulary"
        self.max_positions = config.max_positions
        self._scale = math.sqrt(d_model)
        self.target_embedding = embedding_table(target_vocabulary, d_model)
        self.source_embedding = None if tied == "all" else embedding_table(source_vocabulary, d_model)
        self.output = nn.Linear(d_model, target_vocabulary, bias=False) if tied == "none" else None
        if self.output is not None:
            nn.init.xavier_uniform_(self.output.weight)
        self.source_positions = Positions(config)
        self.target_positions = Positions(config)
        self.dropout = nn.Dropout(config.dropout)
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        # The residual stream of a pre-norm stack is never normalised on its way.
        final_norm = partial(nn.LayerNorm, d_model) if config.norm == "pre" else nn.Identity
        self.encoder_norm = final_norm()
        self.decoder_norm = final_norm()

    def forward(
        self,
        source_BS: Tensor,
        *target_in: Tensor,
        expected: Sequence[Expected] = (),
        pooled: bool = False,
        beginning: int = 0,
    ) -> tuple[Tensor, ...]:
        """Encode once, decode every target; gradients are taken through here only, as DDP requires.

        Args:
            source_BS: source tokens.
            target_in: decoder inputs, BOS first: tokens [N, T], or mixtures of tokens [N, T, V], whose embedding is the
                weighted sum of the tokens' embeddings. N and T may differ between them.
            expected: what the first of `target_in` are to predict, where their summed loss is all that is asked for.
            pooled: whether the source alone is to predict a target token, too.
            beginning: of how many first positions of the first of `target_in` the logits are asked for, too.

        Returns:
            For each of `target_in` its summed loss, or logits [N, T, V] where nothing is `expected`; if `pooled`, then
            logits [B, V] of the encoder's mean state; with a `beginning` k, then logits [N, k, V], fewer where the
            target is shorter.

        """
        memory = self.encode(source_BS)
        states = [self.decoder_norm(self._decode(inputs, memory)) for inputs in target_in]
        read = [
            self._project(states_NTD) if tokens is None else summed_loss(states_NTD, self._projection_VD, tokens)
            for states_NTD, tokens in zip_longest(states, expected)
        ]
        if pooled:
            read.append(self._project(memory.mean_BD))
        if beginning:
            read.append(self._project(states[0][:, :beginning]))
        return tuple(read)

    def encode(self, source_BS: Tensor) -> Memory:
        """Run the encoder; a source of nothing but padding gives finite numbers without a meaning."""
        padding_BS = source_BS == PAD
        mask = visible_keys(padding_BS)
        table = self.target_embedding if self.source_embedding is None else self.source_embedding
        x_BSD = self._embed(source_BS, table, self.source_positions(0, source_BS.size(1)))
        for layer in self.encoder:
            x_BSD = layer(x_BSD, mask)
        return Memory(self.encoder_norm(x_BSD), padding_BS)

    def decode(self, target_in: Tensor, memory: Memory) -> Tensor:
        """Logits [N, T, V] at all the positions of whole targets, tokens [N, T] or mixtures [N, T, V], in parallel.

        Causality hides the padding: it stands on the right, and nobody reads the logits at padded positions.
        """
        return self._logits(self._decode(target_in, memory))

    def new_cache(
        self, memory: Memory, *, max_length: int, rows_per_source: int = 1, left_padding_N: Tensor | None = None
    ) -> KVCache:
        """Room for `max_length` target positions of n = `rows_per_source` adjacent rows for each source.

        The rows' first `left_padding_N` positions are padding: hidden, and not counted.
        """
        source_kv_LBSW = torch.stack([layer.cross_attention.kv(memory.states_BSD) for layer in self._decoder_layers])
        rows = memory.states_BSD.size(0) * rows_per_source
        return KVCache(
            source_kv_LBSW, memory.visible_keys, rows=rows, max_length=max_length, left_padding_N=left_padding_N
        )

    def extend(self, tokens_NT: Tensor, cache: KVCache) -> Tensor:
        """Append T ≥ 1 tokens to every row of the cache; logits [N, T, V] at these positions."""
        return self._logits(self._append(tokens_NT, cache))

    def prefill(self, tokens_NT: Tensor, cache: KVCache) -> None:
        """Append T ≥ 1 tokens to every row of the cache; nobody asks what comes after them."""
        self._append(tokens_NT, cache)

    @property
    def _decoder_layers(self) -> list[DecoderLayer]:
        return cast(list[DecoderLayer], list(self.decoder))

    def _decode(self, target_in: Tensor, memory: Memory) -> Tensor:
        x_NTD = self._embed(target_in, self.target_embedding, self.target_positions(0, target_in.size(1)))
        for layer in self._decoder_layers:
            source_kv_BSW = layer.cross_attention.kv(memory.states_BSD)
            x_NTD = layer(x_NTD, source_kv_BSW, source_mask=memory.visible_keys)
        return x_NTD

    def _append(self, tokens_NT: Tensor, cache: KVCache) -> Tensor:
        count = tokens_NT.size(1)
        positions = self.target_positions(cache.length, count, left_padding_N=cache.left_padding_N)
        x_NTD = self._embed(tokens_NT, self.target_embedding, positions)
        mask = cache.visible_positions(count)
        for index, layer in enumerate(self._decoder_layers):
            x_NTD = layer(
                x_NTD,
                cache.source_kv_LBSW[index],
                source_mask=cache.visible_keys,
                target_mask=mask,
                remember=partial(cache.append, index),
            )
        cache.advance(count)
        return x_NTD

    def _embed(self, inputs: Tensor, table: nn.Embedding, positions: Tensor) -> Tensor:
        x_NTD = inputs @ table.weight if inputs.is_floating_point() else table(inputs)
        embedded: Tensor = self.dropout(x_NTD * self._scale + positions)
        return embedded

    def _logits(self, x_NTD: Tensor) -> Tensor:
        return self._project(self.decoder_norm(x_NTD))

    def _project(self, states: Tensor) -> Tensor:
        return F.linear(states, self._projection_VD)

    @property
    def _projection_VD(self) -> Tensor:
        return (self.target_embedding if self.output is None else self.output).weight
