"""How soon a command answers, and how soon a sweep makes its first update.

    python benchmarks/startup.py [--full]

Every side is a process of its own, from its start to its end. A sweep's way to its first update is read from its
ledger and its baseline's history.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from processes import a_users_environment
from rounds import Row, Rows, Side, Table, compare, parser, print_table, round_robin, timed

REPOSITORY = Path(__file__).parents[1]
HELP_S = 0.5
FIRST_UPDATE = 3.5
"""Times importing torch and Ray."""
PARTS = ("imports and data", "MLflow and Ray", "worker")

EXPERIMENT = """
version: 1
name: startup
data: {corpus: {name: embedded, train: 500, valid: 20, test: 20}, tokenizer: {vocabulary: 500}}
model: {d_model: 32, d_ff: 64, heads: 2, encoder_layers: 1, decoder_layers: 1}
training: {epochs: 1, epoch_updates: 1, batch_tokens: 500}
finetuning: {epochs: 1, epoch_updates: 1, batch_tokens: 500}
"""
SWEEP = """
version: 1
name: startup
experiment: experiment.yaml
space: {finetuning.optimizer.learning_rate: {log_uniform: [1.0e-4, 5.0e-3]}}
budget: {trials: 1}
"""


def run(*arguments: str, directory: Path | None = None) -> None:
    """A Python process from its start to its end."""
    environment = a_users_environment(REPOSITORY)
    subprocess.run([sys.executable, *arguments], cwd=directory, check=True, capture_output=True, env=environment)


def commands(*, rounds: int) -> Table:
    """Help against Python alone, and against what importing torch would cost."""
    asked = {
        "intelligen --help": ("-m", "intelligen", "--help"),
        "intelligen run --help": ("-m", "intelligen", "run", "--help"),
        "launch.py --help": (str(REPOSITORY / "launch.py"), "--help"),
    }
    sides: dict[str, Side] = {name: timed(partial(run, *arguments)) for name, arguments in asked.items()}
    sides["python"] = timed(partial(run, "-c", "pass"))
    sides["torch"] = timed(partial(run, "-c", "import torch"))
    figures = round_robin(sides, rounds=rounds)
    table: Table = []
    for name in asked:
        ours = figures[name]
        wanted = compare(f"{name} against {HELP_S} s", ours, [HELP_S] * rounds, unit="s", faster=False, target="≤ 1.0")
        against = f"{name} against importing torch"
        table += [wanted, compare(against, ours, figures["torch"], unit="s", faster=False, target="≤ 0.2")]
        table.append(compare(f"{name} against python -c pass", ours, figures["python"], unit="s", faster=False))
    return table


def first_update() -> dict[str, float]:
    """Seconds of each part of a sweep's way to its first update."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "experiment.yaml").write_text(EXPERIMENT)
        (directory / "sweep.yaml").write_text(SWEEP)
        started = time.time()
        run(str(REPOSITORY / "launch.py"), "sweep.yaml", "--local", directory=directory)
        ledger = directory / "runs" / "sweeps" / "startup" / "ledger.jsonl"
        entries = [json.loads(line) for line in ledger.read_text().splitlines()]
        opened, began = (
            next(entry["time_ms"] / 1000 for entry in entries if entry["event"] == event) for event in ("open", "start")
        )
        (history,) = (directory / "runs" / "baselines").glob("*/history.jsonl")
        report = json.loads(history.read_text())
        # The epoch has one update.
        updated = report["time_ms"] / 1000 - report["metrics"]["time/validation_s"]
        ends = (opened, began, updated)
        return dict(zip(PARTS, (end - start for start, end in zip((started, *ends), ends, strict=False)), strict=True))


def launching(*, rounds: int) -> list[Row]:
    """Each part against importing torch and Ray, which every one of the processes has to do."""
    ways: list[dict[str, float]] = []

    def launch() -> float:
        ways.append(first_update())
        return sum(ways[-1].values())

    sides = {"imports": timed(partial(run, "-c", "import torch, ray.train.torch, ray.tune")), "launch": launch}
    figures = round_robin(sides, rounds=rounds)
    ways = ways[-rounds:]
    against = partial(compare, theirs=figures["imports"], unit="s", faster=False)
    whole = against(
        "launch.py to its first update against importing torch and Ray", figures["launch"], target=f"≤ {FIRST_UPDATE}"
    )
    return [whole, *(against(f"- {part}", [way[part] for way in ways]) for part in PARTS)]


def measure(*, full: bool, threads: int) -> Rows:
    """Help, and the launch of a tiny sweep."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    yield from commands(rounds=9 if full else 3)
    yield from launching(rounds=3 if full else 1)


def main() -> None:
    """Print the table."""
    arguments = parser(__doc__).parse_args()
    print_table(measure(full=arguments.full, threads=arguments.threads), threads=arguments.threads)


if __name__ == "__main__":
    main()
