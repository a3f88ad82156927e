"""Refuses a search that chooses between treatments: each is a strategy, and so a row that says what was trained."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import yaml
from pydantic import JsonValue

from intelligen.config.document import Key
from intelligen.config.schema.generative_strategies import TREATMENTS, GenerativeTreatment
from intelligen.config.schema.plugins import name_of
from intelligen.config.schema.space_forms import Zip
from intelligen.config.space.entries import Entry, draws

_STRATEGY, _PREFIX = "strategy", "strategy."
_TARGET, _R_DROP = "strategy.target", "strategy.r_drop"
_TEACHER_FORCED = ("standard", "standard_matched")
_RANGES = ("uniform", "log_uniform")


def mixed_treatments(entries: Sequence[Entry], strategies: Collection[str]) -> Iterator[tuple[Key, str]]:
    """(key, what is wrong and the lines to write) of each setting of earlier versions that chooses a treatment.

    Args:
        entries: Of the space, or of one option of it.
        strategies: Whose settings they are, where the entries do not say it.

    """
    chosen = _chosen(entries) or strategies
    for entry in entries:
        if entry.setting == _TARGET and "generative" in chosen:
            yield from ((entry.key, what) for what in _targets(entry, entries))
        if entry.setting == _R_DROP and any(name in chosen for name in _TEACHER_FORCED):
            yield from ((entry.key, what) for what in _r_drop(entry))
        if entry.setting == _STRATEGY:
            for name, inner in entry.options().items():
                yield from mixed_treatments(inner, (name,))


def _chosen(entries: Sequence[Entry]) -> list[str]:
    """The strategies that constants and lists of the space name."""
    found = [entry for entry in entries if entry.setting in (_STRATEGY, "strategy.name")]
    values = [value for entry in found for _, value in entry.values()]
    return [str(value["name"] if isinstance(value, dict) and "name" in value else value) for value in values]


def _targets(entry: Entry, siblings: Sequence[Entry]) -> Iterator[str]:
    """Of `generative`, whose targets were one row."""
    targets = list(dict.fromkeys(str(value) for _, value in entry.values()))
    if len(targets) == 1 or not TREATMENTS.keys() >= set(targets):
        return
    named = {
        name_of(TREATMENTS[one]): _settings(TREATMENTS[one], one, siblings) for one in TREATMENTS if one in targets
    }
    lines = [_flow({name: settings}) for name, settings in named.items()]
    where = "instead of `generative`"
    if not entry.parent:
        lines, where = [_flow({_STRATEGY: {"choice": named}})], "instead of these settings of `strategy`"
    yield f"each target is a strategy of its own; write {_listed(lines)} {where}"


def _settings(treatment: type[GenerativeTreatment], target: str, siblings: Sequence[Entry]) -> dict[str, Any]:
    """What the space of `generative` says of those settings that the treatment has."""
    found: dict[str, Any] = {}
    for drawn in draws([entry for entry in siblings if entry.parent or entry.setting.startswith(_PREFIX)]):
        kept = [entry for entry in drawn if _has(treatment, entry)]
        if isinstance(zipped := drawn[0].space, Zip):
            key = next((str(entry.column) for entry in drawn if entry.setting == _TARGET), None)
            rows = [row for row in zipped.rows if key is None or row[key] == target]
            found |= _rows(drawn[0].written, [{str(one.column): row[str(one.column)] for one in kept} for row in rows])
        elif kept:
            found[drawn[0].written.removeprefix(_PREFIX)] = drawn[0].space.model_dump(mode="json", exclude_unset=True)
    return found


def _has(treatment: type[GenerativeTreatment], entry: Entry) -> bool:
    inner = entry.setting.removeprefix(_PREFIX)
    return inner == entry.setting or inner.partition(".")[0] in treatment.model_fields


def _rows(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows of a zip, some of whose settings or rows are left out."""
    columns = {key.removeprefix(_PREFIX): [row[key] for row in rows] for key in rows[0]}
    if len(rows) == 1:
        return {key: {"const": value} for key, (value,) in columns.items()}
    if len(columns) > 1:
        return {name: {"zip": columns}}
    plain = {key: values for key, values in columns.items() if not any(isinstance(one, list | dict) for one in values)}
    return {key: {"choice": list(dict.fromkeys(values))} for key, values in plain.items()}


def _r_drop(entry: Entry) -> Iterator[str]:
    """Of teacher forcing, whose row held R-Drop too."""
    numbers = [value for _, value in entry.values() if isinstance(value, int | float)]
    weights = list(dict.fromkeys(number for number in numbers if number > 0))  # another value breaks the setting's rule
    if not weights:
        return
    line = _flow({"r_drop": {"weight": _weight(str(entry.contents[-1]), weights)}})
    where = "beside this strategy, and remove this key"
    if not entry.parent:
        line, where = f"strategy: {{choice: {{standard: {{}}, {line}}}}}", "instead of these settings of `strategy`"
    yield f"R-Drop is a strategy of its own; write {_listed([line])} {where}"


def _weight(form: str, weights: Sequence[float]) -> dict[str, JsonValue]:
    """The form with the weights above 0: without R-Drop, it is `standard`."""
    if form in _RANGES:
        return {form: [weights[0] if len(weights) > 1 else weights[0] / 100, weights[-1]]}
    return {"choice": list(weights)} if len(weights) > 1 else {"const": weights[0]}


def _flow(lines: Mapping[str, Any]) -> str:
    """`key: value` as YAML has it in one line."""
    text: str = yaml.safe_dump(dict(lines), default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    return text.strip().removeprefix("{").removesuffix("}")


def _listed(lines: Sequence[str]) -> str:
    return " and ".join(f"`{line}`" for line in lines)
