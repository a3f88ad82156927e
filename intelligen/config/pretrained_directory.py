"""Directory of a pre-trained model, as `transformers` writes it: found, and refused where it cannot be used."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

from intelligen.config.base import content_hash
from intelligen.config.model_licence import CARD, LICENCE_FILES
from intelligen.errors import ConfigError, DataError, UnavailableError

Kind = Literal["encoder_decoder", "causal"]
FAMILIES: Final[dict[str, Kind]] = {
    "t5": "encoder_decoder",
    "mt5": "encoder_decoder",
    "bart": "encoder_decoder",
    "mbart": "encoder_decoder",
    "marian": "encoder_decoder",
    "m2m_100": "encoder_decoder",
    "gpt2": "causal",
    "llama": "causal",
    "qwen2": "causal",
}
"""`model_type` in a config.json → how its networks read. A file that names another one is refused."""
CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
GENERATION: Final = "generation_config.json"
ADAPTER: Final = "adapter_config.json"
EXTRA: Final = "pip install 'intelligen[hf]'"
_READ = ("*.json", "*.safetensors", "*.model", "*.spm", "*.txt")
_CARRIED = ("*.jinja",)
"""Chat templates: what is exported has them, and no training depends on them."""
_CLASSIFIER: Final = "ForSequenceClassification"
_TOKENIZERS = ("tokenizer.json", "vocab.json", "*.model", "*.spm")
_SHARD = re.compile(r"[^/\\]+\.safetensors")
_COMMIT = re.compile("[0-9a-f]{40}")
_RELATIVE_POSITIONS = 512
"""Of models without a table of positions, and without a number of them."""


@dataclass(frozen=True)
class PretrainedDirectory:
    """What a directory holds, before any weight is read."""

    path: Path
    config: dict[str, Any]
    """config.json."""

    @property
    def family(self) -> str:
        """Its `model_type`, one of `FAMILIES`."""
        return str(self.config["model_type"])

    @property
    def kind(self) -> Kind:
        """How its network reads."""
        return FAMILIES[self.family]

    @property
    def max_positions(self) -> int:
        """Longest source, and longest target; a causal model's positions are shared by both."""
        known = self.config.get("max_position_embeddings") or self.config.get("n_positions") or _RELATIVE_POSITIONS
        return min(int(known), 16_384) // (2 if self.kind == "causal" else 1)

    def hashes(self) -> dict[str, str]:
        """File → SHA-256, of weights, configuration and tokenizer."""
        return {file.name: _sha256_once(file) for file in _matching(self.path, _READ)}


def content_of(hashes: Mapping[str, str]) -> str:
    """Content hash of a model's files, from their SHA-256."""
    return content_hash(*(f"{name} {sha256}" for name, sha256 in sorted(hashes.items())))


def open_directory(path: str, revision: str | None = None, *, key: str = "model.path") -> PretrainedDirectory:
    """Find a pre-trained model and look at all but its weights.

    Args:
        path: A directory, or the name of a repository on the hub, which is downloaded into the hub's own cache.
        revision: Commit of the repository; of a directory it says nothing.
        key: Of the setting, for messages.

    Raises:
        ConfigError: A repository without a commit.
        DataError: It is no pre-trained model, or one of a kind that is not known here.
        UnavailableError: The extra is not installed, or the hub cannot be reached.

    """
    require_extra(key=key)
    directory = Path(path) if Path(path).is_dir() else _downloaded(path, revision, key)
    found = _configured(directory, key)
    if (directory / GENERATION).exists():
        _json_object(directory / GENERATION, key)
    _require_known(directory, found.config, key)
    _require_tokenizer(directory, key)
    _require_weights(found, "AutoModelForCausalLM" if found.kind == "causal" else "AutoModelForSeq2SeqLM", key)
    return found


