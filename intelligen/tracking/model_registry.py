"""Model registry: a promoted model is one version of a registered MLflow model, under an alias."""

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from intelligen.analysis.conclusion import conclusion_of, winners
from intelligen.analysis.strategy_table import USABLE, selected_value
from intelligen.analysis.study import read_study
from intelligen.analysis.suggested_command import command_line
from intelligen.config.metric_direction import best
from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.errors import ConfigError, UnavailableError
from intelligen.state import layout
from intelligen.state.atomic_files import sha256
from intelligen.state.cached_histories import TrialHistories
from intelligen.state.ledger import read_ledger
from intelligen.state.redaction import redact_text
from intelligen.state.trial_records import TrialRecord
from intelligen.state.trial_result import SELECTED, read_trial
from intelligen.tasks import build_task
from intelligen.tracking.mlflow_mirror import MlflowMirror
from intelligen.tracking.mlflow_run_writer import find_runs
from intelligen.tracking.mlflow_store import ensure_store, failures, mlflow_unavailable, open_client
from intelligen.tracking.packed_model import STORE, TRIAL_FOLDER, pack

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL_FOLDER = "model"
_PACKAGE = Path(__file__).parents[1]
_TRANSLATOR = Path(__file__).with_name("pyfunc_translator.py")
# What translating imports; the package itself travels with the model.
_REQUIREMENTS = (
    *("mlflow", "numpy", "psutil", "pydantic", "sacrebleu"),
    *("sacremoses", "safetensors", "sentencepiece", "torch"),
)
_SYNC_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Promoted:
    """A version of a registered model."""

    name: str
    version: str
    alias: str
    uri: str
    """`models:/NAME/VERSION`, for `mlflow.pyfunc.load_model`."""
    trial: str
    run_id: str
    store: str
    """The MLflow store that has it, without secrets."""


def best_ranked(directory: Path, *, store: Path) -> TrialRecord:
    """Of the models of the rows that are shown to win, the one that validation prefers.

    Args:
        directory: The sweep's.
        store: The runs directory.

    Raises:
        UnavailableError: No row is shown to win.

    """
    study = read_study(directory, store=store)
    rows = winners(study)
    if not rows:
        why = conclusion_of(study).sentences[0]
        promote = f"{command_line('promote', directory)} --trial TRIAL"
        raise UnavailableError(f"{directory}: {why} So no model is promoted unless it is named: {promote}")
    return best_confirmed(directory, rows)


def best_confirmed(directory: Path, rows: Collection[str] = ()) -> TrialRecord:
    """Of a sweep's models whose test scores are known, the one that validation prefers.

    Args:
        directory: The sweep's.
        rows: To choose from; not given = all, the baseline among them.

    Raises:
        UnavailableError: No model was scored yet.

    """
    fingerprint, trials, _ = read_ledger(directory)
    metric = fingerprint["sweep"]["objective"]["metric"]
    tested = [one for one in trials.values() if one.scores and (not rows or one.table_row in rows)]
    if not tested:
        raise UnavailableError(f"{directory}: no model was tested yet: let the sweep end, or name a trial")
    histories = TrialHistories(directory)
    values = {
        record.id: value
        for record in tested
        if (value := selected_value(record.within(directory), histories.whole(record), metric)) is not None
    }
    chosen = best(metric, values, value=values.__getitem__)
    if chosen is None:
        raise UnavailableError(f"{directory}: the files of its trials are gone: restore them, or name a trial")
    return trials[chosen]


def named_trial(directory: Path, trial_id: str) -> TrialRecord:
    """The trial of that name, if it came to a model.

    Raises:
        ConfigError: There is no such trial.
        UnavailableError: It runs, or it failed.

    """
    _, trials, _ = read_ledger(directory)
    if trial_id not in trials:
        raise ConfigError(f"{directory}: no trial {trial_id!r}; there are {', '.join(trials) or 'none yet'}")
    record = trials[trial_id]
    if record.state not in USABLE:
        raise UnavailableError(
            f"{directory}: trial {trial_id} is {record.state}, so it has no model to promote: wait, or name another"
        )
    return record


