"""The same weights in JoeyNMT, whose search reads the whole prefix again at every step."""

from collections.abc import Sequence

import torch
from joeynmt.batch import Batch
from joeynmt.model import Model
from joeynmt.search import search as joey_search
from joeynmt.transformer_layers import MultiHeadedAttention, TransformerDecoderLayer, TransformerEncoderLayer
from peers.joey import build
from peers.parts import before_end, copy_linear, copy_norm
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from intelligen.config.schema.decoding import Beam, DecodingSearch, Greedy, Sample
from intelligen.config.schema.model import Seq2Seq
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.models.attention import SelfAttention
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer
from intelligen.models.transformer_layers import DecoderLayer, EncoderLayer

# Its own default for testing.
BATCH_ROWS = 64


def carried(model: Seq2SeqTransformer, shape: Seq2Seq) -> Model:
    """A JoeyNMT model that computes what ours does."""
    joey = build(shape, model.target_embedding.num_embeddings, label_smoothing=0.0)
    with torch.no_grad():
        _copy(model, joey)
        if shape.norm == "pre":
            copy_norm(model.encoder_norm, joey.encoder.layer_norm)
            copy_norm(model.decoder_norm, joey.decoder.layer_norm)
    return joey.eval()


def decode(joey: Model, sources: Sequence[Sequence[int]], search: DecodingSearch, *, bound: int) -> list[list[int]]:
    """A hypothesis without EOS for each source; neighbours should be of like length."""
    match search:
        case Greedy():
            size, alpha = 1, -1.0
        case Beam(size=size, length_penalty=alpha):
            pass
        case Sample():
            raise ValueError("JoeyNMT does not sample")
    hypotheses: list[list[int]] = []
    for start in range(0, len(sources), BATCH_ROWS):
        batch = _batch([torch.tensor(source) for source in sources[start : start + BATCH_ROWS]])
        found, _, _ = joey_search(
            joey, batch, max_output_length=bound, beam_size=size, beam_alpha=alpha, min_output_length=0
        )
        hypotheses += [before_end(row) for row in found.tolist()]
    return hypotheses


def _batch(rows: list[torch.Tensor]) -> Batch:
    return Batch(
        src=pad_sequence(rows, batch_first=True, padding_value=PAD),
        src_length=torch.tensor([len(row) for row in rows]),
        src_prompt_mask=None,
        trg=None,
        trg_prompt_mask=None,
        indices=torch.arange(len(rows)),
        device=torch.device("cpu"),
        pad_index=PAD,
        eos_index=EOS,
        is_train=False,
    )


def _copy(model: Seq2SeqTransformer, joey: Model) -> None:
    joey.src_embed.lut.weight.copy_(model.target_embedding.weight)
    # No token of no text takes a share of the probability.
    never_V = torch.zeros(len(model.target_embedding.weight))
    never_V[[PAD, BOS]] = -torch.inf
    joey.decoder.output_layer.bias = nn.Parameter(never_V)
    for ours, theirs in ((model.source_positions, joey.encoder.pe), (model.target_positions, joey.decoder.pe)):
        # Ours has all the sines first, theirs has sines and cosines in turn.
        theirs.pe = ours.table_PD[None]
    for ours, theirs in zip(model.encoder, joey.encoder.layers, strict=True):
        _encoder_layer(ours, theirs)
    for ours, theirs in zip(model.decoder, joey.decoder.layers, strict=True):
        _decoder_layer(ours, theirs)


def _encoder_layer(ours: EncoderLayer, theirs: TransformerEncoderLayer) -> None:
    _self_attention(ours.self_attention, theirs.src_src_att)
    copy_norm(ours.around_self_attention.norm, theirs.layer_norm)
    _feed_forward(ours, theirs)


def _decoder_layer(ours: DecoderLayer, theirs: TransformerDecoderLayer) -> None:
    _self_attention(ours.self_attention, theirs.trg_trg_att)
    copy_norm(ours.around_self_attention.norm, theirs.x_layer_norm)
    copy_linear(ours.cross_attention.query, theirs.src_trg_att.q_layer)
    copy_linear(ours.cross_attention.kv, theirs.src_trg_att.k_layer, theirs.src_trg_att.v_layer)
    copy_linear(ours.cross_attention.out, theirs.src_trg_att.output_layer)
    copy_norm(ours.around_cross_attention.norm, theirs.dec_layer_norm)
    _feed_forward(ours, theirs)


def _self_attention(ours: SelfAttention, theirs: MultiHeadedAttention) -> None:
    copy_linear(ours.qkv, theirs.q_layer, theirs.k_layer, theirs.v_layer)
    copy_linear(ours.out, theirs.output_layer)


def _feed_forward(ours: EncoderLayer | DecoderLayer, theirs: nn.Module) -> None:
    layer = theirs.feed_forward
    copy_linear(ours.feed_forward[0], layer.pwff_layer[0])
    copy_linear(ours.feed_forward[-1], layer.pwff_layer[3])
    copy_norm(ours.around_feed_forward.norm, layer.layer_norm)
