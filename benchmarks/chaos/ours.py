"""Our side of the killing: a small sweep in an empty directory, and what it left behind."""

import json
import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chaos.moments import Moment
from chaos.story import MEASURED, Row, Story, Value, params_key, weights_hash
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from safetensors.torch import load_file

from intelligen.state import layout
from intelligen.state.history import HISTORY_FILE, Report, read_history
from intelligen.state.ledger import read_ledger
from intelligen.state.trial_records import SHARED, TrialRecord, TrialState
from intelligen.state.trial_result import RESULT, SELECTED, read_result
from intelligen.tracking.mlflow_mapping import report_metrics, summary_metrics
from intelligen.training.checkpoint import Checkpoints

LAUNCH = Path(__file__).parents[2] / "launch.py"
DYING = Path(__file__).with_name("dying.py")
UNENDED = "select count(*) from runs where status = 'RUNNING' and lifecycle_stage = 'active'"
DESCRIBED = {
    "status": "select status from runs where run_uuid = ?",
    "reason": "select value from tags where run_uuid = ? and key = 'stop_reason'",
    "parameters": "select key, value from params where run_uuid = ? order by key",
}


class Ours:
    """One sweep of the platform.

    Args:
        directory: Its own, empty.
        files: Name → text; `sweep.yaml` is a sweep of the name `kills`.

    """

    def __init__(self, directory: Path, files: Mapping[str, str]) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (directory / name).write_text(text)
        self.sweep = layout.sweep(directory / "runs", "kills")

    def command(self, moment: Moment | None) -> list[str]:
        """The same every time, but for a moment at which the launcher is to kill itself."""
        launch = [str(LAUNCH), "sweep.yaml", "--local"]
        dying = [str(DYING), json.dumps(asdict(moment))] if moment is not None and moment.is_own else []
        return [sys.executable, *dying, *launch]

    def reports(self) -> int:
        """Epochs that stand in histories."""
        return sum(map(_lines, self._histories()))

    def has_reached(self, moment: Moment) -> bool:
        """Whether the course has come to a moment that the launcher does not find by itself."""
        if moment.is_own:
            return False
        path, _, line = moment.of.partition(":")
        match moment.where:
            case "checkpoint":
                final = self.sweep / path
                return final.exists() or final.with_name(f".{final.name}.partial").exists()
            case "history":
                return _lines(self.sweep / path) >= int(line)
        return self.reports() >= moment.reports

    def training_pid(self) -> int | None:
        """The process that trains now, by the log of the running trial."""
        if not (self.sweep / layout.LEDGER_FILE).exists():
            return None
        for record in read_ledger(self.sweep)[1].values():
            log = self.sweep / record.directory / "trial.log"
            if record.state is TrialState.RUNNING and log.exists():
                begun = re.findall(r" as process (\d+),", log.read_text(encoding="utf-8"))
                return int(begun[-1]) if begun else None
        return None

    def story(self) -> Story:
        """What the sweep left behind."""
        _, records, ended = read_ledger(self.sweep)
        keys = {name: _key(record) for name, record in records.items()}
        details: dict[str, Any] = {"sweep": ended and ended.status, **self._study()}
        weights, epochs = {}, Counter[tuple[str, int]]()
        for name, record in records.items():
            weights[keys[name]] = self._weights(record)
            details |= {f"{name} {what}": value for what, value in self._trial(record).items()}
            log = (self.sweep / record.directory / "trial.log").read_text(encoding="utf-8")
            epochs.update((keys[name], int(epoch)) for epoch in re.findall(r" epoch (\d+)  update ", log))
        with closing(sqlite3.connect(self.directory / "mlflow.db")) as database:
            runs = self._runs(database)
            values = {name: _values(database, [run for run, of in runs.items() if of == name]) for name in records}
            details |= _described(database, runs)
            (unended,) = database.execute(UNENDED).fetchone()
        faults = [f"trained {times} times: {key}" for key, times in epochs.items() if times > 1]
        faults += [f"MLflow shows {unended} runs as RUNNING"] * bool(unended)
        return Story(
            trials=Counter(keys.values()),
            weights=weights,
            runs=Counter(keys.get(name, name) for name in runs.values()),
            unended=unended,
            rows=Counter(_rows(values, keys)),
            epochs=epochs,
            details=details,
            faults=[*faults, *self._disagreements(records, values)],
        )

    def _histories(self) -> list[Path]:
        runs = self.directory / "runs"
        return [*runs.glob(f"baselines/*/{HISTORY_FILE}"), *self.sweep.glob(f"trials/*/{HISTORY_FILE}")]

    def _history(self, record: TrialRecord) -> list[Report]:
        return read_history(self.sweep / record.directory / HISTORY_FILE)

    def _weights(self, record: TrialRecord) -> str:
        directory = self.sweep / record.directory
        checkpoints = Checkpoints(directory)
        latest = checkpoints.latest()
        if latest is None:
            return "none"
        updates = (latest.update, latest.meta["best_update"])
        files = [checkpoints.weights(update) for update in updates if update]
        files += [directory / SELECTED] * (directory / SELECTED).exists()
        return weights_hash(*map(load_file, files))

    def _trial(self, record: TrialRecord) -> dict[str, Any]:
        result = self.sweep / record.directory / RESULT
        return {
            "ledger": (record.state, record.stop_reason, dict(record.params), dict(record.config)),
            "scores": _unmeasured(record.scores),
            "result": result.read_text(encoding="utf-8") if result.exists() else None,
            "history": [
                (report.epoch, report.update, report.target_tokens, _unmeasured(report.metrics), report.samples)
                for report in self._history(record)
            ],
        }

    def _study(self) -> dict[str, Any]:
        storage = JournalStorage(JournalFileBackend(str(self.sweep / "study.journal")))
        return {
            f"Optuna's trial {trial.number}": (trial.state, trial.values, trial.params, trial.intermediate_values)
            for study in storage.get_all_studies()
            for trial in storage.get_all_trials(study._study_id)
        }

    def _runs(self, database: sqlite3.Connection) -> dict[str, str]:
        """Run → its trial in the ledger, or `sweep`; without those in MLflow's bin."""
        query = (
            "select runs.run_uuid, tags.value from runs left join tags on tags.run_uuid = runs.run_uuid"
            " and tags.key = 'trial_id' where lifecycle_stage = 'active'"
        )
        return {run: name or "sweep" for run, name in database.execute(query)}

    def _disagreements(self, records: dict[str, TrialRecord], values: Mapping[str, list[Value]]) -> Iterator[str]:
        """Whatever MLflow lacks of the trials' own files or has more than once, measured times included."""
        for name, record in records.items():
            told = [
                (metric, report.update, value)
                for report in self._history(record)
                for metric, value in report_metrics(record, report).items()
            ]
            scored = [(metric, 0, value) for metric, value in record.scores.items()]
            reports, result = self._history(record), read_result(self.sweep / record.directory)
            came_to = summary_metrics(record, reports, result, metric="valid/loss")
            told += [(metric, reports[-1].update, value) for metric, value in came_to.items()]
            stands, due = Counter(values[name]), Counter(told + scored)
            if stands != due:
                yield f"{name}: MLflow has too much: {stands - due}, and lacks: {due - stands}"


def _values(database: sqlite3.Connection, runs: list[str]) -> list[Value]:
    query = "select key, step, value from metrics where run_uuid = ?"
    return [value for run in runs for value in database.execute(query, [run])]


def _described(database: sqlite3.Connection, runs: dict[str, str]) -> dict[str, Any]:
    """Status, reason and parameters of every run."""
    found: dict[str, Any] = {}
    for run, name in runs.items():
        for what, query in DESCRIBED.items():
            found[f"{name} in MLflow: {what}"] = database.execute(query, [run]).fetchall()
    return found


def _rows(values: Mapping[str, list[Value]], keys: Mapping[str, str]) -> list[Row]:
    return [(keys[name], *value) for name, own in values.items() for value in own if not value[0].startswith(MEASURED)]


def _key(record: TrialRecord) -> str:
    return record.id if record.kind in SHARED else params_key(record.params)


def _unmeasured(metrics: Any) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if not name.startswith(MEASURED)}


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
