"""The shipped files in a directory of their own, where no data lie that someone has put or linked into the clone."""

import json
import shutil
from pathlib import Path

from conftest import REPOSITORY

# All that texts of the stand-in corpora have, a piece each.
LETTERS = sorted(
    {
        *"abcdefghijklmnopqrstuvwxyzäöüßABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?()'„“—",
        *"이영화는정말재미있고배우들의연기가좋았다별로추천하지않는다시보싶은",
    }
)


def copy_shipped(directory: Path) -> Path:
    """Copy `experiments/` and `search_spaces/` into a directory, which is returned without symbolic links.

    Beside them lies what stands for the pre-trained model that some of them name.
    """
    for folder in ("experiments", "search_spaces"):
        shutil.copytree(REPOSITORY / folder, directory / folder)
    write_model_stand_in(directory / "models" / "ke-t5-small")
    return directory.resolve()


def write_model_stand_in(directory: Path) -> None:
    """A T5 without a weight; all of its bytes are written here, whatever the versions of packages."""
    pieces = ["<pad>", "</s>", "<unk>", "▁", *LETTERS]
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    spaces = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    tokenizer = {
        "version": "1.0",
        "added_tokens": [{"id": token, "content": piece, **special} for token, piece in enumerate(pieces[:3])],
        "pre_tokenizer": spaces,
        "decoder": spaces,
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "vocab": {piece: token for token, piece in enumerate(pieces)},
            "merges": [],
        },
    }
    kind = {"tokenizer_class": "PreTrainedTokenizerFast"}
    named = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    shape = {"model_type": "t5", "vocab_size": len(pieces), "n_positions": 512, "decoder_start_token_id": 0}
    files = {"tokenizer.json": tokenizer, "tokenizer_config.json": kind | named, "config.json": shape}
    directory.mkdir(parents=True)
    for name, content in files.items():
        text = json.dumps(content, ensure_ascii=False, sort_keys=True)
        (directory / name).write_text(text, encoding="utf-8", newline="\n")
    (directory / "model.safetensors").write_bytes(len(b"{}").to_bytes(8, "little") + b"{}")
