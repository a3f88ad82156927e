"""A packed model is a store that holds one trial alone: what `TrainedModel.load` reads, and nothing else."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

from intelligen.data.prepared import MANIFEST, Prepared, open_prepared
from intelligen.tracking.redaction import redact
from intelligen.training.checkpoint import sha256
from intelligen.training.result import RESULT, SELECTED, TRIAL, Result, read_result, read_trial, selected_weights

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
        DataError: It is no trial's directory, or none of its epochs has ended.
        StorageError: Weights or prepared data are damaged.

    """
    trial = read_trial(trial_directory)
    weights = selected_weights(trial_directory)
    packed = target / TRIAL_FOLDER
    packed.mkdir(parents=True)
    shutil.copyfile(trial_directory / TRIAL, packed / TRIAL)
    shutil.copyfile(weights, packed / SELECTED)
    # A stopped trial has selected nothing: its best epoch so far is what it stands for.
    result = read_result(trial_directory) or Result(f"best epoch so far (update {int(weights.parent.name)})", {}, "")
    signed = replace(result, sha256=sha256(packed / SELECTED))
    (packed / RESULT).write_text(json.dumps(vars(signed), indent=1), encoding="utf-8")
    prepared = open_prepared(store / "prepared" / trial.prepared)
    _pack_vocabularies(prepared, target / "prepared" / trial.prepared)
    return prepared


def _pack_vocabularies(prepared: Prepared, folder: Path) -> None:
    folder.mkdir(parents=True)
    sizes = {}
    for name in sorted(set(prepared.manifest.tokenizers.values())):
        shutil.copyfile(prepared.directory / name, folder / name)
        sizes[name] = (folder / name).stat().st_size
    manifest = prepared.manifest.model_copy(update={"splits": {}, "files": sizes})
    # The address of a corpus may hold a user's name and password.
    text = json.dumps(redact(manifest.model_dump(mode="json")), ensure_ascii=False, indent=1)
    (folder / MANIFEST).write_text(text, encoding="utf-8")
