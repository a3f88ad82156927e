"""The same weights in Hugging Face's Marian, which knows post-norm layers and tied embeddings only."""

from collections.abc import Sequence
from typing import Any

import torch
from peers.marian import build
from peers.parts import before_end, copy_linear, copy_norm
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from transformers import GenerationConfig, MarianMTModel
from transformers.models.marian.modeling_marian import MarianAttention, MarianDecoderLayer, MarianEncoderLayer

from intelligen.config.schema.decoding import Beam, DecodingSearch, Greedy, Sample
from intelligen.config.schema.model import Seq2Seq
from intelligen.data.special_tokens import BOS, EOS, PAD
from intelligen.models.attention import SelfAttention
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer
from intelligen.models.transformer_layers import DecoderLayer, EncoderLayer

# Hypotheses at once: the fastest of 32, 64, 128 and 256 on one core.
BATCH_ROWS = 128


def carried(model: Seq2SeqTransformer, shape: Seq2Seq) -> MarianMTModel:
    """A Marian model that computes what ours does."""
    marian = build(shape, model.target_embedding.num_embeddings)
    with torch.no_grad():
        marian.model.shared.weight.copy_(model.target_embedding.weight)
        # Marian's own way to keep a token out of every hypothesis.
        marian.final_logits_bias[:, [PAD, BOS]] = -torch.inf
        for ours, theirs in zip(model.encoder, marian.model.encoder.layers, strict=True):
            _encoder_layer(ours, theirs)
        for ours, theirs in zip(model.decoder, marian.model.decoder.layers, strict=True):
            _decoder_layer(ours, theirs)
    return marian.eval()


def decode(
    marian: MarianMTModel, sources: Sequence[Sequence[int]], search: DecodingSearch, *, bound: int
) -> list[list[int]]:
    """A hypothesis without EOS for each source; neighbours should be of like length."""
    settings = GenerationConfig(
        max_new_tokens=bound,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        decoder_start_token_id=BOS,
        **_options(search),
    )
    rows_at_once = BATCH_ROWS // settings.num_beams
    hypotheses: list[list[int]] = []
    for start in range(0, len(sources), rows_at_once):
        rows = [torch.tensor(source) for source in sources[start : start + rows_at_once]]
        input_ids = pad_sequence(rows, batch_first=True, padding_value=PAD)
        found = marian.generate(input_ids, attention_mask=input_ids != PAD, generation_config=settings)
        hypotheses += [before_end(row[1:]) for row in found.tolist()]
    return hypotheses


def _options(search: DecodingSearch) -> dict[str, Any]:
    match search:
        case Greedy():
            return {"num_beams": 1, "do_sample": False}
        case Beam(size=size, length_penalty=alpha):
            # Its penalty is |Y|^α: the same as ours where α = 0.
            return {"num_beams": size, "do_sample": False, "length_penalty": alpha, "early_stopping": True}
        case Sample(temperature=temperature, top_k=top_k, top_p=top_p):
            return {"num_beams": 1, "do_sample": True, "temperature": temperature, "top_k": top_k, "top_p": top_p}


def _encoder_layer(ours: EncoderLayer, theirs: MarianEncoderLayer) -> None:
    _self_attention(ours.self_attention, theirs.self_attn)
    copy_norm(ours.around_self_attention.norm, theirs.self_attn_layer_norm)
    _feed_forward(ours, theirs)


def _decoder_layer(ours: DecoderLayer, theirs: MarianDecoderLayer) -> None:
    _self_attention(ours.self_attention, theirs.self_attn)
    copy_norm(ours.around_self_attention.norm, theirs.self_attn_layer_norm)
    copy_linear(ours.cross_attention.query, theirs.encoder_attn.q_proj)
    copy_linear(ours.cross_attention.kv, theirs.encoder_attn.k_proj, theirs.encoder_attn.v_proj)
    copy_linear(ours.cross_attention.out, theirs.encoder_attn.out_proj)
    copy_norm(ours.around_cross_attention.norm, theirs.encoder_attn_layer_norm)
    _feed_forward(ours, theirs)


def _self_attention(ours: SelfAttention, theirs: MarianAttention) -> None:
    copy_linear(ours.qkv, theirs.q_proj, theirs.k_proj, theirs.v_proj)
    copy_linear(ours.out, theirs.out_proj)


def _feed_forward(ours: EncoderLayer | DecoderLayer, theirs: nn.Module) -> None:
    copy_linear(ours.feed_forward[0], theirs.fc1)
    copy_linear(ours.feed_forward[-1], theirs.fc2)
    copy_norm(ours.around_feed_forward.norm, theirs.final_layer_norm)
