"""Pre-trained causal models (GPT-2, Llama, Qwen2): a prompt and its answer are one stream."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.models.pretrained.network import PretrainedNetwork
from intelligen.models.pretrained.their_cache import StreamCache


@dataclass(frozen=True)
class LeftPadded:
    """Prompts, padded on the left, so that each ends where its target begins."""

    tokens_BS: Tensor
    padding_BS: Tensor
    """Boolean, True = padding."""

    def select(self, rows_N: Tensor) -> "LeftPadded":
        """The prompts `rows_N`, in that order."""
        return LeftPadded(self.tokens_BS.index_select(0, rows_N), self.padding_BS.index_select(0, rows_N))


class PretrainedCausal(PretrainedNetwork):
    """The stream is prompt, BOS, answer, EOS. The EOS that ends a source is not read: a text would end there.

    A source of no width, [B, 0], costs nothing: that is a language model. A BOS behind a target's first place begins
    another document, which sees nothing before it and counts its positions from 0.
    """

    def encode(self, source_BS: Tensor) -> LeftPadded:
        """The prompts, padded on the other side; they are read with their targets."""
        place_S = torch.arange(source_BS.size(1), device=source_BS.device)
        length_B1 = (source_BS != PAD).sum(dim=1, keepdim=True)
        last_BS = place_S == length_B1 - 1
        source_BS = source_BS.masked_fill(last_BS & (source_BS == EOS), PAD)
        shift_B1 = (source_BS == PAD).sum(dim=1, keepdim=True)
        from_BS = place_S - shift_B1
        tokens_BS = source_BS.gather(1, from_BS.clamp(min=0)).masked_fill(from_BS < 0, PAD)
        return LeftPadded(tokens_BS, from_BS < 0)

    def states(self, target_in_NT: Tensor, encoded: LeftPadded) -> Tensor:
        """Run the stack on prompts and targets. Causality hides the padding behind a target."""
        return self._behind(self._embedded(target_in_NT), target_in_NT == BOS, encoded)

    def mixture_states(self, mixture_NTV: Tensor, encoded: LeftPadded) -> Tensor:
        """Run the stack on prompts and weighted sums of embeddings."""
        return self._behind(self._mixed(mixture_NTV), mixture_NTV[..., BOS] == 1, encoded)

    def new_cache(
        self, encoded: LeftPadded, *, max_length: int, rows_per_source: int = 1, left_padding_N: Tensor | None = None
    ) -> StreamCache:
        """Keys and values of the prompts are computed here, once for each row."""
        prompt = StreamCache(encoded.padding_BS, max_length=0, rows_per_source=1, left_padding_N=None)
        cache = StreamCache(
            encoded.padding_BS, max_length=max_length, rows_per_source=rows_per_source, left_padding_N=left_padding_N
        )
        if encoded.tokens_BS.size(1):
            self._run(
                self._embedded(encoded.tokens_BS),
                mask=_visible(encoded.padding_BS),
                position_ids=_positions(encoded.padding_BS),
                cache=prompt.kv,
                use_cache=True,
            )
            cache.start_from(prompt)
        return cache

    def extend(self, tokens_NT: Tensor, cache: StreamCache) -> Tensor:
        """Append T ≥ 1 tokens to every row of the cache; logits [N, T, V] after each of them."""
        return self.project(self._append(tokens_NT, cache))

    def prefill(self, tokens_NT: Tensor, cache: StreamCache) -> None:
        """Append T ≥ 1 tokens to every row of the cache, without their logits."""
        self._append(tokens_NT, cache)

    def _append(self, tokens_NT: Tensor, cache: StreamCache) -> Tensor:
        count = tokens_NT.size(1)
        states_NTD = self._run(
            self._embedded(tokens_NT),
            mask=cache.visible_keys(count),
            # Rows that are over are carried along behind the last position.
            position_ids=cache.positions(count).clamp(min=0, max=2 * self.max_positions - 1),
            cache=cache.kv,
            use_cache=True,
        )
        cache.length += count
        return states_NTD

    def _behind(self, embedded_NTD: Tensor, is_bos_NT: Tensor, encoded: LeftPadded) -> Tensor:
        rows, count = embedded_NTD.shape[:2]
        prompts, width = len(encoded.tokens_BS), encoded.tokens_BS.size(1)
        if (times := rows // prompts) > 1:
            encoded = encoded.select(torch.arange(prompts, device=embedded_NTD.device).repeat_interleave(times))
        padding_NL = F.pad(encoded.padding_BS, (0, count), value=False)
        mask, positions_NL = _visible(padding_NL), _positions(padding_NL)
        # On an accelerator the question would stall the queue of kernels; of one document the answer changes nothing.
        if is_bos_NT.device.type != "cpu" or bool(is_bos_NT[:, 1:].any()):
            document_NL = F.pad(is_bos_NT[:, 1:].cumsum(dim=1), (width + 1, 0))
            mask = mask & (document_NL[:, None, :, None] == document_NL[:, None, None, :])
            positions_NL = positions_NL - _first_positions(document_NL, positions_NL)
        stream_NLD = torch.cat([self._embedded(encoded.tokens_BS), embedded_NTD], dim=1)
        states_NLD = self._run(stream_NLD, mask=mask, position_ids=positions_NL, use_cache=False)
        return states_NLD[:, width:]

    def _run(self, embedded_NTD: Tensor, *, mask: Tensor, position_ids: Tensor, **cache: Any) -> Tensor:
        states_NTD: Tensor = self.hf.get_decoder()(
            inputs_embeds=embedded_NTD, attention_mask=mask, position_ids=position_ids, **cache
        ).last_hidden_state
        return states_NTD


def _visible(padding_NL: Tensor) -> Tensor:
    """Boolean [N, 1, L, L]: all up to oneself that is no padding; padding sees itself."""
    place_L = torch.arange(padding_NL.size(1), device=padding_NL.device)
    past_LL = place_L <= place_L[:, None]
    return ((past_LL & ~padding_NL[:, None, :]) | (place_L == place_L[:, None]))[:, None]


def _positions(padding_NL: Tensor) -> Tensor:
    return ((~padding_NL).cumsum(dim=1) - 1).clamp(min=0)


def _first_positions(document_NL: Tensor, positions_NL: Tensor) -> Tensor:
    """Of the document that each token is of, the position of its first token in the stream; 0 of the first document."""
    begins_NL = F.pad(document_NL.diff(dim=1), (1, 0)) > 0
    return (positions_NL * begins_NL).cummax(dim=1).values
