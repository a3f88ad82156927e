"""The same weights in CTranslate2, written as a model of its own format in fp32."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from ctranslate2.specs import TransformerSpec
from ctranslate2.specs.common_spec import Activation, LayerNormSpec, LinearSpec
from torch import Tensor, nn

from intelligen.config.schema.decoding import Beam, DecodingSearch, Greedy, Sample
from intelligen.config.schema.model import Seq2Seq
from intelligen.data.special_tokens import BOS, EOS, PAD, UNK
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer
from intelligen.models.transformer_layers import DecoderLayer, EncoderLayer

# Hypotheses at once: the fastest of 32, 64, 128 and 256 on one core.
BATCH_ROWS = 128
ACTIVATIONS = {"relu": Activation.RELU, "gelu": Activation.GELU, "silu": Activation.SWISH}


def carried(model: Seq2SeqTransformer, shape: Seq2Seq, directory: Path, *, threads: int) -> ctranslate2.Translator:
    """A translator that computes what ours does; as many batches at once as there are threads, its fastest way."""
    spec = TransformerSpec.from_config(
        (shape.encoder_layers, shape.decoder_layers),
        shape.heads,
        pre_norm=shape.norm == "pre",
        activation=ACTIVATIONS[shape.activation],
    )
    table = _array(model.target_embedding.weight)
    for side, positions in ((spec.encoder, model.source_positions), (spec.decoder, model.target_positions)):
        side.position_encodings.encodings = _array(positions.table_PD)
    spec.encoder.embeddings[0].weight = spec.decoder.embeddings.weight = spec.decoder.projection.weight = table
    never = np.zeros(len(table), dtype=np.float32)
    never[[PAD, BOS]] = -np.inf
    spec.decoder.projection.bias = never
    for ours, theirs in zip(model.encoder, spec.encoder.layer, strict=True):
        _layer(ours, theirs)
    for ours, theirs in zip(model.decoder, spec.decoder.layer, strict=True):
        _layer(ours, theirs)
    if shape.norm == "pre":
        _norm(model.encoder_norm, spec.encoder.layer_norm)
        _norm(model.decoder_norm, spec.decoder.layer_norm)
    pieces = [str(number) for number in range(len(table))]
    spec.register_source_vocabulary(pieces)
    spec.register_target_vocabulary(pieces)
    spec.config.layer_norm_epsilon = 1e-5
    for name, token in (("unk", UNK), ("bos", BOS), ("eos", EOS), ("decoder_start", BOS)):
        setattr(spec.config, f"{name}_token", str(token))
    spec.validate()
    spec.optimize(quantization=None)
    spec.save(str(directory))
    return ctranslate2.Translator(str(directory), compute_type="float32", inter_threads=threads, intra_threads=1)


def decode(
    translator: ctranslate2.Translator, sources: Sequence[Sequence[int]], search: DecodingSearch, *, bound: int
) -> list[list[int]]:
    """A hypothesis without EOS for each source."""
    beams = search.size if isinstance(search, Beam) else 1
    found = translator.translate_batch(
        [[str(token) for token in source] for source in sources],
        max_batch_size=BATCH_ROWS // beams,
        max_decoding_length=bound,
        min_decoding_length=0,
        **_options(search),
    )
    return [[int(token) for token in one.hypotheses[0]] for one in found]


def _options(search: DecodingSearch) -> dict[str, Any]:
    match search:
        case Greedy():
            return {"beam_size": 1}
        case Beam(size=size, length_penalty=alpha):
            # Its penalty is |Y|^α: the same as ours where α = 0.
            return {"beam_size": size, "length_penalty": alpha}
        case Sample(temperature=temperature, top_k=top_k, top_p=top_p):
            return {
                "beam_size": 1,
                "sampling_topk": top_k,
                "sampling_topp": top_p,
                "sampling_temperature": temperature,
            }


def _layer(ours: EncoderLayer | DecoderLayer, theirs: Any) -> None:
    _linear(ours.self_attention.qkv, theirs.self_attention.linear[0])
    _linear(ours.self_attention.out, theirs.self_attention.linear[1])
    _norm(ours.around_self_attention.norm, theirs.self_attention.layer_norm)
    if isinstance(ours, DecoderLayer):
        cross = ours.cross_attention
        for linear, place in zip((cross.query, cross.kv, cross.out), theirs.attention.linear, strict=True):
            _linear(linear, place)
        _norm(ours.around_cross_attention.norm, theirs.attention.layer_norm)
    _linear(ours.feed_forward[0], theirs.ffn.linear_0)
    _linear(ours.feed_forward[-1], theirs.ffn.linear_1)
    _norm(ours.around_feed_forward.norm, theirs.ffn.layer_norm)


def _linear(ours: nn.Linear, theirs: LinearSpec) -> None:
    theirs.weight, theirs.bias = _array(ours.weight), _array(ours.bias)


def _norm(ours: nn.LayerNorm, theirs: LayerNormSpec) -> None:
    theirs.gamma, theirs.beta = _array(ours.weight), _array(ours.bias)


def _array(tensor: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    return tensor.detach().numpy()
