"""The sweep's own run in MLflow has the scores of its best row, by the metrics of the sweep's task."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mirrored import MEASURED, mlflow_store, sync_afresh  # noqa: F401  # one is a fixture, under another name
from mlflow.entities import Run

from intelligen.state.history import History, Report
from intelligen.state.ledger import Ledger
from intelligen.state.mlflow_run_ids import read_run_ids
from intelligen.state.trial_records import SweepStatus, TrialState
from intelligen.tracking.mlflow_store import open_client

VARIANTS = {"variants": {"control": "base", "of": {"base": {}, "wide": {"model.d_model": 32}}}}


def sweep_of(directory: Path, task: str, *, metric: str, rows: Mapping[str, Any] | None) -> Path:
    fingerprint = {
        "sweep_id": directory.name,
        "sweep": {"name": "tiny", "question": "?", "objective": {"metric": metric}},
        "prepared": "d1ge57",
        "experiment": {
            "seed": 1,
            "name": "reviews",
            "task": {"name": task},
            "data": {"corpus": {"name": "embedded", "seed": 1}},
        },
    }
    if rows is not None:
        fingerprint["sweep"]["rows"] = rows
    Ledger.open(directory, fingerprint).close()
    return directory


def trial(ledger: Ledger, sweep: Path, name: str, row: str, valid: Mapping[str, float], **scores: float) -> None:
    directory = f"trials/{name}"
    strategy = {"strategy": {"name": "standard"}}
    ledger.start(name, kind="trial", row=row, seed=1, params={}, config=strategy, directory=directory, number=0)
    (sweep / directory).mkdir(parents=True)
    metrics = {**{f"valid/{score}": value for score, value in valid.items()}, **MEASURED}
    History(sweep / directory).append(
        Report(epoch=1, update=50, target_tokens=9000, time_ms=1, metrics=metrics, tags={}, samples=())
    )
    ledger.finish(name, TrialState.COMPLETE)
    if scores:
        ledger.score(name, {f"test/{score}": value for score, value in scores.items()})


def parent(store: Path, sweep: Path) -> Run:
    sync_afresh(store, sweep)
    sync_afresh(store, sweep)
    return open_client(f"sqlite:///{store}").get_run(read_run_ids(sweep).sweep)


def test_the_run_of_a_sweep_has_the_scores_of_the_row_that_validation_prefers(store: Path, tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, "classification", metric="valid/accuracy", rows=VARIANTS)
    with Ledger.open(sweep, {}) as ledger:
        # The test set prefers the other.
        trial(ledger, sweep, "t0000", "base", {"accuracy": 70.0, "macro_f1": 69.0, "loss": 0.6}, accuracy=90.0)
        trial(ledger, sweep, "t0001", "wide", {"accuracy": 80.0, "macro_f1": 79.0, "loss": 0.5}, accuracy=75.0)
        ledger.close_sweep(
            SweepStatus.COMPLETE,
            {
                "best/base/test/accuracy": 90.0,
                "best/wide/test/accuracy": 75.0,
                "best/wide/test/macro_f1": 74.0,
                "best/wide/test/loss": 0.55,
            },
        )
    run = parent(store, sweep)
    assert run.data.metrics == {
        "selected/valid/accuracy": 80.0,
        "selected/valid/macro_f1": 79.0,
        "test/accuracy": 75.0,
        "test/macro_f1": 74.0,
    }
    assert (run.data.tags["best_row"], run.data.tags["best_trial"]) == ("wide", "t0001")
    # A later launch may find a better one.
    with Ledger.open(sweep, {}) as ledger:
        trial(ledger, sweep, "t0002", "base", {"accuracy": 85.0, "macro_f1": 84.0, "loss": 0.4})
        summary = {"best/base/test/accuracy": 91.0, "confirmed/base/test/accuracy": 88.0}
        ledger.close_sweep(SweepStatus.COMPLETE, summary)
    run = parent(store, sweep)
    assert run.data.metrics["selected/valid/accuracy"] == 85.0
    # Over seeds, where the row was trained with several.
    assert run.data.metrics["test/accuracy"] == 88.0
    assert run.data.tags["best_row"] == "base"


def test_less_perplexity_leads_and_data_without_a_test_set_have_validation_scores(store: Path, tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, "language_modelling", metric="valid/perplexity", rows=VARIANTS)
    with Ledger.open(sweep, {}) as ledger:
        trial(ledger, sweep, "t0000", "base", {"perplexity": 30.0})
        trial(ledger, sweep, "t0001", "wide", {"perplexity": 20.0})
        ledger.close_sweep(SweepStatus.COMPLETE, {})
    assert parent(store, sweep).data.metrics == {"selected/valid/perplexity": 20.0}


@pytest.mark.parametrize(
    ("task", "metric", "rows", "found"),
    [
        ("translation", "valid/bleu", None, {}),
        ("translation", "valid/bleu", VARIANTS, {"selected/valid/bleu": 20.0}),
        ("classification", "valid/accuracy", None, {"selected/valid/accuracy": 20.0}),
    ],
)
def test_strategies_of_translation_have_them_in_their_file_of_scores_alone(
    store: Path, tmp_path: Path, task: str, metric: str, rows: Mapping[str, Any] | None, found: dict[str, float]
) -> None:
    sweep = sweep_of(tmp_path, task, metric=metric, rows=rows)
    with Ledger.open(sweep, {}) as ledger:
        score = metric.removeprefix("valid/")
        trial(ledger, sweep, "t0000", "base" if rows else "standard", {score: 20.0, "loss": 1.0})
        ledger.close_sweep(SweepStatus.COMPLETE, {})
    assert parent(store, sweep).data.metrics == found
