"""Why a scheduler stopped a trial, in words: its score after that epoch, its place, and the best score."""

from collections.abc import Mapping, Sequence

from intelligen.analysis.sweep_results import TableWords
from intelligen.config.metric_direction import ranked
from intelligen.config.schema.schedulers import Asha, Median
from intelligen.config.schema.sweep import Sweep
from intelligen.state.history import Report
from intelligen.state.trial_records import TrialRecord, TrialState

SCHEDULER = "stopped by the scheduler"
"""How the reasons of such stops begin."""


def compared_with(
    record: TrialRecord, trials: Mapping[str, TrialRecord], histories: Mapping[str, Sequence[Report]], sweep: Sweep
) -> str:
    """`valid/bleu 33.20 is number 2 of 2; the best is 36.10 (t0001)`; empty where no scheduler stopped it.

    Args:
        record: The trial.
        trials: All of the sweep.
        histories: Trial → its reports.
        sweep: Its scheduler; of one whose brackets are apart from each other nothing is said.

    """
    if record.state is not TrialState.PRUNED or not (record.stop_reason or "").startswith(SCHEDULER):
        return ""
    if not isinstance(sweep.scheduler, Asha | Median) or not (own := histories[record.id]):
        return ""
    metric, last, words = sweep.objective.metric, own[-1], TableWords()
    others = {
        one.id: value
        for one in trials.values()
        if one.kind == "trial" and one.id != record.id
        if one.seed == record.seed  # all trials of a search have its seed
        if not sweep.round_robin() or one.row == record.row
        if (value := _by_then(histories[one.id], last, metric)) is not None
    }
    if metric not in last.metrics or not others:
        return ""
    scores = {**others, record.id: last.metrics[metric]}
    order = ranked(metric, scores, value=scores.__getitem__)
    best, *_ = ranked(metric, others, value=others.__getitem__)
    asha = sweep.scheduler if isinstance(sweep.scheduler, Asha) else None
    kept = "" if asha is None else f", of which asha keeps 1 in {asha.reduction_factor}"
    place = f"{words.text(metric, scores[record.id])} is number {order.index(record.id) + 1} of {len(order)}"
    return f"{metric} {place}{kept}; the best is {words.text(metric, scores[best])} ({best})"


def _by_then(reports: Sequence[Report], last: Report, metric: str) -> float | None:
    """The score of another trial after the same epoch, if it was known when the scheduler decided."""
    same = next((one for one in reports if one.epoch == last.epoch and one.time_ms <= last.time_ms), None)
    return None if same is None else same.metrics.get(metric)
