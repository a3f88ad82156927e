"""When to kill: at commit points that are spread over a sweep's course, and at random times between them."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.dying import entry_name

from intelligen.state.history import HISTORY_FILE, Report, read_history
from intelligen.state.layout import LEDGER_FILE
from intelligen.state.ledger import read_ledger
from intelligen.state.trial_records import TrialRecord

KINDS = (
    "mlflow inside",
    "ledger inside",
    "checkpoint inside",
    "study inside",
    "history after",
    "ledger before",
    "time between",
    "study after",
    "ledger after",
)
OPENING_WRITES = 100
"""Of the hundreds by which MLflow's database is created: in its midst."""
STUDY_WRITES = 6
LONGEST_DELAY_S = 3.0


@dataclass(frozen=True)
class Moment:
    """One point in a sweep's course at which a process is killed."""

    victim: str
    """`launcher`, or the `worker` that trains."""
    where: str
    """`ledger`, `study`, `mlflow`, `weights`: writes of the launcher; `checkpoint`, `history`: of a worker; `time`."""
    how: str
    """`before`, `inside`, `after` the write, or `between` two."""
    of: str
    """The entry of the ledger (`start t0002`), or the checkpoint's or history's path and the history's line."""
    order: float
    """Place in the course: the number of the entry, and parts between."""
    reports: int
    """Epochs that have been reported by then."""
    count: int = 1
    """Which of the writes after the entry."""
    delay_s: float = 0.0
    """Time that passes after the reports."""

    @property
    def kind(self) -> str:
        """What the killing looks like."""
        return f"{self.where} {self.how}"

    @property
    def is_own(self) -> bool:
        """Whether the launcher can find it by itself."""
        return self.where in ("ledger", "study", "mlflow", "weights")


def driver_moments(sweep: Path, kills: int) -> list[Moment]:
    """Moments to kill the launcher at, from what an undisturbed sweep left behind; every kind in turn, in their order.

    Args:
        sweep: Its directory.
        kills: How many.

    """
    course, chosen = list(_course(sweep)), list[Moment]()
    for number in range(kills):
        wanted = number / max(kills - 1, 1) * max(moment.order for moment in course)
        kind = KINDS[number % len(KINDS)]
        free = [moment for moment in course if moment.kind == kind and moment not in chosen]
        chosen.append(min(free, key=lambda moment: abs(moment.order - wanted)))
    return sorted(chosen, key=lambda moment: moment.order)


def worker_moments(reports: int, kills: int, *, epoch_s: float) -> list[Moment]:
    """Random times to kill the process that trains at, in their order.

    Args:
        reports: Of all epochs of an undisturbed sweep.
        kills: How many.
        epoch_s: Seconds of an epoch.

    """
    rng = random.Random(1)
    drawn = sorted((rng.randrange(reports), rng.uniform(0, epoch_s)) for _ in range(kills))
    return [Moment("worker", "time", "between", "", after, after, delay_s=delay_s) for after, delay_s in drawn]


def _course(sweep: Path) -> Iterator[Moment]:
    rng = random.Random(1)
    records = read_ledger(sweep)[1]
    histories = {name: read_history(sweep / record.directory / HISTORY_FILE) for name, record in records.items()}
    times = [report.time_ms for reports in histories.values() for report in reports]
    last = list(records)[-1]
    for order, line in enumerate((sweep / LEDGER_FILE).read_text(encoding="utf-8").splitlines()):
        entry = json.loads(line)
        name, reports = entry_name(entry), sum(time_ms <= entry["time_ms"] for time_ms in times)
        for how in ("before", "inside", "after"):
            yield Moment("launcher", "ledger", how, name, order, reports)
        count = OPENING_WRITES if name == "open" else 2
        yield Moment("launcher", "mlflow", "inside", name, order, reports, count)
        yield Moment("launcher", "time", "between", name, order, reports, delay_s=rng.uniform(0, LONGEST_DELAY_S))
        if name.startswith("finish t"):
            # Its end, and the next trial from its number to its last parameter; after the last trial nothing more.
            count = rng.randint(1, STUDY_WRITES) if entry["id"] != last else 1
            yield Moment("launcher", "study", "inside", name, order, reports, count)
            yield Moment("launcher", "study", "after", name, order, reports, count)
        if name.startswith("start "):
            record = records[entry["trial"]["id"]]
            yield from _epochs(record, histories[record.id], order, reports)


def _epochs(record: TrialRecord, history: Sequence[Report], order: int, reports: int) -> Iterator[Moment]:
    history_file = f"{record.directory}/{HISTORY_FILE}"
    for report in history:
        place = order + report.epoch / (len(history) + 1)
        before = reports + report.epoch - 1
        checkpoint = f"{record.directory}/checkpoints/{report.update:010d}"
        yield Moment("launcher", "checkpoint", "inside", checkpoint, place, before)
        yield Moment("launcher", "history", "after", f"{history_file}:{report.epoch}", place, before + 1)
