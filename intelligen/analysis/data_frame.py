"""Results of a sweep as a data frame: one row per trial."""

from pathlib import Path
from typing import Any

import pandas as pd

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.compared_units import Units
from intelligen.analysis.strategy_table import device_seconds, selected_scores
from intelligen.analysis.verdicts import kept_verdicts, verdict_of
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import TrialRecord


def results_frame(directory: Path) -> pd.DataFrame:
    """One row per trial, in the order in which they were started; what a trial lacks is NaN.

    Args:
        directory: The sweep's.

    Raises:
        StorageError: Its files are damaged.

    """
    records = trial_records(directory)
    trials = [record.pop("trial") for record in records]
    return pd.DataFrame(records, index=pd.Index(trials, name="trial"))


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


def _row(files: SweepFiles, record: TrialRecord, metric: str, compared: ComparedRows, units: Units) -> dict[str, Any]:
    reports = files.reports(record)
    last = reports[-1] if reports else None
    return {
        "trial": record.id,
        "kind": record.kind,
        **compared.named(record.row),
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
