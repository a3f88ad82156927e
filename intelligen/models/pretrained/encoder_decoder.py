"""Pre-trained encoder-decoders: T5, T5 v1.1, mT5, BART, mBART, Marian, M2M100."""

from typing import Any

import torch
from torch import Tensor

from intelligen.data.special_tokens import PAD
from intelligen.models.encoder_output import TransformerEncoderOutput
from intelligen.models.interfaces import SourcePooler
from intelligen.models.pretrained.network import PretrainedNetwork
from intelligen.models.pretrained.their_cache import Group, GroupedCache


class PretrainedEncoderDecoder(PretrainedNetwork, SourcePooler):
    """Its stacks read vectors, so that tokens and mixtures of them go one way."""

    def encode(self, source_BS: Tensor) -> TransformerEncoderOutput:
        """Run the encoder."""
        padding_BS = source_BS == PAD
        encoder, embedded_BSD = self.hf.get_encoder(), self._embedded(source_BS)
        if not hasattr(self.hf.get_input_embeddings(), "embed_scale"):
            # Marian's: its decoder scales whatever it reads, its encoder the tokens alone.
            embedded_BSD = embedded_BSD * getattr(encoder, "embed_scale", 1.0)
        out = encoder(inputs_embeds=embedded_BSD, attention_mask=_seen(padding_BS))
        return TransformerEncoderOutput(out.last_hidden_state, padding_BS)

    def states(self, target_in_NT: Tensor, encoded: TransformerEncoderOutput) -> Tensor:
        """Run the decoder. Causality hides the padding, which is on the right."""
        return self._decoded(self._embedded(target_in_NT), encoded)

    def mixture_states(self, mixture_NTV: Tensor, encoded: TransformerEncoderOutput) -> Tensor:
        """Run the decoder on weighted sums of embeddings."""
        return self._decoded(self._mixed(mixture_NTV), encoded)

    def pooled(self, encoded: TransformerEncoderOutput) -> Tensor:
        """The encoder's mean state [B, D]."""
        return encoded.mean_BD

    def new_cache(
        self,
        encoded: TransformerEncoderOutput,
        *,
        max_length: int,
        rows_per_source: int = 1,
        left_padding_N: Tensor | None = None,
    ) -> GroupedCache:
        """A cache that grows as it is filled."""
        return GroupedCache(encoded, rows_per_source=rows_per_source, left_padding_N=left_padding_N)

    def extend(self, tokens_NT: Tensor, cache: GroupedCache) -> Tensor:
        """Append T ≥ 1 tokens to every row of the cache; logits [N, T, V] after each of them, 0 at padding."""
        return self.project(self._append(tokens_NT, cache))

    def prefill(self, tokens_NT: Tensor, cache: GroupedCache) -> None:
        """Append T ≥ 1 tokens to every row of the cache, without their logits."""
        self._append(tokens_NT, cache)

    def _append(self, tokens_NT: Tensor, cache: GroupedCache) -> Tensor:
        embedded_NTD = self._embedded(tokens_NT)
        states_NTD = torch.zeros_like(embedded_NTD)
        for group in cache.groups:
            # Behind a group's padding, and up to the last position: rows that are over are only carried along.
            first = max(0, group.padding - cache.length)
            count = min(tokens_NT.size(1) - first, self.max_positions - group.length)
            if count > 0:
                rows, place = cache.rows_of(group), slice(first, first + count)
                states_NTD[rows, place] = self._go_on(embedded_NTD[rows, place], group).to(states_NTD.dtype)
        cache.length += tokens_NT.size(1)
        return states_NTD

    def _go_on(self, embedded_MTD: Tensor, group: Group) -> Tensor:
        group.length += embedded_MTD.size(1)
        return self._run(embedded_MTD, group.encoded, cache=group.cache, use_cache=True)

    def _decoded(self, embedded_NTD: Tensor, encoded: TransformerEncoderOutput) -> Tensor:
        sources = len(encoded.padding_BS)
        if (times := len(embedded_NTD) // sources) > 1:
            encoded = encoded.select(torch.arange(sources, device=embedded_NTD.device).repeat_interleave(times))
        return self._run(embedded_NTD, encoded, use_cache=False)

    def _run(self, embedded_NTD: Tensor, encoded: TransformerEncoderOutput, **cache: Any) -> Tensor:
        states_NTD: Tensor = self.hf.get_decoder()(
            inputs_embeds=embedded_NTD,
            encoder_hidden_states=encoded.states_BSD,
            encoder_attention_mask=_seen(encoded.padding_BS),
            **cache,
        ).last_hidden_state
        return states_NTD

    def _readable(self, states: Tensor) -> Tensor:
        """T5's tied projection reads states that are scaled by the root of their width."""
        config = self.hf.config
        return states * config.d_model**-0.5 if getattr(config, "scale_decoder_outputs", False) else states


def _seen(padding_BS: Tensor) -> Tensor:
    """Their attention mask [B, S]; a row of nothing but padding sees all of it, or its softmax would have no terms."""
    return (~padding_BS | padding_BS.all(dim=1, keepdim=True)).long()
