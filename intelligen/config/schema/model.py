"""Model settings: the shape of a network, in the symbols of Vaswani et al. (2017), Table 3."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from intelligen.config.base import ADDED
from intelligen.config.schema.declarations import ModelSettings, PluginModel
from intelligen.config.schema.plugins import OpenArm
from intelligen.config.schema.pretrained_model import Pretrained

Probability = Annotated[float, Field(ge=0.0, lt=1.0)]


class _Widths(ModelSettings):
    """How wide a Transformer's layers are."""

    name: str
    d_model: Annotated[int, Field(ge=2, multiple_of=2)] = 256
    """Width of the residual stream."""
    d_ff: PositiveInt = 512
    """Inner width of the feed-forward blocks."""
    heads: PositiveInt = 8
    """Attention heads of every layer."""
    d_k: PositiveInt | None = None
    """Width of a query and a key per head; d_model / heads where not given."""
    d_v: PositiveInt | None = None
    """Width of a value per head; d_model / heads where not given."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Self:
        if (self.d_k is None or self.d_v is None) and self.d_model % self.heads:
            raise ValueError(
                f"heads ({self.heads}) must divide d_model ({self.d_model}), or both d_k and d_v must be given"
            )
        return self

    def implied(self) -> dict[str, Any]:
        """Widths per head."""
        return {name: self.d_model // self.heads for name in ("d_k", "d_v") if getattr(self, name) is None}


class _TwoStacks(_Widths):
    encoder_layers: PositiveInt = 3
    decoder_layers: PositiveInt = 3


class _OneStack(_Widths):
    layers: PositiveInt = 3


class Transformer(_Widths):
    """What the layers of every Transformer are built from."""

    dropout: Probability = 0.1
    """On embeddings and on every sublayer's output."""
    attention_dropout: Probability = 0.0
    """On attention weights."""
    activation_dropout: Probability = 0.0
    """Inside the feed-forward block."""
    output_dropout: Annotated[Probability, ADDED] = 0.0
    """On the last layer's states, after their normalisation: what the output projection, a class or another stack
    reads."""
    attention_init_gain: Annotated[float, Field(gt=0.0, le=10.0), ADDED] = 1.0
    """Gain of the Xavier initialisation of queries, keys and values; fairseq has 1/√2 = 0.7071."""
    norm: Literal["pre", "post"] = "pre"
    """Layer normalisation before each sublayer (Xiong et al. 2020) or after its residual sum (Vaswani et al. 2017)."""
    activation: Literal["relu", "gelu", "silu"] = "relu"
    """Of the feed-forward blocks."""
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"
    """Fixed waves (Vaswani et al. 2017, sec. 3.5), or a trained table."""
    max_positions: Annotated[int, Field(ge=8, le=16_384)] = 512
    """Longest sequence that the position table can hold."""


class Seq2Seq(Transformer, _TwoStacks):
    """Encoder-decoder Transformer."""

    offers = frozenset({"generation", "encoder_output", "mixtures", "classification"})
    parts = frozenset({"encoder", "decoder", "embeddings"})

    name: Literal["seq2seq"] = "seq2seq"
    tied_embeddings: Literal["none", "decoder", "all"] = "all"
    """`decoder`: target embedding = output projection; `all`: the source embedding too (needs a joint vocabulary)."""

    @property
    def joint_vocabulary_for(self) -> str | None:
        """One table for both sides."""
        return "tied_embeddings `all`" if self.tied_embeddings == "all" else None


class DecoderOnly(Transformer, _OneStack):
    """Causal Transformer (Radford et al. 2018). A prompt and its answer are one stream; a text alone has no prompt."""

    offers = frozenset({"generation", "mixtures", "classification", "token_prediction", "language_modelling"})
    parts = frozenset({"decoder", "embeddings"})

    name: Literal["decoder_only"] = "decoder_only"
    max_positions: Annotated[int, Field(ge=8, le=16_384)] = 512
    """Longest prompt, and longest answer or text. A stream has room for both: its position table is twice as long."""
    tied_embeddings: bool = True
    """Whether the output projection is the embedding."""

    @property
    def joint_vocabulary_for(self) -> str | None:
        """One stream."""
        return f"name `{self.name}`"


class Encoder(Transformer, _OneStack):
    """Bidirectional Transformer whose mean state is classified."""

    offers = frozenset({"classification"})
    parts = frozenset({"encoder", "embeddings"})

    name: Literal["encoder"] = "encoder"


MODELS = OpenArm("intelligen.models", PluginModel, (Seq2Seq, DecoderOnly, Encoder, Pretrained), default="seq2seq")
if TYPE_CHECKING:
    Model = Seq2Seq | DecoderOnly | Encoder | Pretrained | PluginModel
else:
    Model = Annotated[Seq2Seq | DecoderOnly | Encoder | Pretrained, MODELS]
