"""Settings in which the listed rows of a sweep differ, for a column each, as tables of experiments have them."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from intelligen.config.document import Document, flatten
from intelligen.config.files.examined import validated
from intelligen.config.load import apply_settings
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.rows import Row
from intelligen.state.redaction import redact

SETTING = "setting/"
"""Before the key of a setting, in exports."""
_UNNAMED_GROUPS = ("data", "model", "training")
"""Their settings are known by their own names."""


def row_settings(rows: Sequence[Row], experiment: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Row → dotted key → value, of every setting that some row sets, or that follows from one, where rows differ in it.

    Rows that are crossed from axes have none: no two axes set the same key, so that a row's place says everything.

    Args:
        rows: The sweep's.
        experiment: What they vary, as a ledger's fingerprint has it.

    Raises:
        ConfigError: Another version, or a plugin that is not installed here, knows the settings.

    """
    listed = [row for row in rows if not row.axes]
    if not listed:
        return {}
    base = validated(Experiment, Document(dict(experiment), {}))
    experiments = {row.id: apply_settings(base, row.settings) for row in listed}
    implied = {f"model.{name}" for one in experiments.values() for name in one.model.implied()}
    found = {name: redact(flatten(one.model_dump(mode="json")) | _implied(one)) for name, one in experiments.items()}
    given = {key for row in listed for key in row.settings} | implied
    keys = dict.fromkeys(key for values in found.values() for key in values if _is_among(key, given))
    differing = [key for key in keys if len({json.dumps(values.get(key)) for values in found.values()}) > 1]
    return {name: {key: values.get(key) for key in differing} for name, values in found.items()}


def setting_headings(keys: Iterable[str]) -> dict[str, str]:
    """Key → what people read: `heads` for `model.heads`; the whole key where two would be the same."""
    short = {key: _short(key) for key in keys}
    counts = Counter(short.values())
    return {key: name if counts[name] == 1 else key for key, name in short.items()}


def setting_text(value: object) -> str:
    """A value as people read it; of a path the last part."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return Path(value).name if Path(value).is_absolute() else value


def _implied(experiment: Experiment) -> dict[str, Any]:
    return {f"model.{name}": value for name, value in experiment.model.implied().items()}


def _is_among(key: str, given: Iterable[str]) -> bool:
    """Whether it is one of the keys that rows set, or in a group that they set."""
    return any(f"{key}.".startswith(f"{one}.") for one in given)


def _short(key: str) -> str:
    """The `name` of an option goes without saying, and so do most groups."""
    group, _, rest = key.removesuffix(".name").partition(".")
    return rest if rest and group in _UNNAMED_GROUPS else key.removesuffix(".name")
