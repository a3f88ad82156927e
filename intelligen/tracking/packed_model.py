"""Packed model: a runs directory that holds one trial alone, for MLflow to carry."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

from intelligen.config.pretrained_directory import files_of
from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.config.schema.pretrained_source import open_as_resolved
from intelligen.data.data_manifest import content_of, write_manifest
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.state import layout
from intelligen.state.atomic_files import sha256
from intelligen.state.pretrained_place import placed
from intelligen.state.redaction import redact
from intelligen.state.trial_result import RESULT, SELECTED, TRIAL, Result, read_result, read_trial
from intelligen.training.reproducibility_manifest import require_same_data
from intelligen.training.selected_weights import selected_weights

STORE, TRIAL_FOLDER = "store", "trial"
"""What a model calls its packed store, and where the trial lies in it."""


def pack(trial_directory: Path, *, store: Path, target: Path) -> Prepared:
    """Copy settings, selected weights and vocabularies of a trial to the new store `target`.

    A pre-trained model's configuration is with its vocabularies; beside an adapter its own weights are copied, too.

    Args:
        trial_directory: The trial's.
        store: Holds the prepared data that it was trained on.
        target: An empty directory.

    Returns:
        The prepared data that it was trained on.

    Raises:
        ChangedError: The prepared data are not those that it was trained on, or the model beside its adapter is
            another one.
        DataError: It is no trial's directory, none of its epochs has ended, or the model beside its adapter is gone.
        StorageError: Weights or prepared data are damaged.

    """
    trial = read_trial(trial_directory)
    weights = selected_weights(trial_directory)
    if isinstance(trial.model, Pretrained) and trial.model.lora is not None:
        _pack_base(trial.model, store=store, target=target)
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


def _pack_base(model: Pretrained, *, store: Path, target: Path) -> None:
    here = placed(model, store)
    assert isinstance(here, Pretrained)
    copy = layout.pretrained(target, model.found.files)
    copy.mkdir(parents=True)
    for file in files_of(open_as_resolved(here.found).path):
        shutil.copyfile(file, copy / file.name)


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
