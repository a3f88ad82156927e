"""Regression model of `transformers`: one number for a pair of texts, as learned metrics give it."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import torch

from intelligen.config.schema.learned_metric import KEY, LearnedMetric, open_learned
from intelligen.data.pretrained_vocabulary import load_tokenizer
from intelligen.models.pretrained.load import load_hf

_RELATIVE_POSITIONS: Final = 512
"""Of models without a table of positions."""
_PADDED_TABLES: Final = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert")
"""Families whose table of positions begins behind the padding's place."""


@dataclass(frozen=True)
class PairRegression:
    """A loaded model, in evaluation mode."""

    hf: Any
    tokenizer: Any
    batch: int
    signature: str
    """What two scores must have in common to be comparable: the model's files, and who reads them."""

    def values(self, firsts: Sequence[str], seconds: Sequence[str]) -> list[float]:
        """What the model says of each pair; of a pair that is longer than its positions the beginnings are read."""
        found = [0.0] * len(firsts)
        # Pairs of like length together: less padding.
        order = sorted(range(len(firsts)), key=lambda row: len(firsts[row]) + len(seconds[row]))
        for start in range(0, len(order), self.batch):
            rows = order[start : start + self.batch]
            read = self.tokenizer(
                [firsts[row] for row in rows],
                [seconds[row] for row in rows],
                padding=True,
                truncation=True,
                max_length=self._most_tokens,
                return_tensors="pt",
            ).to(self.hf.device)
            with torch.inference_mode():
                logits_B1 = self.hf(**read).logits.float()
            for row, value in zip(rows, logits_B1[:, 0].tolist(), strict=True):
                found[row] = value
        return found

    @property
    def _most_tokens(self) -> int:
        config = self.hf.config
        positions = getattr(config, "max_position_embeddings", None) or _RELATIVE_POSITIONS
        if config.model_type in _PADDED_TABLES:
            positions -= config.pad_token_id + 1
        return int(min(self.tokenizer.model_max_length, positions))


def load_regression(settings: LearnedMetric, device: torch.device) -> PairRegression:
    """The model of a learned metric.

    Raises:
        ChangedError: Its files are not those that the sweep began with.
        DataError: It is gone, damaged, or no such model.
        UnavailableError: The extra is not installed.

    """
    found = open_learned(settings)
    from transformers import AutoModelForSequenceClassification

    tokenizer = load_tokenizer(found.path, key=KEY)
    hf = load_hf(found, key=KEY, kind=AutoModelForSequenceClassification).to(device).eval()
    signature = f"model:{found.config['model_type']}|sha256:{settings.files}|transformers:{version('transformers')}"
    return PairRegression(hf, tokenizer, settings.batch, signature)
