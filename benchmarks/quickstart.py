"""The whole quickstart, against another revision of this project in turn, and how much of it is overhead.

    python benchmarks/quickstart.py --against REVISION [--full] [--place DIRECTORY]

Each run is a fresh directory and the command of the README, with the revision's own code, which is checked out beside
this tree. A run takes minutes, so what has been measured is kept in `quickstart.json` of the place, and the same
command goes on from there. No round warms up.

Overhead is the share of the time from the command to its end in which a place for a trial does not train, validate or
score. A baseline and the scoring of the test sets have all places; a trial has one of them. What a trial does before
its first epoch, and what is scored beside a trial, counts as overhead.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from processes import ProcessorTimes, a_users_environment
from rounds import Remark, Table, compare, machine, markdown, parser

REPOSITORY = Path(__file__).parents[1]
BEFORE = "49f4ae4"
"""The revision before start and sweep were made faster."""
KEPT = "quickstart.json"
PLACES = 2
"""Trials at once, as `search_spaces/quickstart.yaml` has it."""
OVERHEAD = 12.0


@dataclass(frozen=True)
class Run:
    """One quickstart."""

    revision: str
    wall_s: float
    cpu_s: float
    overhead: float
    """Its share, in percent."""


def quickstart(revision: str, root: Path, directory: Path) -> Run:
    """Run it once, in an empty directory, by the code in `root`."""
    with open(directory / "output", "wb") as output:
        began = time.time()
        process = subprocess.Popen(
            [sys.executable, str(root / "launch.py"), "--local"],
            cwd=directory,
            env=a_users_environment(root),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        watch = ProcessorTimes(process.pid)
        code = process.wait()
        ended = time.time()
        watch.stop()
    if code:
        raise RuntimeError(f"{revision}: the quickstart exited with {code}: {(directory / 'output').read_text()}")
    wall_s = ended - began
    busy_s = _busy_s(directory / "runs")
    return Run(revision, wall_s, sum(watch.between(began, ended).values()), 100 * (1 - busy_s / wall_s))


def _busy_s(runs: Path) -> float:
    """Seconds in which all places work, or twice as many in which half of them do."""
    (ledger,) = runs.glob("sweeps/*/ledger.jsonl")
    events = _lines(ledger)
    searched = next(event["time_ms"] for event in events if event["event"] == "searched")
    scored = max(event["time_ms"] for event in events if event["event"] == "score")
    return (
        _worked_s(runs.glob("baselines/*/history.jsonl"))
        + _worked_s(ledger.parent.glob("trials/*/history.jsonl")) / PLACES
        + max(0.0, scored - searched) / 1000
    )


def _worked_s(histories: Iterator[Path]) -> float:
    metrics = [report["metrics"] for history in histories for report in _lines(history)]
    return sum(one["time/epoch_s"] + one["time/validation_s"] for one in metrics)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@contextmanager
def checked_out(revision: str, directory: Path) -> Iterator[Path]:
    """A revision's files in a directory, until the end."""
    git = ["git", "-C", str(REPOSITORY), "worktree"]
    subprocess.run([*git, "add", "--detach", str(directory), revision], check=True, capture_output=True)
    try:
        yield directory
    finally:
        subprocess.run([*git, "remove", "--force", str(directory)], check=True, capture_output=True)


def runs_in_turn(against: str, *, rounds: int, place: Path) -> list[Run]:
    """Both sides' runs, the other revision's first in every second round; those that are kept are not made again."""
    kept = place / KEPT
    done = [Run(**one) for one in json.loads(kept.read_text())] if kept.exists() else []
    order = [side for index in range(rounds) for side in ((against, "") if index % 2 == 0 else ("", against))]
    with tempfile.TemporaryDirectory() as temporary, checked_out(against, Path(temporary, "other")) as other:
        for revision in order[len(done) :]:
            with tempfile.TemporaryDirectory() as directory:
                done.append(quickstart(revision, other if revision else REPOSITORY, Path(directory)))
            kept.write_text(json.dumps([asdict(run) for run in done], indent=1))
            print(f"{revision or 'this tree'}: {done[-1]}", file=sys.stderr, flush=True)
    return done


def rows(runs: list[Run], against: str) -> Table:
    """Of the same rounds: seconds, processor seconds and overhead."""
    ours, theirs = ([run for run in runs if run.revision == name] for name in ("", against))
    goal = "≤ 0.6" if "AMD" in machine(1) else "≤ 0.8"
    walls, processors = (
        [[getattr(run, key) for run in side] for side in (ours, theirs)] for key in ("wall_s", "cpu_s")
    )
    shares = [[run.overhead for run in side] for side in (ours, theirs)]
    bound = [OVERHEAD] * len(ours)
    return [
        compare(f"quickstart against {against}", *walls, unit="s", target=goal, faster=False),
        compare("- processor time", *processors, unit="s", faster=False),
        compare("- overhead's share against the bound", shares[0], bound, unit="%", target="≤ 1.0", faster=False),
        compare("- overhead's share", *shares, unit="%", faster=False),
    ]


def measure(*, full: bool, threads: int, against: str = BEFORE, place: Path | None = None) -> Table:
    """The rows; the quickstart's own file says how many threads it uses."""
    found = subprocess.run(["git", "-C", str(REPOSITORY), "cat-file", "-e", f"{against}^{{commit}}"], check=False)
    if found.returncode:
        return [Remark("quickstart", f"no revision {against} here to compare with")]
    with tempfile.TemporaryDirectory() as temporary:
        kept = place or Path(temporary)
        kept.mkdir(parents=True, exist_ok=True)
        return rows(runs_in_turn(against, rounds=3 if full else 1, place=kept), against)


def main() -> None:
    """Print the table."""
    options = parser(__doc__)
    options.add_argument("--against", default=BEFORE, help="the other revision, as git names it")
    options.add_argument("--place", type=Path, help="keeps what has been measured; a temporary directory else")
    arguments = options.parse_args()
    table = measure(full=arguments.full, threads=arguments.threads, against=arguments.against, place=arguments.place)
    print(machine(arguments.threads), markdown(table), sep="\n\n")


if __name__ == "__main__":
    main()