def register(record: TrialRecord, *, directory: Path, tracking_uri: str, name: str, alias: str) -> Promoted:
    """Register the model of a sweep's trial, unless the same weights are there already, and give it the alias.

    Args:
        record: The trial.
        directory: The sweep's; the store of prepared data and baselines is two levels above it.
        tracking_uri: Where the sweep's runs are.
        name: Of the registered model.
        alias: It moves from the version that has it.

    Raises:
        UnavailableError: MLflow fails.
        DataError, StorageError: The trial's files are missing or damaged.

    """
    store = layout.store_of(directory)
    with tempfile.TemporaryDirectory() as temporary:
        packed, model = Path(temporary, STORE), Path(temporary, MODEL_FOLDER)
        prepared = pack(record.within(directory), store=store, target=packed)
        tags = {
            "sweep_id": str(read_ledger(directory)[0]["sweep_id"]),
            "trial_id": record.id,
            "strategy": record.row,
            "weights_sha256": sha256(packed / TRIAL_FOLDER / SELECTED),
        }
        try:
            run_id = _run_of(record, directory, tracking_uri)
            client = open_client(tracking_uri)
            number = _known_version(client, name, tags["weights_sha256"])
            if number is None:
                trial = read_trial(record.within(directory))
                example = build_task(trial.task).inputs(prepared.split("valid"))[:1]
                further = trial.model.packages if isinstance(trial.model, Pretrained) else ()
                _save(packed, model, example, packages=(*_REQUIREMENTS, *further))
                number = _add_version(client, model, name=name, run_id=run_id, tags=tags)
            client.set_registered_model_alias(name, alias, number)
        except failures() as error:
            raise UnavailableError(mlflow_unavailable(tracking_uri, error)) from error
    return Promoted(name, number, alias, f"models:/{name}/{number}", record.id, run_id, redact_text(tracking_uri))


def _run_of(record: TrialRecord, directory: Path, tracking_uri: str) -> str:
    """The trial's run; the sweep is mirrored first where it is not there."""
    fingerprint, _, _ = read_ledger(directory)
    experiment = fingerprint["experiment"]["name"]
    experiment_id = ensure_store(tracking_uri, experiment)
    client = open_client(tracking_uri)
    runs = find_runs(client, experiment_id, sweep_id=fingerprint["sweep_id"])
    if record.id not in runs:
        mirror = MlflowMirror(directory, tracking_uri=tracking_uri, experiment=experiment)
        mirror.sync()
        mirror.close(_SYNC_TIMEOUT_S)
        runs = find_runs(client, experiment_id, sweep_id=fingerprint["sweep_id"])
    return runs[record.id].id


def _save(store: Path, target: Path, example: list[str], *, packages: Sequence[str]) -> None:
    """Write an MLflow model from a packed one: its signature comes from the translator's type hints."""
    import mlflow.pyfunc

    mlflow.pyfunc.save_model(
        path=str(target),
        python_model=str(_TRANSLATOR),
        artifacts={STORE: str(store)},
        code_paths=[str(_PACKAGE)],
        input_example=example,
        # A build's own mark, such as `+cpu`, is no version that a registry knows.
        pip_requirements=[f"{package}=={version(package).partition('+')[0]}" for package in packages],
    )


def _known_version(client: "MlflowClient", name: str, weights: str) -> str | None:
    found = client.search_model_versions(f"name = '{name}'")
    return next((str(one.version) for one in found if one.tags.get("weights_sha256") == weights), None)


def _add_version(client: "MlflowClient", model: Path, *, name: str, run_id: str, tags: dict[str, str]) -> str:
    client.log_artifacts(run_id, str(model), MODEL_FOLDER)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    source = f"{client.get_run(run_id).info.artifact_uri}/{MODEL_FOLDER}"
    return str(client.create_model_version(name, source, run_id=run_id, tags=tags).version)
