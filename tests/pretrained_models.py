"""Tiny directories of pre-trained models, with random weights and tokenizers that learn from a few sentences."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import nn
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MBartConfig,
    MBartForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

WORDS = ["der", "die", "das", "alte", "kleine", "katze", "hund", "schläft", "läuft", "the", "old", "small", "cat"]
SENTENCES = [" ".join(random.Random(row).choices(WORDS, k=6)) for row in range(300)]

ENCODER_DECODERS = ("t5", "t5-v1.1", "marian", "bart", "mbart", "m2m100")
CAUSAL = ("gpt2", "llama", "qwen2")
_SPARE = 5
"""Rows of the embedding that the tokenizer has no piece for, as many published models have some."""


def make_pretrained(
    name: str,
    directory: Path,
    *,
    sentences: list[str] = SENTENCES,
    positions: int = 64,
    width: int = 32,
    ends: float = 1.0,
) -> Path:
    """Write the directory of a tiny model of a family; EOS' logits are `ends` times those of other tokens."""
    torch.manual_seed(7)
    directory.mkdir(parents=True)
    special: dict[str, int] = _write_tokenizer(name, directory, sentences)
    hf = _model(name, special, positions, width)
    for parameter in hf.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.25)
    if hasattr(hf, "final_logits_bias"):
        nn.init.normal_(hf.final_logits_bias, std=0.25)
    hf.get_output_embeddings().weight.data[special["eos"]] *= ends
    hf.save_pretrained(directory)
    return directory


def make_regression(directory: Path, *, outputs: int = 1, positions: int = 40) -> Path:
    """Write the directory of a tiny model that gives a pair of texts so many numbers."""
    torch.manual_seed(11)
    directory.mkdir(parents=True)
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    specials = [*special.values()]
    tokenizer = Tokenizer(models.BPE(unk_token=specials[-1]))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(SENTENCES, trainers.BpeTrainer(vocab_size=70, special_tokens=specials))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> $B:1 </s>:1",
        special_tokens=[(one, tokenizer.token_to_id(one)) for one in ("<s>", "</s>")],
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    fast.save_pretrained(directory)
    shape = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(fast), max_position_embeddings=positions, num_labels=outputs, **shape)
    model = BertForSequenceClassification(config)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.4)
    model.save_pretrained(directory)
    return directory


def without_dropout(directory: Path, target: Path) -> Path:
    """Write a copy of a model whose configuration has none; it would be each rank's own."""
    shutil.copytree(directory, target)
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    none = {key: 0.0 for key in config if key.endswith(("dropout", "dropout_rate", "_pdrop"))}
    (target / "config.json").write_text(json.dumps(config | none), encoding="utf-8")
    return target


def _write_tokenizer(name: str, directory: Path, sentences: list[str]) -> dict[str, int]:
    if name == "marian":
        return _marian(directory, sentences)
    specials = {
        "gpt2": ["<|endoftext|>"],
        "qwen2": ["<|endoftext|>"],
        "llama": ["<unk>", "<s>", "</s>"],
        "bart": ["<s>", "<pad>", "</s>", "<unk>"],
        "mbart": ["<s>", "<pad>", "</s>", "<unk>"],
        "m2m100": ["<s>", "<pad>", "</s>", "<unk>"],
    }.get(name, ["<pad>", "</s>", "<unk>"])
    byte_level = specials == ["<|endoftext|>"]
    tokenizer = Tokenizer(models.BPE(unk_token=None if byte_level else "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel() if byte_level else pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.ByteLevel() if byte_level else decoders.Metaspace()
    alphabet = pre_tokenizers.ByteLevel.alphabet() if byte_level else []
    trainer = trainers.BpeTrainer(
        vocab_size=60 + len(alphabet), special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(sentences, trainer)
    ids = {one: tokenizer.token_to_id(one) for one in specials}
    around = {"bart": "<s> $A </s>", "mbart": "<s> $A </s>", "m2m100": "<s> $A </s>", "llama": "<s> $A"}
    template = "$A" if byte_level else around.get(name, "$A </s>")
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=[*ids.items()])
    eos = "<|endoftext|>" if byte_level else "</s>"
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=eos if name == "gpt2" else None if byte_level else "<unk>",
        bos_token=next((one for one in ("<s>", "<|endoftext|>") if one in ids), None),
        eos_token=eos,
        pad_token="<pad>" if "<pad>" in ids else None,
    )
    fast.save_pretrained(directory)
    return {"vocab_size": len(fast), "eos": ids[eos], "pad": ids.get("<pad>", ids[eos]), "bos": fast.bos_token_id}


def _marian(directory: Path, sentences: list[str]) -> dict[str, int]:
    """Two SentencePiece models over one list of pieces, as the originals have them."""
    pieces: dict[str, int] = {"</s>": 0, "<unk>": 1}
    for side in ("source", "target"):
        with (directory / f"{side}.spm").open("wb") as file:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(sentences if side == "source" else sentences[:50]),
                model_writer=file,
                vocab_size=40 if side == "source" else 36,
                minloglevel=2,
                hard_vocab_limit=False,
            )
        model = sentencepiece.SentencePieceProcessor(model_file=str(directory / f"{side}.spm"))
        for index in range(3, model.get_piece_size()):
            pieces.setdefault(model.id_to_piece(index), len(pieces))
    pieces["<pad>"] = len(pieces)
    (directory / "vocab.json").write_text(json.dumps(pieces), encoding="utf-8")
    settings = {"tokenizer_class": "MarianTokenizer", "source_lang": "de", "target_lang": "en"}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return {"vocab_size": len(pieces), "eos": 0, "pad": pieces["<pad>"], "bos": 0}


def _model(name: str, special: dict[str, int], positions: int, width: int) -> Any:
    eos, pad, bos, vocabulary = special["eos"], special["pad"], special["bos"], special["vocab_size"] + _SPARE
    ids = {"vocab_size": vocabulary, "eos_token_id": eos, "pad_token_id": pad}
    if name in ("t5", "t5-v1.1"):
        other = {} if name == "t5" else {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
        shape = {"d_model": width, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "n_positions": positions}
        return T5ForConditionalGeneration(T5Config(**ids, **shape, **other, decoder_start_token_id=pad))
    ids["bos_token_id"] = bos
    if name in CAUSAL:
        if name == "gpt2":
            return GPT2LMHeadModel(GPT2Config(**ids, n_embd=width, n_layer=2, n_head=4, n_positions=2 * positions))
        shape = {"hidden_size": width, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
        shape |= {"num_key_value_heads": 2, "max_position_embeddings": 2 * positions}
        if name == "llama":
            return LlamaForCausalLM(LlamaConfig(**ids, **shape))
        return Qwen2ForCausalLM(Qwen2Config(**ids, **shape, tie_word_embeddings=True))
    shape = {"d_model": width, "encoder_layers": 2, "decoder_layers": 2, "max_position_embeddings": positions}
    shape |= {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48}
    config, model, start, scale = {
        "bart": (BartConfig, BartForConditionalGeneration, eos, False),
        "mbart": (MBartConfig, MBartForConditionalGeneration, bos, True),
        "m2m100": (M2M100Config, M2M100ForConditionalGeneration, eos, True),
        "marian": (MarianConfig, MarianMTModel, pad, True),
    }[name]
    return model(config(**ids, **shape, decoder_start_token_id=start, scale_embedding=scale))
