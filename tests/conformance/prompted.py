"""A decoder-only network whose cache keeps tokens: users of a `Generator` need not know of prompts, keys or values."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from intelligen.config.schema.model import Seq2Seq
from intelligen.data.special_tokens import PAD
from intelligen.models.embeddings import embedding_table
from intelligen.models.interfaces import Generator
from intelligen.models.transformer_layers import EncoderLayer

LONGEST_PROMPT = 48


@dataclass(frozen=True)
class Prompts:
    source_BS: Tensor

    def select(self, rows_N: Tensor) -> "Prompts":
        return Prompts(self.source_BS[rows_N])


class TokenCache:
    """Computes everything anew at each step."""

    def __init__(self, prompts: Prompts, rows_per_source: int, left_padding_N: Tensor | None) -> None:
        self.prompts = prompts
        self.rows_per_source = rows_per_source
        rows = len(prompts.source_BS) * rows_per_source
        device = prompts.source_BS.device
        self.left_padding_N = torch.zeros(rows, device=device).long() if left_padding_N is None else left_padding_N
        self.token_NT = torch.empty(rows, 0, dtype=torch.long, device=device)

    @property
    def length(self) -> int:
        return self.token_NT.size(1)

    @property
    def rows(self) -> int:
        return self.token_NT.size(0)

    def reorder(self, rows_N: Tensor) -> None:
        self.token_NT, self.left_padding_N = self.token_NT[rows_N], self.left_padding_N[rows_N]

    def select(self, sources_B: Tensor) -> None:
        self.prompts = self.prompts.select(sources_B)
        n = self.rows_per_source
        self.reorder((sources_B[:, None] * n + torch.arange(n, device=sources_B.device)).flatten())

    def select_rows(self, rows_N: Tensor) -> None:
        self.prompts = self.prompts.select(rows_N // self.rows_per_source)
        self.rows_per_source = 1
        self.reorder(rows_N)


class Prompted(Generator):
    def __init__(self, config: Seq2Seq, *, vocabulary: int) -> None:
        super().__init__()
        self.max_positions = config.max_positions
        self.source_vocabulary = self.target_vocabulary = vocabulary
        self.table = embedding_table(vocabulary, config.d_model)
        self.positions = nn.Embedding(LONGEST_PROMPT + config.max_positions, config.d_model)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.decoder_layers))

    def encode(self, source_BS: Tensor) -> Prompts:
        return Prompts(source_BS)

    def states(self, target_in_NT: Tensor, encoded: Prompts) -> Tensor:
        return self._read(target_in_NT, encoded, torch.zeros_like(target_in_NT[:, 0]))

    def project(self, states: Tensor) -> Tensor:
        return states @ self.table.weight.t()

    def new_cache(
        self, encoded: Prompts, *, max_length: int, rows_per_source: int = 1, left_padding_N: Tensor | None = None
    ) -> TokenCache:
        return TokenCache(encoded, rows_per_source, left_padding_N)

    def extend(self, tokens_NT: Tensor, cache: TokenCache) -> Tensor:
        cache.token_NT = torch.cat([cache.token_NT, tokens_NT], dim=1)
        states_NTD = self._read(cache.token_NT, cache.prompts, cache.left_padding_N)
        return self.project(states_NTD[:, -tokens_NT.size(1) :])

    def _read(self, target_NT: Tensor, prompts: Prompts, left_padding_N: Tensor) -> Tensor:
        rows, width = target_NT.shape
        source_NS = prompts.source_BS.repeat_interleave(rows // len(prompts.source_BS), dim=0)
        own_NT = torch.arange(width, device=target_NT.device) >= left_padding_N[:, None]
        seen_NL = torch.cat([source_NS != PAD, own_NT], dim=1)
        length = seen_NL.size(1)
        past_LL = torch.ones(length, length, device=target_NT.device).tril().bool()
        itself_LL = torch.eye(length, device=target_NT.device).bool()
        mask_N1LL = ((seen_NL[:, None, :] & past_LL) | itself_LL)[:, None]
        position_NL = (seen_NL.cumsum(dim=1) - 1).clamp(0, self.positions.num_embeddings - 1)
        x_NLD = self.table(torch.cat([source_NS, target_NT], dim=1)) + self.positions(position_NL)
        for layer in self.layers:
            x_NLD = layer(x_NLD, mask_N1LL)
        states_NTD: Tensor = x_NLD[:, -width:]
        return states_NTD
