"""Encoder-decoder Transformer (Vaswani et al. 2017): a source is encoded once."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import cast

from torch import Tensor, nn

from intelligen.config.schema.model import Seq2Seq
from intelligen.data.special_tokens import PAD
from intelligen.models.dropout import Dropout
from intelligen.models.embeddings import Positions, embedding_table
from intelligen.models.encoder_output import TransformerEncoderOutput, visible_keys
from intelligen.models.fixed_cache import FixedCache
from intelligen.models.interfaces import MixtureReader, Part, SourcePooler
from intelligen.models.kv_cache import KVCache
from intelligen.models.losses import Targets, summed_loss
from intelligen.models.matmul import Linear, linear, matmul
from intelligen.models.segments import flash_runs, segments_of
from intelligen.models.transformer_layers import DecoderLayer, EncoderLayer


class Seq2SeqTransformer(MixtureReader, SourcePooler):
    """An encoder reads the source once; a decoder attends to it and to the target so far."""

    def __init__(self, config: Seq2Seq, *, source_vocabulary: int, target_vocabulary: int) -> None:
        super().__init__()
        tied, d_model = config.tied_embeddings, config.d_model
        assert tied != "all" or source_vocabulary == target_vocabulary, "one table needs one vocabulary"
        self.max_positions = config.max_positions
        self.source_vocabulary, self.target_vocabulary = source_vocabulary, target_vocabulary
        self._scale = math.sqrt(d_model)
        self.target_embedding = embedding_table(target_vocabulary, d_model)
        self.source_embedding = None if tied == "all" else embedding_table(source_vocabulary, d_model)
        self.output = Linear(d_model, target_vocabulary, bias=False) if tied == "none" else None
        if self.output is not None:
            nn.init.xavier_uniform_(self.output.weight)
        learned = config.positions == "learned"
        self.source_positions = Positions(config.max_positions, d_model, learned=learned)
        self.target_positions = Positions(config.max_positions, d_model, learned=learned)
        self.dropout = Dropout(config.dropout)
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        # The residual stream of a pre-norm stack is never normalised on its way.
        final_norm = partial(nn.LayerNorm, d_model) if config.norm == "pre" else nn.Identity
        self.encoder_norm = final_norm()
        self.decoder_norm = final_norm()
        self.output_dropout = Dropout(config.output_dropout)

    def encode(self, source_BS: Tensor) -> TransformerEncoderOutput:
        """Run the encoder."""
        padding_BS = source_BS == PAD
        segments = segments_of(padding_BS) if self.flash_attention and flash_runs(padding_BS.device) else None
        mask = visible_keys(padding_BS) if segments is None else segments
        table = self.target_embedding if self.source_embedding is None else self.source_embedding
        x_BSD = self._placed(table(source_BS), self.source_positions(0, source_BS.size(1)))
        for layer in self.encoder:
            x_BSD = layer(x_BSD, mask)
        return TransformerEncoderOutput(self.output_dropout(self.encoder_norm(x_BSD)), padding_BS, segments=segments)

    def for_several_passes(self, encoded: TransformerEncoderOutput) -> TransformerEncoderOutput:
        """Keys and values of the sources are computed here, once."""
        kv_LBSW = tuple(layer.cross_attention.kv(encoded.states_BSD) for layer in self._decoder_layers)
        return replace(encoded, kv_LBSW=kv_LBSW)

    def states(self, target_in_NT: Tensor, encoded: TransformerEncoderOutput) -> Tensor:
        """Run the decoder. Causality hides the padding, which is on the right."""
        return self._decoded(self.target_embedding(target_in_NT), encoded)

    def mixture_states(self, mixture_NTV: Tensor, encoded: TransformerEncoderOutput) -> Tensor:
        """Run the decoder on weighted sums of embeddings."""
        return self._decoded(matmul(mixture_NTV, self.target_embedding.weight), encoded)

    def pooled(self, encoded: TransformerEncoderOutput) -> Tensor:
        """The encoder's mean state [B, D]."""
        return encoded.mean_BD

    def project(self, states: Tensor) -> Tensor:
        """Logits by the output projection, which may be the target embedding."""
        return linear(states, self._projection_VD)

    def summed_loss(self, states_NTD: Tensor, targets: Targets) -> Tensor:
        """The sum of the tokens' losses, without ever holding the logits of all positions."""
        return summed_loss(states_NTD, self._projection_VD, targets)

    def new_cache(
        self,
        encoded: TransformerEncoderOutput,
        *,
        max_length: int,
        rows_per_source: int = 1,
        left_padding_N: Tensor | None = None,
    ) -> KVCache:
        """Room for keys and values; those of the sources are computed here, once."""
        layers = self._decoder_layers
        return KVCache(
            layers[0].self_attention.heads,
            [layer.cross_attention.kv(encoded.states_BSD) for layer in layers],
            encoded.visible_keys,
            rows_per_source=rows_per_source,
            max_length=max_length,
            left_padding_N=left_padding_N,
        )

    def extend(self, tokens_NT: Tensor, cache: KVCache | FixedCache) -> Tensor:
        """Append T ≥ 1 tokens to every row of the cache; logits [N, T, V] after each of them."""
        return self.project(self.output_dropout(self.decoder_norm(self._append(tokens_NT, cache))))

    def prefill(self, tokens_NT: Tensor, cache: KVCache) -> None:
        """Append T ≥ 1 tokens to every row of the cache, without their logits."""
        self._append(tokens_NT, cache)

    @property
    def parts(self) -> Mapping[Part, tuple[str, ...]]:
        """Each stack with the table that it reads by."""
        target = "target_embedding."
        source = target if self.source_embedding is None else "source_embedding."
        return {
            "encoder": (source, "source_positions.", "encoder.", "encoder_norm."),
            "decoder": (target, "target_positions.", "decoder.", "decoder_norm.", "output."),
            "embeddings": tuple(dict.fromkeys((source, target))),
        }

    @property
    def _decoder_layers(self) -> list[DecoderLayer]:
        return cast(list[DecoderLayer], list(self.decoder))

    def _decoded(self, embedded_NTD: Tensor, encoded: TransformerEncoderOutput) -> Tensor:
        x_NTD = self._placed(embedded_NTD, self.target_positions(0, embedded_NTD.size(1)))
        segments, queries = encoded.segments, x_NTD.shape[:2].numel() // len(encoded.padding_BS)
        mask = encoded.visible_keys if segments is None else segments.seen_by(queries)
        for index, layer in enumerate(self._decoder_layers):
            known = encoded.kv_LBSW
            source_kv_BSW = layer.cross_attention.kv(encoded.states_BSD) if known is None else known[index]
            x_NTD = layer(x_NTD, source_kv_BSW, source_mask=mask)
        states_NTD: Tensor = self.output_dropout(self.decoder_norm(x_NTD))
        return states_NTD

    def _append(self, tokens_NT: Tensor, cache: KVCache | FixedCache) -> Tensor:
        count = tokens_NT.size(1)
        positions = cache.position_vectors(self.target_positions, count)
        x_NTD = self._placed(self.target_embedding(tokens_NT), positions)
        mask = cache.visible_positions(count)
        for index, layer in enumerate(self._decoder_layers):
            x_NTD = layer(
                x_NTD,
                cache.of_sources(index),
                source_mask=cache.visible_keys,
                target_mask=mask,
                remember=partial(cache.append, index),
            )
        cache.advance(count)
        return x_NTD

    def _placed(self, embedded: Tensor, positions: Tensor) -> Tensor:
        placed: Tensor = self.dropout(embedded * self._scale + positions)
        return placed

    @property
    def _projection_VD(self) -> Tensor:
        return (self.target_embedding if self.output is None else self.output).weight
