"""A sweep that the first release began goes on: its files, its study and its trained models are found and used.

`tests/golden/earlier_sweep.tar.gz` was written by revision 6fbe00f: two trials, no files of MLflow or Tune.
"""

import contextlib
import json
import shutil
import sqlite3
import tarfile
from collections.abc import Mapping
from pathlib import Path

import optuna
import pytest
from conftest import REPOSITORY
from in_this_process import run_here

from intelligen.analysis.result_rows import result_rows
from intelligen.analysis.study import read_study
from intelligen.config.schema.data import FilesCorpus
from intelligen.config.schema.split_forms import ParallelText
from intelligen.data.preparation import prepare
from intelligen.errors import DataError, StorageError
from intelligen.reporting.terminal.progress_bars import counting
from intelligen.state.ledger import read_ledger
from intelligen.state.trial_records import TrialRecord
from intelligen.sweep.fingerprint import require_unchanged, sweep_fingerprint
from intelligen.sweep.launch_request import request_of_directory
from intelligen.tracking.mlflow_run_writer import create_run
from intelligen.tracking.mlflow_store import ensure_store, open_client
from intelligen.training.reproducibility_manifest import require_same_data
from intelligen.training.scores_file import read_scores

ARCHIVE = REPOSITORY / "tests" / "golden" / "earlier_sweep.tar.gz"


def test_a_sweep_of_the_first_release_goes_on_and_trains_nothing_again(tmp_path: Path) -> None:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    sweep = tmp_path / "runs" / "sweeps" / "earlier"
    kept = [path for path in tmp_path.glob("runs/**/*") if path.name in ("history.jsonl", "selected.safetensors")]
    before = {path: path.read_bytes() for path in kept}
    store = f"sqlite:///{tmp_path}/mlflow.db"
    launch = ("run", "sweep.yaml", "-o", "budget.trials=3", "--tracking-uri", store)
    launched = run_here(*launch, directory=tmp_path, merged=True)
    assert launched.returncode == 0, launched.stdout
    trials = read_ledger(sweep)[1]
    assert [name for name, record in trials.items() if record.kind == "trial"] == ["t0000", "t0001", "t0002"]
    assert len(list((tmp_path / "runs" / "baselines").iterdir())) == 1
    assert len(before) == 6
    assert {path: path.read_bytes() for path in kept} == before
    require_one_interval_of_each_score(tmp_path, trials)


def test_a_sweep_of_the_first_release_finds_its_data_from_any_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # its ledger names the folder `corpus`
    sweep = tmp_path / "runs" / "sweeps" / "earlier"
    request = request_of_directory(sweep, (), tracking_uri=None)
    prepared = request.prepare(counting)
    again = prepare(
        request.experiment.data.model_copy(update={"corpus": corpus_in(tmp_path)}),
        tmp_path / "again",
        columns=request.experiment.task.columns,
    )
    for trial in (*sweep.glob("trials/t*"), *(tmp_path / "runs" / "baselines").iterdir()):
        require_same_data(trial, prepared.shared)
        require_same_data(trial, again)  # what is prepared again is what the first release prepared
    now = sweep_fingerprint(request.sweep, request.experiment, data=prepared.identities())
    require_unchanged(read_ledger(sweep)[0], now, sweep)
    shutil.rmtree(prepared.shared.directory)
    with pytest.raises(DataError, match=r"elsewhere/corpus: no such folder; .*-o experiment\.data\.corpus\.folder="):
        request.prepare(counting)


