"""Parts of the mirror's tests: a real SQLite store, a sweep's files, and a view of what MLflow holds."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from empty_store import write_empty_store
from mlflow.entities import Run

from intelligen.state.history import History, Report, ValidationSample
from intelligen.state.ledger import Ledger
from intelligen.state.trial_records import TrialState
from intelligen.tracking.mlflow_mirror import MlflowMirror
from intelligen.tracking.mlflow_store import ensure_store

EXPERIMENT = "behaviour"
MEASURED = {
    "gpu/count": 0.0,
    "cpu/memory_avg_mib": 300.0,
    "cpu/memory_peak_mib": 400.0,
    "time/epoch_s": 2.0,
    "cost/device_s": 3.0,
}
EPOCH_ROWS = len(("valid/bleu", "valid/loss", *MEASURED)) + 2 + 3
"""What stands in MLflow of an epoch: two figures of the machine are `system/…` too, three say how far it is."""
SUMMARY_ROWS = 2 + 4
"""Of a trial that has ended and did not fail: `selected/…` and `trial/…`."""
SMALL_SWEEP_ROWS = 4 * EPOCH_ROWS + 2 * SUMMARY_ROWS


@pytest.fixture(scope="module", name="store")
def mlflow_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("store with space") / "mlflow.db"
    write_empty_store(database)
    ensure_store(f"sqlite:///{database}", EXPERIMENT)
    return database


@pytest.fixture(name="sweep")
def sweep_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "sweep"
    fingerprint = {
        "sweep_id": tmp_path.name,
        "sweep": {
            "name": "quick",
            "question": "Which strategy wins?",
            "objective": {"metric": "valid/bleu", "direction": "maximize"},
        },
        "prepared": "d1ge57",
        "experiment": {"name": "multi30k", "seed": 1, "data": {"corpus": {"name": "embedded", "seed": 1}}},
        "git_commit": "0123abc",
        "host": "node1",
        "versions": {"torch": "2.13.0"},
    }
    Ledger.open(directory, fingerprint).close()
    return directory


class Store:
    """What one sweep's runs hold, read past MLflow's own client."""

    def __init__(self, database: Path, sweep_id: str) -> None:
        self._connection = sqlite3.connect(database)
        self._sweep_id = sweep_id

    def rows(self, query: str) -> list[Any]:
        mine = f"(SELECT run_uuid FROM tags WHERE key = 'sweep_id' AND value = '{self._sweep_id}')"  # noqa: S608
        return self._connection.execute(query.replace(":mine", mine)).fetchall()

    def metrics(self) -> list[Any]:
        return self.rows(
            "SELECT run_uuid, key, step, value, timestamp FROM metrics WHERE run_uuid IN :mine ORDER BY 1, 2, 3, 4, 5"
        )

    def run_ids(self) -> dict[str, str]:
        """Trial id → run id; asserts that no trial has two."""
        pairs = self.rows("SELECT value, run_uuid FROM tags WHERE key = 'trial_id' AND run_uuid IN :mine")
        assert len(pairs) == len(dict(pairs)), "a trial has two runs"
        return dict(pairs)

    def statuses(self) -> dict[str, str]:
        names = {run_id: trial_id for trial_id, run_id in self.run_ids().items()}
        pairs = self.rows("SELECT run_uuid, status FROM runs WHERE run_uuid IN :mine")
        return {names.get(run_id, "sweep"): status for run_id, status in pairs}


@pytest.fixture(name="shown")
def shown_runs(store: Path, sweep: Path) -> Iterator[Store]:
    view = Store(store, sweep.parent.name)
    yield view
    view._connection.close()


def start(ledger: Ledger, trial_id: str, *, kind: Any = "trial", **config: Any) -> None:
    ledger.start(
        trial_id,
        kind=kind,
        row="generative",
        seed=7,
        params={"finetuning.optimizer.learning_rate": 1e-4},
        config={"experiment": "multi30k", "prepared": "d1ge57", "model": {"heads": 8}, **config},
        directory=f"trials/{trial_id}",
        number=0,
    )


def add_epoch(sweep: Path, trial_id: str, epoch: int, **metrics: float) -> Report:
    directory = sweep / "trials" / trial_id
    directory.mkdir(parents=True, exist_ok=True)
    report = Report(
        epoch=epoch,
        update=50 * epoch,
        target_tokens=9000 * epoch,
        time_ms=1_700_000_000_000 + epoch,
        metrics={"valid/bleu": 10.0 * epoch, "valid/loss": 1 / epoch, **MEASURED, **metrics},
        tags={"bleu_signature": "nrefs:1|case:mixed"},
        samples=(ValidationSample("a dog", f"ein Hund {epoch}", "ein Hund"),),
    )
    History(directory).append(report)
    return report


def mirror(store: Path, sweep: Path) -> MlflowMirror:
    return MlflowMirror(sweep, tracking_uri=f"sqlite:///{store}", experiment=EXPERIMENT, interval_s=0.05)


def sync_afresh(store: Path, sweep: Path) -> None:
    """As a new process would: it remembers nothing."""
    fresh = mirror(store, sweep)
    fresh.sync()
    assert fresh.close(60)


def small_sweep(sweep: Path) -> None:
    with Ledger.open(sweep, {}) as ledger:
        start(ledger, "baseline-1", kind="baseline")
        add_epoch(sweep, "baseline-1", 1)
        ledger.finish("baseline-1", TrialState.COMPLETE)
        for number, state in enumerate([TrialState.PRUNED, TrialState.FAILED, None]):
            start(ledger, f"t{number:04d}")
            add_epoch(sweep, f"t{number:04d}", 1)
            if state is not None:
                ledger.finish(f"t{number:04d}", state, f"why {state}")


def artifact(run: Run, path: str) -> str:
    """Its text, read where the store has put it."""
    return Path(unquote(urlsplit(run.info.artifact_uri).path), path).read_text()
