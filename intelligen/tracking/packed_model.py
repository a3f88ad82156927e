"""Packed model: a runs directory that holds one trial alone, for MLflow to carry."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

from intelligen.data.data_manifest import content_of, write_manifest
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.state import layout
from intelligen.state.atomic_files import sha256
from intelligen.state.redaction import redact
from intelligen.state.trial_result import RESULT, SELECTED, TRIAL, Result, read_result, read_trial
from intelligen.training.reproducibility_manifest import require_same_data
from intelligen.training.selected_weights import selected_weights

STORE, TRIAL_FOLDER = "store", "trial"
"""What a model calls its packed store, and where the trial lies in it."""


def pack(trial_directory: Path, *, store: Path, target: Path) -> Prepared:
    """Copy settings, selected weights and vocabularies of a trial to the new store `target`.

    Args:
        trial_directory: The trial's.
        store: Holds the prepared data that it was trained on.
        target: An empty directory.

    Returns:
        The prepared data that it was trained on.

    Raises:
        ChangedError: The prepared data are not those that it was trained on.
        DataError: It is no trial's directory, or none of its epochs has ended.
        StorageError: Weights or prepared data are damaged.

    """
    trial = read_trial(trial_directory)
    weights = selected_weights(trial_directory)
    packed = target / TRIAL_FOLDER
    packed.mkdir(parents=True)
    shutil.copyfile(trial_directory / TRIAL, packed / TRIAL)
    shutil.copyfile(weights, packed / SELECTED)
    # A stopped trial has selected nothing: its best epoch so far counts.
    result = read_result(trial_directory) or Result(f"best epoch so far (update {int(weights.parent.name)})", {}, "")
    signed = replace(result, sha256=sha256(packed / SELECTED))
    (packed / RESULT).write_text(json.dumps(vars(signed), indent=1), encoding="utf-8")
    prepared = open_prepared(layout.prepared(store, trial.prepared))
    require_same_data(trial_directory, prepared)
    _pack_vocabularies(prepared, layout.prepared(target, trial.prepared))
    return prepared


def _pack_vocabularies(prepared: Prepared, folder: Path) -> None:
    folder.mkdir(parents=True)
    manifest = prepared.manifest
    models = sorted(set(manifest.tokenizers.values()))
    for name in models:
        shutil.copyfile(prepared.directory / name, folder / name)
    kept = {
        "splits": {},
        "overlaps": None,
        "files": {name: manifest.files[name] for name in models},
        "sha256": {name: prepared.file_hash(name) for name in models},
    }
    packed = manifest.model_copy(update=kept)
    # The address of a corpus may hold a user's name and password.
    write_manifest(folder, redact(content_of(packed)))
