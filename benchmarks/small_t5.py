"""A T5 of one of our shapes, with random weights and a vocabulary of its own, as a directory of `transformers`."""

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from intelligen.config.schema.model import Seq2Seq

SPECIAL = PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"


def write_t5(directory: Path, shape: Seq2Seq, *, sentences: Iterable[str], vocabulary: int) -> Path:
    """Write the model, and a tokenizer that learns its pieces from the sentences.

    Args:
        directory: Is made.
        shape: Widths, heads, layers, dropout and positions; T5 has its own way of doing all else.
        sentences: Of both languages.
        vocabulary: Rows of the model's table, and most pieces of the tokenizer.

    """
    directory.mkdir(parents=True)
    _tokenizer(sentences, vocabulary).save_pretrained(directory)
    pad, end = map(SPECIAL.index, (PAD, END))
    config = T5Config(
        vocab_size=vocabulary,
        d_model=shape.d_model,
        d_kv=shape.d_model // shape.heads,
        d_ff=shape.d_ff,
        num_heads=shape.heads,
        num_layers=shape.encoder_layers,
        num_decoder_layers=shape.decoder_layers,
        dropout_rate=shape.dropout,
        n_positions=shape.max_positions,
        pad_token_id=pad,
        eos_token_id=end,
        decoder_start_token_id=pad,
    )
    torch.manual_seed(1)
    T5ForConditionalGeneration(config).save_pretrained(directory)
    return directory


def _tokenizer(sentences: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=[*SPECIAL], show_progress=False)
    tokenizer.train_from_iterator(sentences, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, SPECIAL.index(END))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, unk_token=UNKNOWN)
