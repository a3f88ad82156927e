"""Decoder-only Transformer (Radford et al. 2018): a prompt and its answer are one stream; a prompt is read once."""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from intelligen.config.schema.model import DecoderOnly
from intelligen.data.special_tokens import BOS, PAD
from intelligen.models.decoder_trunk import DecoderTrunk
from intelligen.models.fixed_cache import FixedCache
from intelligen.models.interfaces import MixtureReader, Part
from intelligen.models.losses import Targets, summed_loss
from intelligen.models.matmul import matmul
from intelligen.models.prompts import PromptCache, Prompts


class DecoderOnlyTransformer(MixtureReader):
    """Every position attends to the prompt and to the target so far.

    A target's positions follow the last token of its prompt. A prompt of no width, [B, 0], costs nothing: that is a
    language model. A BOS behind a target's first place begins another document, which sees neither the prompt nor what
    stands before it, and counts its positions from 0; so may several documents fill one row.

    """

    def __init__(self, config: DecoderOnly, *, vocabulary: int) -> None:
        super().__init__()
        self.max_positions = config.max_positions
        self.source_vocabulary = self.target_vocabulary = vocabulary
        self.trunk = DecoderTrunk(config, vocabulary=vocabulary)

    def encode(self, source_BS: Tensor) -> Prompts:
        """Read the prompts."""
        return Prompts(self.trunk.keys(source_BS), source_BS == PAD)

    def states(self, target_in_NT: Tensor, encoded: Prompts) -> Tensor:
        """Run the trunk on the targets, behind their prompts."""
        return self._behind(self.trunk.embedding(target_in_NT), target_in_NT == BOS, encoded)

    def mixture_states(self, mixture_NTV: Tensor, encoded: Prompts) -> Tensor:
        """Run the trunk on weighted sums of embeddings."""
        embedded_NTD = matmul(mixture_NTV, self.trunk.embedding.weight)
        return self._behind(embedded_NTD, mixture_NTV[..., BOS] == 1, encoded)

    def project(self, states: Tensor) -> Tensor:
        """Logits by the output projection, which may be the embedding."""
        return self.trunk.project(states)

    def summed_loss(self, states_NTD: Tensor, targets: Targets) -> Tensor:
        """The sum of the tokens' losses, without ever holding the logits of all positions."""
        return summed_loss(states_NTD, self.trunk.projection_VD, targets)

    def new_cache(
        self, encoded: Prompts, *, max_length: int, rows_per_source: int = 1, left_padding_N: Tensor | None = None
    ) -> PromptCache:
        """Room for keys and values behind those of the prompts, of which each row has a copy."""
        return PromptCache(
            self.trunk.heads,
            encoded,
            max_length=max_length,
            rows_per_source=rows_per_source,
            left_padding_N=left_padding_N,
        )

    def extend(self, tokens_NT: Tensor, cache: PromptCache | FixedCache) -> Tensor:
        """Append T ≥ 1 tokens to every row of the cache; logits [N, T, V] after each of them."""
        return self.project(self._append(tokens_NT, cache))

    def prefill(self, tokens_NT: Tensor, cache: PromptCache) -> None:
        """Append T ≥ 1 tokens to every row of the cache, without their logits."""
        self._append(tokens_NT, cache)

    @property
    def parts(self) -> Mapping[Part, tuple[str, ...]]:
        """All of it decodes."""
        return {"decoder": ("trunk.",), "embeddings": ("trunk.embedding.",)}

    def _append(self, tokens_NT: Tensor, cache: PromptCache | FixedCache) -> Tensor:
        count = tokens_NT.size(1)
        states_NTD: Tensor = self.trunk(
            self.trunk.embedding(tokens_NT),
            self.trunk.positions.at(cache.positions(count)),
            mask=cache.visible_positions(count),
            causal=False,
            remember=cache.append,
        )
        cache.advance(count)
        return states_NTD

    def _behind(self, embedded_NTD: Tensor, is_bos_NT: Tensor, prompts: Prompts) -> Tensor:
        rows, count = is_bos_NT.shape
        # On an accelerator the question would stall the queue of kernels; of one document the answer changes nothing.
        several = is_bos_NT.device.type != "cpu" or bool(is_bos_NT[:, 1:].any())
        positions, mask, remember = self.trunk.positions(0, count), None, None
        if several or prompts.width:
            prompts = prompts.repeated(rows // len(prompts.padding_BS))
            first_NT = _first_of_document(is_bos_NT) if several else is_bos_NT.new_zeros(1, count, dtype=torch.long)
            length_NT = prompts.lengths_B[:, None] * (first_NT == 0)
            place_T = torch.arange(count, device=is_bos_NT.device)
            positions = self.trunk.positions.at(length_NT + place_T - first_NT)
            mask = _visible_keys(first_NT, prompts)
            remember = partial(_behind_prompts, prompts)
        states_NTD: Tensor = self.trunk(embedded_NTD, positions, mask=mask, remember=remember)
        return states_NTD


def _first_of_document(is_bos_NT: Tensor) -> Tensor:
    """Place [N, T] of the first token of the document that each token is of; what stands before a BOS is one, too."""
    place_T = torch.arange(is_bos_NT.size(1), device=is_bos_NT.device)
    return (place_T * is_bos_NT).cummax(dim=1).values


def _visible_keys(first_NT: Tensor, prompts: Prompts) -> Tensor:
    """Boolean [N or 1, 1, T, S + T]: of the prompt its tokens, of the target those of one's document up to oneself."""
    place_T = torch.arange(first_NT.size(1), device=first_NT.device)
    own_NTT = (place_T <= place_T[:, None]) & (place_T >= first_NT[:, :, None])
    if not prompts.width:
        return own_NTT[:, None]
    prompt_NTS = (first_NT == 0)[:, :, None].expand(-1, -1, prompts.width)
    if prompts.has_padding:
        prompt_NTS = prompt_NTS & ~prompts.padding_BS[:, None, :]
        own_NTT = own_NTT.expand(len(prompt_NTS), -1, -1)
    return torch.cat([prompt_NTS, own_NTT], dim=2)[:, None]


def _behind_prompts(prompts: Prompts, layer: int, kv_NTW: Tensor) -> Tensor:
    return torch.cat([prompts.kv_LBSW[layer], kv_NTW], dim=1) if prompts.width else kv_NTW
