"""Loads initial weights into a model: by name and part, all of one shape and vocabulary, or it is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from intelligen.config.schema.initial import InitialWeights, Part
from intelligen.data.prepared_data import Prepared
from intelligen.errors import ConfigError, DataError
from intelligen.models.interfaces import Network
from intelligen.training.weights_store import Origin, stored_weights

PIECES, VECTORS = "pieces", "vectors"
"""Tensors of vectors of words: token ids [n], and their vectors [n, D]."""
_NAMED = 3


@dataclass(frozen=True)
class Loaded:
    """What became of initial weights."""

    initial: InitialWeights
    loaded: tuple[str, ...]
    """Names of the model's tensors."""
    random: tuple[str, ...]
    """The model's others."""
    left_over: tuple[str, ...]
    """Names of the initial weights' tensors that were not loaded."""

    def line(self) -> str:
        """All of it in a line for people."""
        frozen = " and frozen" if self.initial.freeze else ""
        return (
            f"{self.initial.origin} ({self.initial.weights[:12]}): {_listed(self.loaded)} loaded{frozen};"
            f" {_listed(self.random)} random; {_listed(self.left_over)} left over"
        )


def load_initial(model: nn.Module, initial: InitialWeights, *, prepared: Prepared, store: Path) -> Loaded:
    """Fill a model with random weights from initial weights, and keep from training what is to stay as it is.

    Args:
        model: In whose tensors they are written; what is not loaded keeps its random values.
        initial: Which weights, and which part of them.
        prepared: The model's data.
        store: The runs directory, which holds the weights.

    Raises:
        ConfigError: The model has no such part, or nothing of it would be left to train.
        DataError: The weights have another vocabulary or shape, or no name in common with the model.
        StorageError: The weights are missing or damaged.

    """
    stored = stored_weights(store, initial)
    _require_same_vocabulary(stored.origin, prepared, initial.origin)
    wanted, tables = model.state_dict(), token_tables(model)
    tensors = load_file(stored.path)
    chosen = _of_part(model, initial.part, wanted)
    if stored.origin.tables is None:
        names = _fill_rows(wanted, [name for name in tables if name in chosen], tensors, initial.origin)
        sources: Mapping[str, str] = {}
    else:
        sources = _sources(chosen, tables, tensors, stored.origin.tables)
        names = _fill(wanted, sources, tensors, initial.origin)
    if initial.freeze:
        _freeze(model, names)
    left_over = () if stored.origin.tables is None else tuple(tensors.keys() - set(sources.values()))
    return Loaded(initial, tuple(names), tuple(name for name in wanted if name not in names), tuple(sorted(left_over)))


def token_tables(model: nn.Module) -> list[str]:
    """Names of the tensors [V, D] by which a network reads tokens."""
    return [f"{prefix}weight" for prefix in _parts(model).get("embeddings", ())]


def _require_same_vocabulary(origin: Origin, prepared: Prepared, source: str) -> None:
    """A column's vocabulary must be that of the same column, or of any where the source knows no such column."""
    for column, digest in prepared.vocabulary_hashes.items():
        known = [origin.vocabularies[column]] if column in origin.vocabularies else [*origin.vocabularies.values()]
        if digest not in known:
            raise DataError(
                f"initial: {source} has another vocabulary than `{column}` here, and token ids would mean other words;"
                " take its vocabulary: data.tokenizer {name: of_experiment, experiment: FILE}"
            )


def _parts(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """Part → how the names of its tensors begin; models of other packages may have none."""
    parts = model.parts if isinstance(model, Network) else {}
    return {str(part): prefixes for part, prefixes in parts.items()}


def _of_part(model: nn.Module, part: Part, wanted: Mapping[str, Tensor]) -> list[str]:
    """The names of the model's tensors that a part has."""
    if part == "all":
        return list(wanted)
    prefixes = _parts(model).get(part)
    if not prefixes:
        known = ", ".join(["all", *_parts(model)])
        raise ConfigError(f"initial.part: the model has no {part}; its parts are {known}")
    return [name for name in wanted if name.startswith(tuple(prefixes))]


def _sources(
    chosen: Sequence[str], tables: Sequence[str], tensors: Mapping[str, Tensor], source_tables: Sequence[str]
) -> dict[str, str]:
    """The model's tensor → the one that fills it: of the same name; a table's also the only one there is."""
    found = {name: name for name in chosen if name in tensors}
    if len(source_tables) == 1:
        found |= {name: source_tables[0] for name in tables if name in chosen and name not in found}
    return found


def _fill(
    wanted: Mapping[str, Tensor], sources: Mapping[str, str], tensors: Mapping[str, Tensor], at: str
) -> list[str]:
    if not sources:
        raise DataError(f"initial: {at} has no tensor of a name that the model has; its own are {_listed([*tensors])}")
    if other := [name for name, source in sources.items() if tensors[source].shape != wanted[name].shape]:
        first = "; ".join(
            f"{name} {list(tensors[sources[name]].shape)}, here {list(wanted[name].shape)}" for name in other[:_NAMED]
        )
        more = "; …" if len(other) > _NAMED else ""
        raise DataError(
            f"initial: {at} has {len(other)} tensors of another shape ({first}{more}); give both experiments the same"
            " `model`, or load another part"
        )
    with torch.no_grad():
        for name, source in sources.items():
            wanted[name].copy_(tensors[source])
    return list(sources)


def _fill_rows(
    wanted: Mapping[str, Tensor], tables: Sequence[str], tensors: Mapping[str, Tensor], at: str
) -> list[str]:
    """Write the vectors of those pieces that have one into each table."""
    width = tensors[VECTORS].size(1)
    if other := [name for name in tables if wanted[name].size(1) != width]:
        raise DataError(f"initial: {at} has vectors of {width} numbers, but {other[0]} has {wanted[other[0]].size(1)}")
    with torch.no_grad():
        for name in tables:
            wanted[name][tensors[PIECES]] = tensors[VECTORS]
    return list(tables)


def _freeze(model: nn.Module, names: Sequence[str]) -> None:
    for name, weight in model.named_parameters():
        if name in names:
            weight.requires_grad = False
    if not any(weight.requires_grad for weight in model.parameters()):
        raise ConfigError(
            "initial.freeze: every weight of the model was loaded, so nothing would be trained; name a part under"
            " initial.part, or set initial.freeze to false"
        )


def _listed(names: Sequence[str]) -> str:
    """How many, and the first names."""
    if not names:
        return "none"
    return f"{len(names)} ({', '.join(names[:_NAMED])}{', …' if len(names) > _NAMED else ''})"
