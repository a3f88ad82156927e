"""Notes for optuna-dashboard: a link from each trial to its MLflow run.

A note is a system attribute of the study, in the form of optuna-dashboard 0.21 (`optuna_dashboard._note`). That package
need not be installed.
"""

from collections.abc import Mapping

import optuna

from intelligen.config.schema.replicates import Replicate
from intelligen.sweep.trial_lifecycle import trial_name


def write_notes(study: optuna.Study, notes: Mapping[str, str], *, replicate: Replicate | None = None) -> None:
    """Give trials of a study their notes, where they have none: notes of people stay.

    Args:
        study: The sweep's.
        notes: Trial (`t0003`) → Markdown.
        replicate: The search that the study is of, where it is one of several.

    """
    known = study._storage.get_study_system_attrs(study._study_id)
    for trial in study.get_trials(deepcopy=False):
        note, version = notes.get(trial_name(trial.number, replicate)), f"dashboard:{trial._trial_id}:note_ver"
        if note is None or version in known:
            continue
        # The text first: with its version the note counts.
        study._storage.set_study_system_attr(study._study_id, f"dashboard:{trial._trial_id}:note_str:0", note)
        study._storage.set_study_system_attr(study._study_id, version, 1)


def run_note(address: str, command: str | None) -> str:
    """A link to a run, and what starts the interface where a server does not run by itself."""
    link = f"[The trial's run in MLflow]({address})"
    return link if command is None else f"{link}, once `{command}` runs"
