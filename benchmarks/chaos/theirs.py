"""The other side of the killing: Tune's own sweep of the same trials, and what it left behind."""

import json
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from chaos.moments import Moment
from chaos.ours import UNENDED, Ours
from chaos.story import Story, params_key, weights_hash

from intelligen.config.schema.experiment import Trial
from intelligen.state.ledger import read_ledger

PEER = Path(__file__).parents[1] / "peers" / "plain_tuner.py"
RUNS = """
select runs.run_uuid, rate.value, strategy.value from runs
left join params rate on rate.run_uuid = runs.run_uuid and rate.key = 'learning_rate'
left join params strategy on strategy.run_uuid = runs.run_uuid and strategy.key = 'strategy'
where lifecycle_stage = 'active'
"""


class Theirs:
    """One sweep of a plain Tuner.

    Args:
        directory: Its own, empty.
        undisturbed: A sweep of ours that has ended; data and baseline are taken from it.
        attempts: At each trial, where its process dies.

    """

    def __init__(self, directory: Path, undisturbed: Ours, *, attempts: int) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        records = [record for record in read_ledger(undisturbed.sweep)[1].values() if record.kind == "trial"]
        trial = Trial.model_validate_json(json.dumps(records[0].config))
        settings = {
            "trial": trial.model_dump_json(),
            "store": str(undisturbed.directory / "runs"),
            "epochs": trial.training.epochs,
            "trials": len(records),
            "max_failures": attempts - 1,
        }
        (directory / "settings.json").write_text(json.dumps(settings), encoding="utf-8")

    def command(self, moment: Moment | None) -> list[str]:
        """The same every time."""
        return [sys.executable, str(PEER), "settings.json"]

    def reports(self) -> int:
        """Epochs that have been trained."""
        return len(self._epochs())

    def has_reached(self, moment: Moment) -> bool:
        """Whether as many epochs have been trained."""
        return self.reports() >= moment.reports

    def training_pid(self) -> int | None:
        """The process that trains now."""
        pids = [told["pid"] for told in self._work() if "pid" in told]
        return int(pids[-1]) if pids else None

    def story(self) -> Story:
        """What the sweep left behind; nothing of its trials where it did not come to its end."""
        results = self.directory / "results.json"
        grid = json.loads(results.read_text(encoding="utf-8")) if results.exists() else []
        epochs = self._epochs()
        database = self.directory / "mlflow.db"
        runs, rows, unended = _runs(database) if database.exists() else ({}, [], 0)
        return Story(
            trials=Counter(params_key(result["params"]) for result in grid),
            weights={params_key(result["params"]): _weights(result["checkpoint"]) for result in grid},
            runs=Counter(runs.values()),
            unended=unended,
            rows=Counter(rows),
            epochs=epochs,
        )

    def _epochs(self) -> Counter[tuple[str, int]]:
        return Counter((params_key(told["params"]), told["epoch"]) for told in self._work() if "epoch" in told)

    def _work(self) -> list[dict[str, Any]]:
        path = self.directory / "work.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]] if path.exists() else []


def _weights(checkpoint: str | None) -> str:
    if checkpoint is None:
        return "none"
    return weights_hash(torch.load(Path(checkpoint, "state.pt"), weights_only=True)["model"])


def _runs(path: Path) -> tuple[dict[str, str], list[tuple[str, str, int, float]], int]:
    """Run → parameters; the rows of all runs; how many are shown as RUNNING."""
    with closing(sqlite3.connect(path)) as database:
        runs = {
            run: params_key({"learning_rate": float(rate), "strategy": strategy}) if rate and strategy else "unknown"
            for run, rate, strategy in database.execute(RUNS)
        }
        rows = [
            (runs[run], metric, step, value)
            for run, metric, step, value in database.execute("select run_uuid, key, step, value from metrics")
            if run in runs and metric.startswith(("train/", "valid/"))
        ]
        (unended,) = database.execute(UNENDED).fetchone()
    return runs, rows, unended
