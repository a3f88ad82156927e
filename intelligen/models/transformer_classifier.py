"""Transformer classifier: one class for a row, from the encoder's mean state over what is not padding."""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from intelligen.config.schema.model import Encoder, Seq2Seq
from intelligen.data.special_tokens import PAD
from intelligen.models.attention import init_projection
from intelligen.models.dropout import Dropout
from intelligen.models.embeddings import Positions, embedding_table
from intelligen.models.encoder_output import TransformerEncoderOutput, visible_keys
from intelligen.models.interfaces import Classifier, Part
from intelligen.models.matmul import Linear
from intelligen.models.row_masks import sequences_side_by_side
from intelligen.models.transformer_layers import EncoderLayer


class TransformerClassifier(Classifier):
    """Token sequences of a row → logits of its class.

    Each sequence has its own vocabulary, counts its own positions, and is marked by a segment embedding
    (Devlin et al. 2019, sec. 3), so that padding behind any of them changes nothing.

    Args:
        config: Shape of the encoder; a `Seq2Seq` has no decoder here.
        vocabularies: Tokens of each sequence's vocabulary.
        classes: Number of logits.

    """

    def __init__(self, config: Encoder | Seq2Seq, *, vocabularies: Sequence[int], classes: int) -> None:
        super().__init__()
        d_model = config.d_model
        self.classes = classes
        self._scale = d_model**0.5
        self.tables = nn.ModuleList(embedding_table(vocabulary, d_model) for vocabulary in vocabularies)
        self.segments = nn.Embedding(len(vocabularies), d_model)
        nn.init.normal_(self.segments.weight, std=d_model**-0.5)
        self.positions = Positions(config.max_positions, d_model, learned=config.positions == "learned")
        self.dropout = Dropout(config.dropout)
        layers = config.encoder_layers if isinstance(config, Seq2Seq) else config.layers
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(layers))
        # The residual stream of a pre-norm stack is never normalised on its way.
        self.norm = (partial(nn.LayerNorm, d_model) if config.norm == "pre" else nn.Identity)()
        self.output_dropout = Dropout(config.output_dropout)
        self.output = Linear(d_model, classes)
        init_projection(self.output)

    def forward(self, *tokens: Tensor) -> Tensor:
        """Logits [B, classes].

        Args:
            tokens: [B, T] for each vocabulary, right-padded; widths may differ, and a sequence may be empty.

        """
        padding_BL = torch.cat(tokens, dim=1) == PAD
        mask = visible_keys(padding_BL)
        x_BLD = torch.cat([self._embed(i, tokens_BT) for i, tokens_BT in enumerate(tokens)], dim=1)
        with sequences_side_by_side(*[tokens_BT.size(1) for tokens_BT in tokens]):
            x_BLD = self.dropout(x_BLD)
            for layer in self.encoder:
                x_BLD = layer(x_BLD, mask)
            states_BLD = self.output_dropout(self.norm(x_BLD))
        logits_BC: Tensor = self.output(TransformerEncoderOutput(states_BLD, padding_BL).mean_BD)
        return logits_BC

    @property
    def parts(self) -> Mapping[Part, tuple[str, ...]]:
        """All but the projection to the classes is the encoder."""
        tables = tuple(f"tables.{index}." for index in range(len(self.tables)))
        return {"encoder": (*tables, "segments.", "positions.", "encoder.", "norm."), "embeddings": tables}

    def _embed(self, segment: int, tokens_BT: Tensor) -> Tensor:
        vectors_BTD: Tensor = self.tables[segment](tokens_BT)
        positions_TD: Tensor = self.positions(0, tokens_BT.size(1))
        embedded_BTD: Tensor = (vectors_BTD + self.segments.weight[segment]) * self._scale + positions_TD
        return embedded_BTD