def open_regression(path: str, *, key: str) -> PretrainedDirectory:
    """Find a model of any family that gives a pair of texts one number, and look at all but its weights.

    Args:
        path: A directory; nothing is downloaded.
        key: Of the setting, for messages.

    Raises:
        DataError: It is no such model.
        UnavailableError: The extra is not installed.

    """
    require_extra(key=key)
    if not Path(path).is_dir():
        raise DataError(f"{key}: {path}: no such directory; name that of a regression model of `transformers`")
    found = _configured(Path(path), key)
    architectures, labels = found.config.get("architectures"), found.config.get("id2label")
    classifies = isinstance(architectures, list) and any(str(one).endswith(_CLASSIFIER) for one in architectures)
    # What does not say how many labels it has has two.
    if not classifies or not isinstance(labels, dict) or len(labels) != 1:
        count = len(labels) if isinstance(labels, dict) else 2
        what = f"{', '.join(map(str, architectures))} with {count} outputs" if architectures else "of no architecture"
        raise DataError(
            f"{key}: {path} is {what}; a learned metric is a model …{_CLASSIFIER} with one output (one entry in"
            f" id2label of {CONFIG}), as BLEURT's are"
        )
    _require_tokenizer(found.path, key)
    _require_weights(found, f"AutoModel{_CLASSIFIER}", key)
    return found


def _configured(directory: Path, key: str) -> PretrainedDirectory:
    """A directory with a configuration of a whole model."""
    _require_no_adapter(directory, key)
    if not (directory / CONFIG).exists():
        raise DataError(f"{key}: {directory} has no {CONFIG}; name a directory that `save_pretrained` wrote")
    return PretrainedDirectory(directory, _json_object(directory / CONFIG, key))


def _require_tokenizer(directory: Path, key: str) -> None:
    if not any(file for pattern in _TOKENIZERS for file in directory.glob(pattern)):
        # `transformers` makes an empty one then, to which every text is unknown.
        raise DataError(f"{key}: {directory} has no tokenizer ({', '.join(_TOKENIZERS)}); restore it from its source")


def shape_in(directory: Path) -> PretrainedDirectory:
    """The model of which a directory has all but the weights, as prepared data keep it.

    Raises:
        OSError, ValueError: It has no configuration that can be read.

    """
    return PretrainedDirectory(directory, json.loads((directory / CONFIG).read_text(encoding="utf-8")))


def require_extra(*packages: str, key: str = "model.path") -> None:
    """Refuse to go on without what pre-trained models need.

    Args:
        packages: Beside `transformers`.
        key: Of the setting that needs them, for messages.

    Raises:
        UnavailableError: A package is not installed.

    """
    for package in ("transformers", *packages):
        if find_spec(package) is None:
            raise UnavailableError(f"{key}: needs the package {package}, which is not installed: {EXTRA}")


def files_of(directory: Path) -> list[Path]:
    """The files that make a pre-trained model, by name."""
    return _matching(directory, (*_READ, *_CARRIED))


def _matching(directory: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted(file for pattern in patterns for file in directory.glob(pattern) if file.is_file())


def holds_weights(file: str) -> bool:
    """Whether a file of that name has weights, or says which file has which."""
    return file.endswith((".safetensors", ".safetensors.index.json"))


def _downloaded(name: str, revision: str | None, key: str) -> Path:
    """The hub's copy of a repository at a commit, from its cache where it is there."""
    group = key.rpartition(".")[0]
    if name.startswith((".", "/")):
        raise DataError(f"{key}: {name}: no such directory; name that of a pre-trained model: -o {key}=DIR")
    if revision is None or not _COMMIT.fullmatch(revision):
        raise ConfigError(
            f"{key}: {name} is no directory here, and a repository needs its commit: {group}.revision, 40 hexadecimal"
            " digits"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=[*_READ, *_CARRIED, CARD, LICENCE_FILES]))
    except RepositoryNotFoundError as error:
        raise DataError(f"{key}: the hub has no repository {name} at {revision}; check both") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise UnavailableError(
            f"{key}: {name}: the hub cannot be reached ({type(error).__name__}); download the repository elsewhere, and"
            f" name its directory: {key}"
        ) from error


