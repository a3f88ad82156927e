"""Is a sweep that is killed again and again the sweep that it would have been? Ours beside a plain `Tuner`.

    python benchmarks/kills.py [--kills 20] [--worker-kills 20] [--sweeps 2] [--place DIRECTORY]

A small sweep runs undisturbed once. Then sweeps are killed with SIGKILL, and the same command is run again at once
after each kill, until it exits 0: the launcher at commit points spread over the course (before, inside and after
writes to ledger, study, MLflow's database, checkpoints and histories) and at random times between; the process that
trains at random times. What is left is compared with the undisturbed sweep. The peer
(`benchmarks/peers/plain_tuner.py`) is killed as often, at the same shares of its epochs.

Half an hour on two cores. What a place holds already is not run again, so that a call may be cut off.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from chaos.killing import Killer, Ordeal, Side
from chaos.moments import Moment, driver_moments, worker_moments
from chaos.ours import Ours
from chaos.story import Story
from chaos.sweeps import over_strategies
from chaos.theirs import Theirs
from rounds import machine

from intelligen.state.history import HISTORY_FILE, read_history
from intelligen.state.ledger import read_ledger

ATTEMPTS = 10
OURS, PLAIN = "ours", "plain"
LAUNCHERS, WORKERS, BOTH = "launcher", "worker", "both"
Figures = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How much is killed."""

    place: Path
    kills: int
    """Of launchers."""
    worker_kills: int
    sweeps: int
    """That share the kills of a kind."""
    trials: int
    """Of each strategy."""


class Undisturbed:
    """One side's sweep without kills: what the others are compared with.

    Args:
        make: Makes the side in a place.
        place: Where.

    """

    def __init__(self, make: Callable[[Path], Side], place: Path) -> None:
        known = place / "seconds.json"
        if not known.exists():
            shutil.rmtree(place, ignore_errors=True)
            ordeal = Killer(make(place)).run([])
            if not ordeal.ended:
                raise RuntimeError(f"the undisturbed sweep failed: {ordeal.refused}")
            known.write_text(json.dumps(ordeal.seconds), encoding="utf-8")
        self.seconds: float = json.loads(known.read_text(encoding="utf-8"))
        side = make(place)
        self.story = side.story()
        if self.story.faults:
            raise RuntimeError(f"the undisturbed sweep is wrong by itself: {self.story.faults}")
        self.reports = side.reports()


def figures(ordeal: Ordeal, side: Side, undisturbed: Undisturbed) -> Figures:
    """What a killed sweep differs in from the undisturbed one, in numbers; one that never ended has lost everything."""
    story, whole = side.story() if ordeal.ended else Story(), undisturbed.story
    shared = story.weights.keys() & whole.weights.keys()
    return {
        "kills": ordeal.struck,
        "missed": ordeal.missed,
        "refused": ordeal.refused,
        "not ended": int(not ordeal.ended),
        "trials lost": (whole.trials - story.trials).total(),
        "trials too many": (story.trials - whole.trials).total(),
        "weights different": sum(story.weights[key] != whole.weights[key] for key in shared),
        "runs lost": (whole.runs - story.runs).total(),
        "runs too many": (story.runs - whole.runs).total(),
        "runs RUNNING": story.unended,
        "rows lost": (whole.rows - story.rows).total(),
        "rows too many": (story.rows - whole.rows).total(),
        "epochs again": story.epochs.total() - len(story.epochs),
        "orphans": ordeal.orphans,
        "gone after": [ordeal.gone_after],
        "seconds": ordeal.seconds - undisturbed.seconds,
        "differences": story.differences(whole),
    }


