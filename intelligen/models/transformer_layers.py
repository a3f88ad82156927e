"""Encoder and decoder layers: chains of sublayers, each with a residual connection and one normalisation."""

from collections.abc import Callable

from torch import Tensor, nn

from intelligen.config.schema.model import Transformer
from intelligen.models.attention import CrossAttention, Heads, KeysValues, Remember, SelfAttention, init_projection
from intelligen.models.dropout import Dropout
from intelligen.models.matmul import Linear
from intelligen.models.segments import Segments

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


class Residual(nn.Module):
    """x + sublayer(norm(x)) (Xiong et al. 2020), or norm(x + sublayer(x)) (Vaswani et al. 2017)."""

    def __init__(self, d_model: int, *, norm_first: bool, dropout: float) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.norm = nn.LayerNorm(d_model)
        self.dropout = Dropout(dropout)

    def forward(self, x_NTD: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """Run the sublayer around its connection."""
        if self.norm_first:
            out: Tensor = x_NTD + self.dropout(sublayer(self.norm(x_NTD)))
        else:
            out = self.norm(x_NTD + self.dropout(sublayer(x_NTD)))
        return out


class FeedForward(nn.Sequential):
    """Two projections with an activation between, at each position alone."""

    def __init__(self, d_model: int, d_ff: int, *, activation: str, dropout: float) -> None:
        inner, outer = Linear(d_model, d_ff), Linear(d_ff, d_model)
        init_projection(inner)
        init_projection(outer)
        super().__init__(inner, _ACTIVATIONS[activation](), Dropout(dropout), outer)


class EncoderLayer(nn.Module):
    """Self-attention within a sequence, then the feed-forward block; a causal one is a layer of a decoder alone."""

    def __init__(self, config: Transformer) -> None:
        super().__init__()
        self.self_attention = _self_attention(config)
        self.feed_forward = _feed_forward(config)
        self.around_self_attention = _residual(config)
        self.around_feed_forward = _residual(config)

    def forward(
        self,
        x_BSD: Tensor,
        mask: Tensor | Segments | None,
        *,
        causal: bool = False,
        remember: Remember | None = None,
    ) -> Tensor:
        """`mask` hides the padding; S positions, which also see those before them that `remember` holds."""
        x_BSD = self.around_self_attention(
            x_BSD, lambda x: self.self_attention(x, mask=mask, causal=causal, remember=remember)
        )
        out: Tensor = self.around_feed_forward(x_BSD, self.feed_forward)
        return out

    def kv(self, x_BSD: Tensor) -> Tensor:
        """What `remember` would be given of these positions, without the rest of the layer."""
        around = self.around_self_attention
        return self.self_attention.kv(around.norm(x_BSD) if around.norm_first else x_BSD)


class DecoderLayer(nn.Module):
    """Causal self-attention over the target, attention to the source, then the feed-forward block."""

    def __init__(self, config: Transformer) -> None:
        super().__init__()
        self.self_attention = _self_attention(config)
        self.cross_attention = _cross_attention(config)
        self.feed_forward = _feed_forward(config)
        self.around_self_attention = _residual(config)
        self.around_cross_attention = _residual(config)
        self.around_feed_forward = _residual(config)

    def forward(
        self,
        x_NTD: Tensor,
        source_kv: Tensor | KeysValues,
        *,
        source_mask: Tensor | Segments | None,
        target_mask: Tensor | None = None,
        remember: Remember | None = None,
    ) -> Tensor:
        """T positions: a whole target, or such as go on from what `remember` holds and see what `target_mask` shows."""
        x_NTD = self.around_self_attention(
            x_NTD,
            lambda x: self.self_attention(x, mask=target_mask, causal=remember is None, remember=remember),
        )
        x_NTD = self.around_cross_attention(x_NTD, lambda x: self.cross_attention(x, source_kv, mask=source_mask))
        out: Tensor = self.around_feed_forward(x_NTD, self.feed_forward)
        return out


def _heads(config: Transformer) -> Heads:
    """Queries, keys and values are d_model / heads wide where their width is not given."""
    width = config.d_model // config.heads
    return Heads(config.heads, config.d_k or width, config.d_v or width)


def _self_attention(config: Transformer) -> SelfAttention:
    dropout, gain = config.attention_dropout, config.attention_init_gain
    return SelfAttention(config.d_model, _heads(config), dropout=dropout, init_gain=gain)


def _cross_attention(config: Transformer) -> CrossAttention:
    dropout, gain = config.attention_dropout, config.attention_init_gain
    return CrossAttention(config.d_model, _heads(config), dropout=dropout, init_gain=gain)


def _feed_forward(config: Transformer) -> FeedForward:
    return FeedForward(config.d_model, config.d_ff, activation=config.activation, dropout=config.activation_dropout)


def _residual(config: Transformer) -> Residual:
    return Residual(config.d_model, norm_first=config.norm == "pre", dropout=config.dropout)