def test_databases_that_the_first_release_named_relatively_are_found_or_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    sweep, elsewhere = tmp_path / "runs" / "sweeps" / "earlier", tmp_path / "else where"
    elsewhere.mkdir()
    launch = json.loads((sweep / "launch.json").read_text())
    launch["sweep"]["search"]["storage"], launch["tracking_uri"] = "sqlite:///study.db", "sqlite:///mlflow.db"
    (sweep / "launch.json").write_text(json.dumps(launch))
    sweep_id = read_ledger(sweep)[0]["sweep_id"]
    study, store = f"sqlite:///{tmp_path}/study.db", f"sqlite:///{tmp_path}/mlflow.db"
    optuna.create_study(storage=study, study_name=f"earlier-{sweep_id}")
    client = open_client(store)
    create_run(client, ensure_store(store, "tiny"), name="earlier", start_ms=1, tags={"sweep_id": sweep_id})
    monkeypatch.chdir(elsewhere)
    for name in ("study.db", "mlflow.db"):
        (elsewhere / name).touch()  # another sweep's
    request = request_of_directory(sweep, (), tracking_uri=None)
    assert (request.sweep.search.storage, request.tracking_uri) == (study, store)
    for name in ("study.db", "mlflow.db"):
        (tmp_path / name).unlink()
    lost = "of the directory in which it was launched, and in none of"
    with pytest.raises(StorageError, match=lost) as no_study:
        request_of_directory(sweep, (), tracking_uri=None)
    override = str(no_study.value).rpartition(": -o ")[2]
    with pytest.raises(StorageError, match=lost) as no_runs:
        request_of_directory(sweep, (override,), tracking_uri=None)
    typed = str(no_runs.value).rpartition(": --tracking-uri ")[2]
    request = request_of_directory(sweep, (override,), tracking_uri=typed)
    assert (request.sweep.search.storage, request.tracking_uri) == (study, store)


def test_what_has_finished_is_shown_again_though_its_cluster_is_gone(tmp_path: Path) -> None:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    launch = ("run", "sweep.yaml", "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db")
    gone = {"RAY_ADDRESS": "127.0.0.1:9", "INTELLIGEN_LOCAL": "0"}
    for more, code, line in (
        ([], 0, "table    "),
        (["-o", "budget.trials=3"], 69, "error: cannot join the Ray cluster at 127.0.0.1:9 (RAY_ADDRESS names it)"),
    ):
        launched = run_here(*launch, *more, directory=tmp_path, environment=gone, merged=True)
        assert launched.returncode == code, launched.stdout
        assert line in launched.stdout


def corpus_in(project: Path) -> FilesCorpus:
    files = {split: ParallelText(source=f"{split}.en", target=f"{split}.de") for split in ("train", "valid", "test")}
    return FilesCorpus(folder=str(project / "corpus"), splits=files)


def require_one_interval_of_each_score(project: Path, trials: Mapping[str, TrialRecord]) -> None:
    """In its file, the ledger, the table, MLflow and the report, though another was recorded at first."""
    sweep = project / "runs" / "sweeps" / "earlier"
    means = {row.score.trials[0]: row.score.mean for row in result_rows(read_study(sweep, store=project / "runs"))}
    with contextlib.closing(sqlite3.connect(project / "mlflow.db")) as store:
        query = "select m.value from latest_metrics m join tags t using (run_uuid) where t.value = ? and m.key = ?"
        shown = {
            (name, bound): store.execute(query, (name, f"test/bleu_{bound}")).fetchone()[0]
            for name in means
            for bound in ("low", "high")
        }
    assert means.keys() >= {"baseline-1", "t0000"}
    assert trials["t0000"].scores["test/bleu_high"] > 2.3  # 6fbe00f wrote 2.28
    for name, interval in means.items():
        record = trials[name]
        scores = read_scores(sweep / record.directory / "scores" / "test-beam.json")
        assert scores.intervals["bleu"] == interval
        for bound in ("low", "high"):
            value = getattr(interval, bound)
            assert record.scores[f"test/bleu_{bound}"] == scores.metrics[f"test/bleu_{bound}"] == value
            assert shown[name, bound] == value
        assert f"[{interval.low:.2f}, {interval.high:.2f}]" in (sweep / "table.md").read_text()
