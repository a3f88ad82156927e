"""What a report says can be looked up in MLflow: which run shows which trial, and the hypotheses of its scores."""

from pathlib import Path

import pytest
from mirrored import (  # noqa: F401  # three are fixtures, under other names
    Store,
    artifact,
    mirror,
    mlflow_store,
    shown_runs,
    small_sweep,
    start,
    sweep_directory,
)

from intelligen.errors import StorageError
from intelligen.state.ledger import Ledger
from intelligen.state.mlflow_run_ids import RUN_IDS_FILE, RunIds, read_run_ids
from intelligen.tracking.mlflow_store import open_client


def test_hypotheses_stand_beside_their_scores_and_the_runs_are_written_down(
    store: Path, sweep: Path, shown: Store
) -> None:
    small_sweep(sweep)
    folder = sweep / "trials" / "t0000" / "scores"
    folder.mkdir()
    (folder / "test-beam.json").write_text('{"hypotheses": ["ein Hund"]}')
    patient = mirror(store, sweep)
    patient.sync()
    client, known = open_client(f"sqlite:///{store}"), read_run_ids(sweep)
    assert known.trials == shown.run_ids()
    assert client.get_run(known.sweep).data.tags["kind"] == "sweep"
    assert client.get_run(known.sweep).info.experiment_id == known.experiment
    assert client.list_artifacts(known.trials["t0000"], "scores") == []
    with Ledger.open(sweep, {}) as ledger:
        ledger.score("t0000", {"test/bleu": 33.3})
        start(ledger, "t0003")
    patient.sync()
    assert patient.close(60)
    assert artifact(client.get_run(known.trials["t0000"]), "scores/test-beam.json") == '{"hypotheses": ["ein Hund"]}'
    assert read_run_ids(sweep).trials == shown.run_ids()
    assert "t0003" in read_run_ids(sweep).trials


def test_run_ids_that_cannot_be_read_are_one_line(sweep: Path) -> None:
    assert read_run_ids(sweep) == RunIds()
    (sweep / RUN_IDS_FILE).write_text('{"experiment": ')
    with pytest.raises(StorageError, match=r"mlflow\.json: damaged .* delete it"):
        read_run_ids(sweep)
