"""What a file may write below `task: {name: copying}`, `model: {name: tiny_lm}` and `strategy: {name: ramped}`."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from intelligen.config.schema.columns import Column
from intelligen.config.schema.declarations import GENERATION, MATCHED, STANDARD, PluginModel, PluginStrategy, PluginTask


class Copying(PluginTask):
    """A text → the same text, scored by the share of texts that are equal and by the words that they share."""

    columns = (Column("source", read=True),)
    needs = (GENERATION,)
    metrics = ("token_f1", "exact_match")
    watched = "token_f1"

    name: Literal["copying"] = "copying"
    selection_metric: Literal["valid/token_f1", "valid/exact_match", "valid/loss"] = "valid/token_f1"
    """What chooses the best epoch."""


class TinyLm(PluginModel):
    """Decoder-only Transformer that reads the source as its prompt."""

    offers = frozenset({"generation"})

    name: Literal["tiny_lm"] = "tiny_lm"
    width: Annotated[int, Field(ge=2, multiple_of=2)] = 32
    """Of the residual stream."""
    layers: PositiveInt = 1
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """On every sublayer's output."""
    max_positions: Annotated[int, Field(ge=8, le=512)] = 64
    """Longest target that it can read or write."""


class Ramped(PluginStrategy):
    """Teacher forcing whose loss grows from a share of it to the whole."""

    needs = (GENERATION,)
    controls = (STANDARD, MATCHED)
    costlier = True
    control_for = None

    name: Literal["ramped"] = "ramped"
    span: tuple[Annotated[float, Field(gt=0.0)], Annotated[float, Field(le=2.0)]] = (0.5, 1.0)
    """Weight of the loss at the first update and at the last."""
    shape: Literal["linear", "square"] = "linear"
    """How it grows."""
