"""Settings of one trial as lines of an experiment file: what it has other than the experiment that it varies."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from intelligen.config.base import Settings, recorded
from intelligen.config.document import flatten
from intelligen.config.files.overrides import parse_override
from intelligen.config.files.several_values import INTO_EXPERIMENT
from intelligen.config.schema.experiment import stored_trial
from intelligen.errors import ConfigError, UnavailableError

Nested = Mapping[str, Any]
"""A part of an experiment file."""

_GROUPS = ("task", "model", "decoding")
"""Beside the strategy and its training."""
_ADDRESSES = ("path", "resolved")
"""Where a pre-trained model is, which a trial says in another way than its experiment."""
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NO_TEXT = ("true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf")
"""What a reader of YAML may take for something else than text."""


def trial_settings(
    config: Nested, experiment: Nested, *, row: Mapping[str, Any] | None = None, given: Sequence[str] = ()
) -> dict[str, Any]:
    """What an experiment file has to say beside the sweep's own to train such a trial: the strategy is complete.

    Args:
        config: The trial's, as the ledger has it; empty where it was not recorded.
        experiment: The sweep's, as its fingerprint has it.
        row: Dotted settings of the variant that it is of.
        given: The sweep's overrides `KEY=VALUE`, of which those of the experiment count.

    """
    if not config:
        return {}
    group = "training" if config.get("start") is None else "finetuning"
    found: dict[str, Any] = {}
    with suppress(ConfigError):
        for change in map(parse_override, given):
            if change.key.startswith(INTO_EXPERIMENT):
                _put(found, change.key.removeprefix(INTO_EXPERIMENT), change.value)
    for key, value in (row or {}).items():
        _put(found, key, value)
    written, strategy = _written(config, experiment["strategy"], found.get("strategy"))
    own = {name: (config.get(name), written.get(name)) for name in _GROUPS}
    own[group] = config.get("training"), written.get("training")
    for key, (value, changed) in own.items():
        other = experiment.get(key)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            found[key] = _differing(value, other, changed or {}, said=found.get(key))
    if row is None or "strategy" in found or written.get("strategy") != experiment["strategy"]:
        found["strategy"] = strategy
    if config["seed"] != experiment["seed"]:
        found["seed"] = config["seed"]
    return {key: value for key, value in found.items() if value not in (None, {})}


def settings_lines(settings: Nested) -> list[str]:
    """The settings as YAML, a line for each group: `finetuning: {optimizer: {learning_rate: 0.0004}}`."""
    return [f"{key}: {flow(value)}" for key, value in settings.items()]


def settings_words(settings: Nested) -> str:
    """The same in few words: `learning_rate 0.0004, mle_weight 0.45`."""
    flat = flatten(settings)
    ends = [key.rpartition(".")[2] for key in flat]
    words = []
    for key, value in flat.items():
        if key in ("seed", "strategy", "strategy.name"):
            continue  # its row and its name say these
        *_, before, end = ("", *key.split("."))
        name = f"{before}.{end}" if ends.count(end) > 1 or end in ("start", "end", "name") else end
        words.append(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {flow(value)}")
    return ", ".join(words)


def _differing(own: Nested, other: Nested, written: Nested, *, said: Any) -> dict[str, Any]:
    """The keys whose value is another one, and those that were said, group by group; another option is taken whole.

    Args:
        own: Every key.
        other: Of the experiment; keys that were added later are missing where they have their default.
        written: The trial's without those keys.
        said: What overrides and the row have in the place of this group.

    """
    asked = _group(said)
    if own.get("name") != other.get("name"):
        return dict(own)
    found: dict[str, Any] = {}
    for key, value in own.items():
        before = other.get(key)
        if key in _ADDRESSES:
            found |= {key: asked[key]} if key in asked else {}
            continue
        if key not in asked and (value == before or (key not in other and key not in written)):
            continue
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            if inner := _differing(value, before, written.get(key, {}), said=asked.get(key)):
                found[key] = inner
        else:
            found[key] = value
    return found


def _written(config: Nested, experiment: Nested, said: Any) -> tuple[Nested, Any]:
    """The trial as a ledger writes it, and its strategy without what goes without saying beside the experiment's.

    Both are as they were recorded where this version does not know them.
    """
    with suppress(ValueError, UnavailableError):
        trial = stored_trial(json.dumps(config))
        return recorded(trial), _given(trial.strategy, experiment, said)
    return config, config.get("strategy")


def _given(settings: Settings, experiment: Any, said: Any) -> dict[str, Any]:
    """Its name, and the fields that have another value than their default, or than the experiment's; and those said."""
    written, before, asked = settings.model_dump(mode="json"), _group(experiment), _group(said)
    if before.get("name") != written.get("name"):
        before = {}  # the lines replace another option with all its fields
    found: dict[str, Any] = {"name": written["name"]} if "name" in written else {}
    for name, field in type(settings).model_fields.items():
        value, other = getattr(settings, name), before.get(name, written[name])
        if name in found:
            continue
        if name in asked or value != field.get_default(call_default_factory=True) or other != written[name]:
            inner = isinstance(value, Settings)
            found[name] = _given(value, other, asked.get(name)) if inner else written[name]
    return found


def _group(value: Any) -> Nested:
    """A group of settings, of which text is short for an option; empty where nothing is said."""
    return value if isinstance(value, Mapping) else {} if value is None else {"name": value}


def _put(found: dict[str, Any], key: str, value: Any) -> None:
    """Write a dotted key."""
    *groups, last = key.split(".")
    for group in groups:
        inner = found.setdefault(group, {})
        if not isinstance(inner, dict):
            inner = found[group] = {"name": inner}
        found = inner
    found[last] = value


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(key)}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _NO_TEXT:
        return value
    return json.dumps(value, ensure_ascii=False)
