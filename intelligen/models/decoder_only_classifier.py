"""Decoder-only classifier: one class for a row, from the state of its last real token."""

from collections.abc import Mapping

import torch
from torch import Tensor

from intelligen.config.schema.model import DecoderOnly
from intelligen.data.special_tokens import PAD
from intelligen.models.attention import init_projection
from intelligen.models.decoder_trunk import DecoderTrunk
from intelligen.models.interfaces import Part, PredictingClassifier
from intelligen.models.losses import Targets, summed_loss
from intelligen.models.matmul import Linear


class DecoderOnlyClassifier(PredictingClassifier):
    """One token sequence, BOS pieces EOS → logits of its class (Radford et al. 2018, sec. 3.2).

    Its trunk is that of `DecoderOnlyTransformer`, under the same names.
    """

    def __init__(self, config: DecoderOnly, *, vocabulary: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.trunk = DecoderTrunk(config, vocabulary=vocabulary)
        self.head = Linear(config.d_model, classes)
        init_projection(self.head)

    def forward(self, *tokens: Tensor) -> Tensor:
        """Logits [B, classes], from one sequence [B, T], right-padded; one of padding alone gives finite numbers."""
        (tokens_BT,) = tokens
        logits_BC, _ = self.classify_and_predict(tokens_BT)
        return logits_BC

    def classify_and_predict(self, tokens_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [B, classes], and the states [B, T, D] that `project` reads."""
        states_BTD = self.trunk.read(tokens_BT)
        last_B = ((tokens_BT != PAD).sum(dim=1) - 1).clamp(min=0)
        row_B = torch.arange(len(tokens_BT), device=tokens_BT.device)
        logits_BC: Tensor = self.head(states_BTD[row_B, last_B])
        if self.trunk.output is not None:
            # Ranks wait for the gradient of every weight; where only classes are learnt, this one has none.
            logits_BC = logits_BC + 0.0 * self.trunk.output.weight.sum()
        return logits_BC, states_BTD

    def project(self, states: Tensor) -> Tensor:
        """Logits by the output projection, which may be the embedding."""
        return self.trunk.project(states)

    def summed_loss(self, states_NTD: Tensor, targets: Targets) -> Tensor:
        """The sum of the tokens' losses, without ever holding the logits of all positions."""
        return summed_loss(states_NTD, self.trunk.projection_VD, targets)

    @property
    def parts(self) -> Mapping[Part, tuple[str, ...]]:
        """All but the projection to the classes is the decoder."""
        return {"decoder": ("trunk.",), "embeddings": ("trunk.embedding.",)}
