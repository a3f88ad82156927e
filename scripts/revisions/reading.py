"""Reads the results of a story from files and MLflow: nothing of a clock, a machine or a version.

No module of the project is imported, and no directory but the trials' and sweeps' own is known by its name: so the same
reader serves revisions that keep their things elsewhere.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

if TYPE_CHECKING:
    from mlflow.entities import Run

Facts = dict[str, str]
"""What is known of a thing: a dotted key → how its value is written, by which its bits can be told."""

SETTINGS = "settings"
"""Ends the names of the things that may get new keys with a new revision: what users may set."""

_MEASURED = ("time/", "throughput/", "cost/", "cpu/", "gpu/", "system/", "trial/", "version/")
_LEFT_OUT = {
    *("time_ms", "crc", "directory", "sweep_id", "host", "versions", "git_commit", "commit", "code", "processor"),
    "table_markdown",
}
_TAGS_LEFT_OUT = {
    *("mlflow.user", "mlflow.source.git.commit", "mlflow.parentRunId", "mlflow.note.content"),
    # Of files that hold times.
    *("mlflow.intelligen.leaderboard", "mlflow.intelligen.plots", "mlflow.intelligen.report"),
}


def things_in(place: Path, *, made_in: Path | None = None) -> dict[str, Facts]:
    """Name → facts of everything that a story has left in its working directory.

    Args:
        place: The directory.
        made_in: Where the story was run, if not there: such paths are no difference.

    """
    home = str(made_in or place)
    return {
        thing: {key: text.replace(home, "…") for key, text in facts.items()}
        for thing, facts in _all_things(place).items()
    }


def _all_things(place: Path) -> dict[str, Facts]:
    things: dict[str, Facts] = {}
    for manifest in sorted(place.rglob("manifest.json")):
        things[f"prepared data {manifest.parent.name}"] = dict(_files(manifest.parent, leave_out=manifest.name))
    for ledger in sorted(place.rglob("ledger.jsonl")):
        things |= _ledger(ledger)
    for history in sorted(place.rglob("history.jsonl"), key=lambda path: _trial_name(path.parent)):
        things |= _trial(history.parent)
    return things | dict(_mlflow(place / "mlflow.db"))


def facts_of(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of a document below its dotted key; tensors by their content."""
    match value:
        case Mapping():
            for name, inner in value.items():
                if str(name) not in _LEFT_OUT and not str(name).startswith(_MEASURED):
                    yield from facts_of(inner, f"{key}.{name}" if key else str(name))
        case list() | tuple():
            yield f"{key}.length", str(len(value))
            for index, inner in enumerate(value):
                yield from facts_of(inner, f"{key}.{index}")
        case torch.Tensor():
            content = value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
            digest = hashlib.sha256(content).hexdigest()
            yield key, f"{value.dtype} {tuple(value.shape)} sha256 {digest[:16]}"
        case "ran its course":  # what earlier revisions write for it
            yield key, repr("finished")
        case _:
            yield key, repr(value)


def _ledger(path: Path) -> Iterator[tuple[str, Facts]]:
    """The settings that it begins with, and each event after it."""
    opening, *events = _lines(path)
    settings: Facts = dict(facts_of(opening))
    decisions: Facts = {"events": str(len(events))}
    order = 1
    for event in events:
        trial = event.get("trial")
        if isinstance(trial, dict):
            settings |= facts_of(trial.pop("config"), f"{trial['id']}.config")
            trial["row"] = trial.pop("strategy", trial.get("row"))  # its name in earlier revisions
        del event["seq"]
        # Test sets are decoded at the same time: which is scored first is left to chance.
        scored = event["event"] == "score"
        decisions |= facts_of(event, f"score of {event['id']}" if scored else f"event {order}")
        order += not scored
    yield f"{path.parent.name} {SETTINGS}", settings
    yield f"{path.parent.name} decisions", decisions


def _trial(directory: Path) -> Iterator[tuple[str, Facts]]:
    name = _trial_name(directory)
    epochs = {f"epoch {report['epoch']}": report for report in _lines(directory / "history.jsonl")}
    yield f"{name} losses and scores", dict(facts_of({**epochs, "result": _document(directory / "result.json")}))
    circumstances = {path.stem: _document(path) for path in sorted(directory.glob("lock*.json"))}
    yield f"{name} {SETTINGS}", dict(facts_of({"trial": _document(directory / "trial.json"), **circumstances}))
    weights: Facts = {}
    for path in sorted((*directory.rglob("*.safetensors"), *directory.rglob("training.pt"))):
        content = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
        weights |= facts_of(content, str(path.relative_to(directory)))
    yield f"{name} weights and optimizer", weights
    hypotheses = {path.stem: _document(path) for path in sorted(directory.rglob("scores/*.json"))}
    if hypotheses:
        yield f"{name} hypotheses", dict(facts_of(hypotheses))


def _trial_name(directory: Path) -> str:
    """`golden-asha t0001`; a baseline, which belongs to no sweep, by its seed."""
    sweeps = [parent.name for parent in directory.parents if (parent / "ledger.jsonl").exists()]
    if sweeps:
        return f"{sweeps[0]} {directory.name}"
    return f"baseline of seed {json.loads((directory / 'trial.json').read_text(encoding='utf-8'))['seed']}"


def _mlflow(database: Path) -> Iterator[tuple[str, Facts]]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{database}")
    experiments = [one.experiment_id for one in client.search_experiments()]
    runs = list(client.search_runs(experiments, max_results=10_000))
    names = {run.info.run_id: run.info.run_name for run in runs}
    points = _metrics(database)
    for run in sorted(runs, key=lambda run: _run_name(run, names)):
        tags = {key: text for key, text in run.data.tags.items() if key not in _TAGS_LEFT_OUT}
        rows = {"status": run.info.status, **dict(facts_of(tags, "tag")), **points.get(run.info.run_id, {})}
        yield f"MLflow {_run_name(run, names)} rows", rows
        yield f"MLflow {_run_name(run, names)} {SETTINGS}", dict(facts_of(run.data.params))


def _run_name(run: "Run", names: Mapping[str, str]) -> str:
    parent = run.data.tags.get("mlflow.parentRunId")
    return " ".join([*([names[parent]] if parent else []), run.info.run_name])


def _metrics(database: Path) -> dict[str, Facts]:
    """Run → its metrics. The client asks for each metric of each run apart, which takes a minute."""
    found: dict[str, Facts] = {}
    with closing(sqlite3.connect(database)) as store:
        query = "select run_uuid, key, step, value from metrics order by run_uuid, key, step"
        for run, key, step, value in store.execute(query):
            if not key.startswith(_MEASURED):
                found.setdefault(run, {})[f"{key} at step {step}"] = repr(value)
    return found


def _files(directory: Path, *, leave_out: str) -> Iterator[tuple[str, str]]:
    for path in sorted(directory.iterdir()):
        if path.name != leave_out:
            yield path.name, hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _lines(path: Path) -> Sequence[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _document(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
