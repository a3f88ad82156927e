"""Saved view of a sweep and a line of its description, kept in tags of its MLflow experiment.

Both are for people alone: where they cannot be written, that is logged once and nothing else changes.
"""

import base64
import json
import logging
import time
import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.mlflow_links import comparison_path
from intelligen.config.schema.declarations import TaskSettings
from intelligen.state.redaction import redact_text
from intelligen.tracking.comparison_view import MOST_SETTINGS, ComparedSettings, State, comparison_state
from intelligen.tracking.mlflow_store import failures

if TYPE_CHECKING:
    from mlflow import MlflowClient

DESCRIPTION = "mlflow.note.content"
VIEW = "mlflow.sharedViewState."

_OURS = "intelligen-"
_COMPRESSED = "deflate;"
# MLflow takes no longer tag of an experiment, and its page saves no view by hand where forty are there.
_LONGEST, _MOST_VIEWS, _MOST_OURS = 20_000, 40, 20

_log = logging.getLogger(__name__)


def view_key(sweep_id: str) -> str:
    """Of a sweep's view: the same again when the sweep is resumed."""
    return _OURS + sweep_id


class SavedViews:
    """Writes the comparison of a sweep into its experiment."""

    def __init__(self) -> None:
        self._said = False
        self.key: str | None = None
        """Of the sweep's view once it is there, of whatever state: its link leads there."""

    def write(self, client: "MlflowClient", experiment_id: str, *, sweep_id: str, name: str, state: State) -> bool:
        """Make the experiment's tags equal a view, where they differ; False = that failed, and is to be tried again.

        Args:
            client: Of the store.
            experiment_id: The sweep's experiment.
            sweep_id: Makes the view's key.
            name: The sweep's, which the page shows.
            state: The page's.

        """
        key = view_key(sweep_id)
        try:
            tags = client.get_experiment(experiment_id).tags
            self.key = key if VIEW + key in tags else None
            wanted = wanted_tags(tags, experiment_id, key=key, name=name, state=state, now_ms=int(time.time() * 1000))
            for tag, value in wanted.items():
                if value is None:
                    client.delete_experiment_tag(experiment_id, tag)
                else:
                    client.set_experiment_tag(experiment_id, tag, value)
            self.key = key
        except failures() as error:
            if not self._said:
                what = redact_text(str(error).partition("\n")[0])[:300]
                _log.warning(
                    "MLflow: the prepared comparison could not be written: %s. All else goes on; it is written again"
                    " with the next results and at the end of the launch. Its link is shown once it is there.",
                    what,
                )
            self._said = True
            return False
        return True


def fitting_state(
    name: str,
    parent_id: str,
    objectives: Sequence[str],
    settings: ComparedSettings,
    *,
    task: TaskSettings,
    metrics: Collection[str],
    compared: ComparedRows | None = None,
) -> State:
    """The state with as many of the searched settings as MLflow's bound allows: `comparison_state` says the rest."""
    settings = settings.first(MOST_SETTINGS)
    while True:
        state = comparison_state(parent_id, objectives, settings, task=task, metrics=metrics, compared=compared)
        if not settings.names() or len(_packed(name, state, created_ms=0, now_ms=0)) < _LONGEST - 100:
            return state
        settings = settings.first(len(settings.names()) // 2)


def wanted_tags(
    tags: Mapping[str, str], experiment_id: str, *, key: str, name: str, state: State, now_ms: int
) -> dict[str, str | None]:
    """The tags of an experiment that are to change, and to what; none is to be deleted.

    Args:
        tags: As they are.
        experiment_id: The experiment's.
        key: The view's.
        name: The sweep's.
        state: The page's.
        now_ms: Milliseconds since 1970.

    """
    views = {tag.removeprefix(VIEW): _envelope(value) for tag, value in tags.items() if tag.startswith(VIEW)}
    known = views.pop(key, {})
    dropped = _too_many(views)
    changes: dict[str, str | None] = {VIEW + old: None for old in dropped}
    if _state_in(known) != state:
        changes[VIEW + key] = _packed(name, state, created_ms=known.get("createdAt", now_ms), now_ms=now_ms)
    before = tags.get(DESCRIPTION, "")
    link = comparison_path(experiment_id, key).removeprefix("/")
    after = _described(before, f"- [{name}: prepared comparison]({link})", key=key)
    for old in dropped:
        after = "\n".join(line for line in after.split("\n") if f"={old}&" not in line)
    if after != before and len(after) <= _LONGEST:
        changes[DESCRIPTION] = after
    return changes


def _described(text: str, line: str, *, key: str) -> str:
    """A description with the line of a view; what people have written stays."""
    lines = text.rstrip().split("\n")
    for number, known in enumerate(lines):
        if f"={key}&" in known:
            return "\n".join([*lines[:number], line, *lines[number + 1 :]])
    if lines == [""]:
        return line
    # A list begins after an empty line.
    gap = "\n" if lines[-1].startswith("- ") else "\n\n"
    return "\n".join(lines) + gap + line


def _too_many(views: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The oldest of our other views, where there are so many that none could be saved by hand any more."""
    ours = sorted((key for key in views if key.startswith(_OURS)), key=lambda key: views[key].get("updatedAt", 0))
    room = min(_MOST_OURS, _MOST_VIEWS - 1 - (len(views) - len(ours))) - 1
    return ours[: max(0, len(ours) - max(0, room))]


def _packed(name: str, state: State, *, created_ms: int, now_ms: int) -> str:
    text = _COMPRESSED + base64.b64encode(zlib.compress(json.dumps(state).encode(), 9)).decode()
    return json.dumps({"name": name, "createdAt": created_ms, "updatedAt": now_ms, "state": text})


def _envelope(value: str) -> dict[str, Any]:
    """What a view's tag says of it; nothing where it is in another form."""
    try:
        parsed = json.loads(value)
    except json.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _state_in(envelope: Mapping[str, Any]) -> State | None:
    text = envelope.get("state")
    if not isinstance(text, str) or not text.startswith(_COMPRESSED):
        return None
    try:
        state = json.loads(zlib.decompress(base64.b64decode(text.removeprefix(_COMPRESSED))))
    except (ValueError, zlib.error):
        return None
    return state if isinstance(state, dict) else None
