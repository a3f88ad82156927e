"""A sweep's results as a table for computing: one row per trial, one column per thing that is known of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from intelligen.config.metrics import higher_is_better
from intelligen.reporting.sweeps import SweepFiles
from intelligen.tracking.leaderboard import device_seconds
from intelligen.tracking.records import TrialRecord
from intelligen.training.history import Report
from intelligen.training.result import Result


def results_frame(directory: Path) -> pd.DataFrame:
    """One row per trial, in the order in which they were started; what a trial lacks is NaN.

    Args:
        directory: The sweep's.

    Raises:
        StorageError: Its files are damaged.

    """
    files = SweepFiles(directory)
    header, trials, _ = files.ledger()
    metric = header["sweep"]["objective"]["metric"]
    rows = [_row(files, record, metric) for record in trials.values()]
    return pd.DataFrame(rows, index=pd.Index(list(trials), name="trial"))


def _row(files: SweepFiles, record: TrialRecord, metric: str) -> dict[str, Any]:
    reports = files.reports(record)
    last = reports[-1] if reports else None
    return {
        "kind": record.kind,
        "strategy": record.strategy,
        "state": str(record.state),
        "stop_reason": record.stop_reason,
        "seed": record.seed,
        "confirms": record.confirms,
        "attempts": record.attempts,
        "epochs": len(reports),
        "updates": 0 if last is None else last.update,
        "target_tokens": 0 if last is None else last.target_tokens,
        "device_s": sum(device_seconds(report.metrics) for report in reports),
        **_validation(files.result(record), reports, metric),
        **record.scores,
        **{f"param/{name}": value for name, value in record.schedule().items()},
    }


def _validation(result: Result | None, reports: Sequence[Report], metric: str) -> dict[str, float]:
    """Of the selected weights, or of the best epoch so far."""
    if result is not None:
        return result.metrics
    if not reports:
        return {}
    choose = max if higher_is_better(metric) else min
    best = choose(reports, key=lambda report: report.metrics[metric])
    return {name: value for name, value in best.metrics.items() if name.startswith("valid/")}
