"""Loads initial weights into a model: by name and part, all of one shape and vocabulary, or it is refused."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from intelligen.config.schema.initial import InitialWeights, Part
from intelligen.data.prepared_data import Prepared
from intelligen.errors import ConfigError, DataError
from intelligen.models.interfaces import Network
from intelligen.optimization.kept_rows import keep_rows
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
    rows: int | None = None
    """Of each loaded table, those that have a vector; the others stay random and are trained; none = all of it."""

    def line(self) -> str:
        """All of it in a line for people."""
        rows = "" if self.rows is None else f"{self.rows:,} rows of "
        frozen = " and frozen" if self.initial.freeze else ""
        return (
            f"{self.initial.origin} ({self.initial.weights[:12]}): {rows}{_listed(self.loaded)} loaded{frozen};"
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
    wanted, tensors = model.state_dict(), load_file(stored.path)
    sources = fitting(model, initial, stored.origin, tensors, prepared=prepared)
    rows = tensors.get(PIECES) if stored.origin.tables is None else None
    with torch.no_grad():
        for name, source in sources.items():
            wanted[name][... if rows is None else rows] = tensors[source]
    if initial.freeze:
        _freeze(model, sources, rows)
    left_over = () if rows is not None else tuple(tensors.keys() - set(sources.values()))
    others = tuple(name for name in wanted if name not in sources)
    return Loaded(initial, tuple(sources), others, tuple(sorted(left_over)), None if rows is None else len(rows))


def fitting(
    model: nn.Module, initial: InitialWeights, origin: Origin, tensors: Mapping[str, Tensor], *, prepared: Prepared
) -> dict[str, str]:
    """The model's tensor → the one of the initial weights that fills it, by names and shapes alone.

    Args:
        model: May be on the meta device.
        initial: Which part of the weights, and whether it stays as it is.
        origin: The weights' vocabularies, and what among them is a table of tokens.
        tensors: The weights, which may be on the meta device, too.
        prepared: The model's data.

    Raises:
        ConfigError: The model has no such part, or nothing of it would be left to train.
        DataError: The weights have another vocabulary or shape, or no name in common with the model.

    """
    _require_same_vocabulary(origin, prepared, initial.origin)
    wanted, tables = model.state_dict(), token_tables(model)
    chosen = _of_part(model, initial.part, wanted)
    if origin.tables is None:
        sources = dict.fromkeys([name for name in tables if name in chosen], VECTORS)
        _require_width({name: wanted[name] for name in sources}, tensors[VECTORS].size(1), initial.origin)
        return sources
    sources = _sources(chosen, tables, tensors, origin.tables)
    _require_shapes(wanted, sources, tensors, initial.origin)
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    if initial.freeze and sources.keys() >= {*trained}:
        raise ConfigError(
            "initial.freeze: every weight of the model was loaded, so nothing would be trained; name a part under"
            " initial.part, or set initial.freeze to false"
        )
    return sources


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


def _require_shapes(
    wanted: Mapping[str, Tensor], sources: Mapping[str, str], tensors: Mapping[str, Tensor], at: str
) -> None:
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


def _require_width(tables: Mapping[str, Tensor], width: int, at: str) -> None:
    if other := [name for name, table in tables.items() if table.size(1) != width]:
        raise DataError(f"initial: {at} has vectors of {width} numbers, but {other[0]} has {tables[other[0]].size(1)}")


def _freeze(model: nn.Module, names: Collection[str], rows: Tensor | None) -> None:
    """Keep tensors as they are; of tables of vectors those rows alone, so that all other pieces learn theirs."""
    for name, weight in model.named_parameters():
        if name in names and rows is None:
            weight.requires_grad = False
        elif name in names and rows is not None:
            keep_rows(weight, rows)


def _listed(names: Sequence[str]) -> str:
    """How many, and the first names."""
    if not names:
        return "none"
    return f"{len(names)} ({', '.join(names[:_NAMED])}{', …' if len(names) > _NAMED else ''})"