class Benchmark:
    """Both sides, undisturbed and killed, in one place."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._undisturbed = {OURS: Undisturbed(self._ours, plan.place / "undisturbed")}
        self._whole = self._ours(plan.place / "undisturbed")

    def killed(self, name: str, victims: str) -> Figures:
        """The figures of a side's sweeps, added up."""
        total: Figures = {}
        for number in range(self._plan.sweeps):
            for key, value in self._one(name, victims, number).items():
                total[key] = total[key] + value if key in total else value
        return total

    def _one(self, name: str, victims: str, number: int) -> Figures:
        place = self._plan.place / f"{name}-{victims}-{number}"
        known = place / "figures.json"
        if not known.exists():
            print(f"{place.name} …", file=sys.stderr, flush=True)
            moments = self._moments(victims)[number :: self._plan.sweeps]
            shutil.rmtree(place, ignore_errors=True)
            if name == PLAIN:
                if PLAIN not in self._undisturbed:
                    self._undisturbed[PLAIN] = Undisturbed(self._theirs, self._plan.place / "plain-undisturbed")
                moments = self._shares(moments, self._undisturbed[PLAIN].reports)
            side = self._ours(place) if name == OURS else self._theirs(place)
            found = figures(Killer(side).run(moments), side, self._undisturbed[name])
            known.write_text(json.dumps(found, indent=1), encoding="utf-8")
        kept: Figures = json.loads(known.read_text(encoding="utf-8"))
        return kept

    def _ours(self, place: Path) -> Ours:
        return Ours(place, over_strategies(trials=self._plan.trials, attempts=ATTEMPTS))

    def _theirs(self, place: Path) -> Theirs:
        return Theirs(place, self._whole, attempts=ATTEMPTS)

    def _moments(self, victims: str) -> list[Moment]:
        chosen: list[Moment] = []
        if victims != WORKERS:
            chosen += driver_moments(self._whole.sweep, self._plan.kills)
        if victims != LAUNCHERS:
            reports = self._undisturbed[OURS].reports
            chosen += worker_moments(reports, self._plan.worker_kills, epoch_s=self._epoch_s())
        return sorted(chosen, key=lambda moment: moment.reports)

    def _shares(self, moments: Sequence[Moment], reports: int) -> list[Moment]:
        """The same shares of a sweep with another number of epochs, at random times within an epoch."""
        share, rng, epoch_s = reports / self._undisturbed[OURS].reports, Random(1), self._epoch_s()
        return [
            replace(moment, where="time", reports=round(share * moment.reports), delay_s=rng.uniform(0, epoch_s))
            for moment in moments
        ]

    def _epoch_s(self) -> float:
        records = read_ledger(self._whole.sweep)[1].values()
        paths = [self._whole.sweep / record.directory / HISTORY_FILE for record in records]
        metrics = [report.metrics for path in paths for report in read_history(path)]
        return statistics.median(one["time/epoch_s"] + one["time/validation_s"] for one in metrics)


ROWS: Mapping[str, Callable[[Figures], str]] = {
    "kills": lambda found: str(found["kills"]),
    "launches that refused to resume": lambda found: str(len(found["refused"])),
    "sweeps that never finished": lambda found: str(found["not ended"]),
    "trials lost · extra": lambda found: f"{found['trials lost']} · {found['trials too many']}",
    "trials with other weights": lambda found: str(found["weights different"]),
    "MLflow runs lost · extra": lambda found: f"{found['runs lost']} · {found['runs too many']}",
    "MLflow runs left RUNNING": lambda found: str(found["runs RUNNING"]),
    "rows of MLflow's history lost · extra": lambda found: f"{found['rows lost']:,} · {found['rows too many']:,}",
    "whole epochs trained again, per kill": lambda found: f"{found['epochs again'] / found['kills']:.2f}",
    "processes left after two minutes": lambda found: str(len(found["orphans"])),
    "seconds until the last one was gone, at most": lambda found: f"{max(found['gone after']):.0f}",
    "seconds that a kill costs": lambda found: f"{found['seconds'] / found['kills']:.1f}",
}


def markdown(columns: Mapping[str, Figures]) -> str:
    """The figures as a table."""
    lines = [f"| | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    lines += [f"| {what} | {' | '.join(show(found) for found in columns.values())} |" for what, show in ROWS.items()]
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """The options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=20, help="of the launcher")
    options.add_argument("--worker-kills", type=int, default=20, help="of the process that trains")
    options.add_argument("--sweeps", type=int, default=2, help="that share the kills of a kind")
    options.add_argument("--trials", type=int, default=3, help="of each of the two strategies")
    options.add_argument("--side", action="append", choices=(OURS, PLAIN), help="instead of both")
    victims = (LAUNCHERS, WORKERS, BOTH)
    options.add_argument("--victim", action="append", choices=victims, help="both: in the same sweeps")
    options.add_argument("--place", type=Path, help="a directory that is kept, and gone on with")
    return options.parse_args()


def main() -> int:
    """Print the table, and whatever of ours is not as in the undisturbed sweep."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        place = (asked.place or Path(temporary)).absolute()
        benchmark = Benchmark(Plan(place, asked.kills, asked.worker_kills, asked.sweeps, asked.trials))
        columns = {
            f"{victim} killed: {side}": benchmark.killed(side, victim)
            for victim in asked.victim or (LAUNCHERS, WORKERS)
            for side in asked.side or (OURS, PLAIN)
        }
    print(machine(1), markdown(columns), sep="\n\n")
    wrong = [
        f"{name}: {line}"
        for name, found in columns.items()
        if name.endswith(OURS)
        for line in (*found["differences"], *found["missed"], *found["refused"], *found["orphans"])
    ]
    print(*wrong, sep="\n", end="\n" * bool(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