def _require_no_adapter(directory: Path, key: str) -> None:
    """Refuse what `peft` wrote: its base model, wherever that is, would be read instead of this directory."""
    if (directory / ADAPTER).exists():
        raise DataError(
            f"{key}: {directory} has a LoRA adapter ({ADAPTER}), which is a part of a model; merge it with its base and"
            " name the directory of the whole: `intelligen export-model` without --adapter, or `merge_and_unload` of"
            " peft and `save_pretrained`"
        )


def _require_known(directory: Path, config: dict[str, Any], key: str) -> None:
    """Refuse a configuration of a model that is of none of the families, or that does not read as they do."""
    family = config.get("model_type")
    if not isinstance(family, str) or family not in FAMILIES:
        raise DataError(f"{key}: {directory} is a model of type {family}, unknown here; known: {', '.join(FAMILIES)}")
    if config.get("quantization_config") is not None:
        raise DataError(
            f"{key}: {directory} has quantised weights (quantization_config in {CONFIG}), which cannot be trained; name"
            " the model that they were made of"
        )
    if config.get("share_encoder_decoder_embeddings") is False:
        raise DataError(
            f"{key}: {directory} has a vocabulary for sources and another for targets (share_encoder_decoder_embeddings"
            f" in {CONFIG}); name a model with one for both"
        )
    for name in ("max_position_embeddings", "n_positions"):
        if (count := config.get(name)) is not None and not (isinstance(count, int) and count > 0):
            raise DataError(f"{key}: {directory / CONFIG}: {name} must be a number above 0; restore it from its source")


def _json_object(file: Path, key: str) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
        why = "it must hold an object"
    except (OSError, ValueError, RecursionError) as error:
        why = str(error)
    raise DataError(f"{key}: {file} cannot be read ({why}); restore it from its source")


def _require_weights(found: PretrainedDirectory, auto: str, key: str) -> None:
    """Refuse a directory without safetensors, or with less than its index promises."""
    directory = found.path
    if not (directory / INDEX).exists():
        if (directory / WEIGHTS).exists():
            _names_in(directory / WEIGHTS, key)
            return
        if any(directory.glob("*.bin")):
            raise DataError(
                f"{key}: {directory} has its weights as .bin alone, which may hold code; convert them where you trust"
                f' them: python -c "from transformers import {auto} as M; d = {str(directory)!r};'
                ' M.from_pretrained(d).save_pretrained(d)"'
            )
        raise DataError(f"{key}: {directory} has no {WEIGHTS}; restore it from its source")
    found_map = _json_object(directory / INDEX, key).get("weight_map")
    promised: dict[str, Any] = found_map if isinstance(found_map, dict) else {}
    # Nothing outside the directory: what is read is what identities know.
    if not promised or not all(isinstance(one, str) and _SHARD.fullmatch(one) for one in promised.values()):
        raise DataError(f"{key}: {directory / INDEX} names no files of this directory; restore it from its source")
    held = {shard: _names_in(directory / shard, key) for shard in sorted({*promised.values()})}
    for name, shard in promised.items():
        if name not in held[shard]:
            raise DataError(f"{key}: {directory / shard} lacks the weights {name}; restore it from its source")


def _names_in(file: Path, key: str) -> set[str]:
    """Names of the tensors of a safetensors file, which must be whole; from its head alone."""
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        raise DataError(f"{key}: {file} is missing; restore it from its source")
    try:
        with safe_open(file, framework="numpy") as opened:
            return set(opened.keys())
    except (OSError, SafetensorError) as error:
        raise DataError(f"{key}: {file} is damaged ({error}); restore it from its source") from error


def _sha256_once(file: Path) -> str:
    status = file.stat()
    return _sha256(file, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1024)
def _sha256(file: Path, *_state: int) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
