"""Results of a sweep as a data frame: one row per trial."""

from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd

from intelligen.analysis.best_settings import SweepSettings
from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.compared_units import Units
from intelligen.analysis.strategy_table import device_seconds, selected_scores
from intelligen.analysis.verdicts import kept_verdicts, verdict_of
from intelligen.config.document import one_of
from intelligen.config.experiment_lines import settings_words
from intelligen.config.schema.tasks import task_settings
from intelligen.errors import ConfigError
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import SHARED, TrialRecord

Columns = Literal["main", "all"]


def results_frame(directory: Path, *, columns: Columns = "main") -> pd.DataFrame:
    """One row per trial, in the order in which they were started; what a trial lacks is NaN.

    Args:
        directory: The sweep's.
        columns: The main ones, which fit on a page, or all.

    Raises:
        ConfigError: There are no such columns.
        StorageError: Its files are damaged.

    """
    if columns not in get_args(Columns):
        raise ConfigError(f"columns: {one_of(get_args(Columns), columns)}")
    records = trial_records(directory)
    trials = [record.pop("trial") for record in records]
    frame = pd.DataFrame(records, index=pd.Index(trials, name="trial"))
    return frame if columns == "all" or frame.empty else _main(frame, SweepFiles(directory))


def _main(frame: pd.DataFrame, files: SweepFiles) -> pd.DataFrame:
    """What a trial is, its settings in few words, its scores and its cost."""
    from intelligen.tasks import build_task  # brings torch along, which checking and planning a sweep do not need

    fingerprint, trials, _ = files.ledger()
    settings = SweepSettings.read(files)
    words = {name: settings_words(settings.of(one)) for name, one in trials.items() if one.kind not in SHARED}
    compared = ComparedRows.of(files.launch().sweep, fingerprint["experiment"])
    place = compared.named(next(iter(trials.values())).row)
    task = build_task(task_settings(fingerprint["experiment"]))
    tested = {f"{name.partition('/')[0]}/{metric.name}" for name in frame.columns for metric in task.reported}
    objectives = [one.metric for one in settings.sweep.all_objectives()]
    scores = [name for name in frame.columns if name in tested and not name.startswith(("valid/", "param/"))]
    valid = [name for name in objectives if name in frame.columns and name != "cost/device_s"]
    shown = frame.assign(settings=[words.get(name, "") for name in frame.index])
    return shown[["kind", *place, "settings", "seed", "state", *valid, *scores, "device_s"]]


def trial_records(directory: Path) -> list[dict[str, Any]]:
    """The same as plain values, `trial` among them; what a trial lacks is not there. Arguments and errors likewise."""
    files = SweepFiles(directory)
    fingerprint, trials, closing = files.ledger()
    metric = fingerprint["sweep"]["objective"]["metric"]
    compared = ComparedRows.of(files.launch().sweep, fingerprint["experiment"])
    units = Units.recorded(fingerprint)
    verdicts = kept_verdicts(closing)
    return [
        _row(files, record, metric, compared, units) | (one.columns() if (one := verdict_of(record, verdicts)) else {})
        for record in trials.values()
    ]


def _row_name(record: TrialRecord, compared: ComparedRows) -> str:
    """Baselines and pre-trainings have rows of their own, whatever strategy trained them."""
    return record.kind if record.kind in SHARED and not compared.variants else record.table_row


def _row(files: SweepFiles, record: TrialRecord, metric: str, compared: ComparedRows, units: Units) -> dict[str, Any]:
    reports = files.reports(record)
    last = reports[-1] if reports else None
    return {
        "trial": record.id,
        "kind": record.kind,
        **compared.named(_row_name(record, compared)),
        "state": str(record.state),
        "stop_reason": record.stop_reason,
        "seed": record.seed,
        **({"replicate": found[0]} if (found := units.of_seeds([record.seed])) else {}),
        "confirms": record.confirms,
        "attempts": record.attempts,
        "epochs": len(reports),
        "updates": 0 if last is None else last.update,
        "target_tokens": 0 if last is None else last.target_tokens,
        "device_s": device_seconds(reports),
        **selected_scores(files.result(record), reports, metric),
        **record.scores,
        **{f"param/{name}": value for name, value in record.schedule().items()},
    }
