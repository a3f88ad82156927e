"""What to write where several values are meant: in a search space, or in the rows of a sweep."""

import json
import re
import shlex
from collections.abc import Sequence

from pydantic import JsonValue

from intelligen.config.base import NAME_PATTERN
from intelligen.config.document import Key, shown
from intelligen.config.files.yaml_file import parse_value
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.setting_paths import has_setting, resolve_key, takes
from intelligen.config.schema.variable_settings import may_vary
from intelligen.errors import ConfigError

INTO_EXPERIMENT = "experiment."
_OVERRIDE = re.compile(r"-o (?P<key>[^=]+)=(?P<value>.*)", re.DOTALL)
_BY_FACTORS = 10
"""From this ratio of its ends on, a range is searched by factors."""
_FIXED = ("name", "version", "seed", "compute")


def form_of(value: JsonValue, key: Key) -> str:
    """How a search space says what was written in place of a form; empty where nothing can be told.

    Args:
        value: What was written.
        key: Of the entry in the sweep file.

    """
    setting = setting_at(key)
    if isinstance(value, list) and takes(Experiment, setting, list, tuple):
        return f"{{const: {_flow(value)}}} for a fixed value"
    if values := _several(value):
        return f"{{choice: {_flow(values)}}}{_or_range(values, setting)}"
    return "" if isinstance(value, dict | list) else f"{{const: {shown(value)}}} for a fixed value"


def _or_range(values: Sequence[JsonValue], setting: str) -> str:
    """What two ascending numbers may mean too, with what a choice of them means; empty for all others."""
    match values:
        case [int() | float() as low, int() | float() as high] if low < high and not isinstance(low, bool):
            whole = isinstance(low, int) and isinstance(high, int) and not takes(Experiment, setting, float)
            by_factors = low > 0 and high >= _BY_FACTORS * low
            form = ("log_int" if by_factors else "int") if whole else ("log_uniform" if by_factors else "uniform")
            return f" for only these two, or {{{form}: {_flow([low, high])}}} for all between"
    return ""


def setting_at(key: Key) -> str:
    """The experiment's setting that an entry of a search space varies, by its key in the sweep file."""
    setting = ""
    for part in key[1::3]:  # an option's own entries lie two keys below it
        setting = resolve_key(setting, str(part))
    return setting


def sweep_line(origin: str, *, of_sweep: bool = False) -> str:
    """The line of a sweep file that tries each value of an override `-o KEY=a,b`, as the end of a refusal.

    Args:
        origin: Where the refused value was written; empty is returned for all but such an override.
        of_sweep: Whether the command takes a sweep file; else the key says so.

    """
    found = _OVERRIDE.fullmatch(origin)
    if found is None:
        return ""
    key = found["key"].removeprefix(INTO_EXPERIMENT)
    values = _several(_parsed(found["value"]))
    free = takes(Experiment, key, str, list, tuple)
    if len(values) < 2 or not has_setting(Experiment, key) or free or key.partition(".")[0] in _FIXED:
        return ""
    said = "; one run has one value, and a sweep tries each"
    form = f"{{choice: {_flow(values)}}}"
    if not may_vary(key, trains=False):
        return f"{said} as a row of its own: {_rows(key, values)}"
    typed = f" (-o {shlex.quote(f'space.{key}={form}')})" if of_sweep or key != found["key"] else ""
    return f"{said} with this line below `space`: {key}: {form}{typed}"


def _several(value: JsonValue) -> list[JsonValue]:
    """The distinct values of a list or of a text with commas; none where these are no single values."""
    if isinstance(value, str) and "," in value:
        value = [_parsed(part) for part in value.split(",")]
    if not isinstance(value, list) or any(isinstance(one, dict | list) for one in value):
        return []
    return list({(type(one), one): one for one in value}.values())


def _parsed(text: str) -> JsonValue:
    try:
        return parse_value(text, "")
    except ConfigError:
        return text


def _rows(key: str, values: Sequence[JsonValue]) -> str:
    last = key.rpartition(".")[2]
    names = [f"{last}-{_flow(value)}".replace('"', "") for value in values]
    if not all(re.fullmatch(NAME_PATTERN, name) for name in names):
        names = [f"row-{number}" for number in range(1, len(values) + 1)]
    rows = ", ".join(f"{name}: {{{key}: {_flow(value)}}}" for name, value in zip(names, values, strict=True))
    return f"rows: {{variants: {{control: {names[0]}, of: {{{rows}}}}}}}"


def _flow(value: JsonValue) -> str:
    """A value as one line of YAML."""
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, str) and re.fullmatch("[A-Za-z_]+", value) and _parsed(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)
