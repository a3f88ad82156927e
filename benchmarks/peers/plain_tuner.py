"""A sweep as the manuals of Ray Tune and its integrations show it; the same command resumes it where Tune can.

    python benchmarks/peers/plain_tuner.py SETTINGS.json

The trials are ours: the same data, baseline, updates and validation, one at a time, under ASHA and Optuna's TPE. What
keeps them is Tune's: a checkpoint with every report, `Tuner.restore`, `FailureConfig`, `MLflowLoggerCallback`.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from intelligen.config.schema.experiment import Trial
from intelligen.data.loader import Loader
from intelligen.data.prepared_data import open_prepared
from intelligen.evaluation import Evaluation
from intelligen.optimization import MetricSums
from intelligen.strategies.base import UpdateContext
from intelligen.strategies.build import build_strategy
from intelligen.tasks import build_task
from intelligen.training.checkpoint import load_weights
from intelligen.training.runtime import Runtime
from intelligen.training.selected_weights import selected_weights
from intelligen.training.validation import named

STATE, WORK, RESULTS = "state.pt", "work.jsonl", "results.json"


def train(config: dict[str, Any], *, trial: str, store: str, work: str) -> None:
    """One trial.

    Args:
        config: Tune's: `learning_rate` and `strategy`.
        trial: All other settings, as JSON.
        store: Holds the prepared data and the baseline.
        work: Whoever looks on is told here which process trains, and of every epoch that has been trained.

    """
    torch.set_num_threads(1)
    settings = json.loads(trial)
    run = _Run(_configured(settings, config), settings["start"], Path(store))
    checkpoint = tune.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            run.load(torch.load(Path(folder, STATE), weights_only=True))
    with open(work, "a", encoding="utf-8") as told:
        print(json.dumps({"pid": os.getpid()}), file=told, flush=True)
        while run.epoch < run.trial.training.epochs:
            metrics = run.train_epoch()
            print(json.dumps({"params": config, "epoch": run.epoch}), file=told, flush=True)
            with tempfile.TemporaryDirectory() as folder:
                torch.save(run.state(), Path(folder, STATE))
                tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))


class _Run:
    """Model, optimizer, data and place of a trial."""

    def __init__(self, trial: Trial, start: str, store: Path) -> None:
        self.trial = trial
        self.runtime = Runtime(store=store, directory=store)
        self.prepared = open_prepared(store / "prepared" / trial.prepared)
        self.task = build_task(trial.task)
        self.model = self.task.build_model(trial.model, self.prepared, seed=trial.seed)
        load_weights(self.model, selected_weights(store / "baselines" / start))
        self.loader = Loader(
            self.task.examples(self.prepared.split("train")),
            batch_tokens=trial.training.batch_tokens,
            micro_batch_tokens=None,
            seed=trial.seed,
            rank=0,
            world_size=1,
        )
        self.updates = trial.training.epoch_updates or self.loader.updates_per_pass
        self.total_updates = self.updates * trial.training.epochs
        self.strategy = build_strategy(
            trial,
            model=self.model,
            wrap=self.runtime.wrap,
            decode=self.prepared.tokenizer("target").decode,
            total_updates=self.total_updates,
            world_size=1,
        )
        self.epoch = 0

    def train_epoch(self) -> dict[str, float]:
        """Train and validate; what was measured."""
        sums = MetricSums()
        for update in range(self.epoch * self.updates, (self.epoch + 1) * self.updates):
            step = UpdateContext(self.trial.seed, update + 1, self.total_updates, 0)
            sums.add(self.strategy.train_step(self.loader.next_update(), step))
        self.epoch += 1
        return {**sums.means(), **named(self._evaluation())}

    def _evaluation(self) -> Evaluation:
        """Of the validation set."""
        valid, decoding = self.prepared.split("valid"), self.trial.decoding
        shard = self.task.evaluate(
            self.model,
            valid,
            prepared=self.prepared,
            search=decoding.validation,
            decoding=decoding,
            device=self.runtime.device,
            seed=self.trial.seed,
        )
        return self.task.score([shard], self.task.references(valid))

    def state(self) -> dict[str, Any]:
        """From which training goes on."""
        return {
            "model": self.model.state_dict(),
            "strategy": dict(self.strategy.state_dict()),
            "loader": self.loader.state_dict(),
            "epoch": self.epoch,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.model.load_state_dict(state["model"])
        self.strategy.load_state_dict(state["strategy"])
        self.loader.load_state_dict(state["loader"])
        self.epoch = state["epoch"]


def _configured(settings: dict[str, Any], config: dict[str, Any]) -> Trial:
    settings["training"]["optimizer"]["learning_rate"] = config["learning_rate"]
    settings["strategy"] = {"name": config["strategy"]}
    return Trial.model_validate_json(json.dumps(settings))


def sweep(settings: dict[str, Any], place: Path) -> tune.ResultGrid:
    """Begin a sweep, or go on with it."""
    name, storage = "kills", place / "ray_results"
    trainable = tune.with_resources(
        tune.with_parameters(train, trial=settings["trial"], store=settings["store"], work=str(place / WORK)),
        {"cpu": 1},
    )
    if tune.Tuner.can_restore(str(storage / name)):
        return tune.Tuner.restore(str(storage / name), trainable, resume_errored=True).fit()
    return tune.Tuner(
        trainable,
        param_space={
            "learning_rate": tune.loguniform(1e-4, 1e-2),
            "strategy": tune.choice(["standard", "generative"]),
        },
        tune_config=tune.TuneConfig(
            metric="valid/loss",
            mode="min",
            search_alg=OptunaSearch(seed=1),
            scheduler=ASHAScheduler(max_t=settings["epochs"], grace_period=1, reduction_factor=2),
            num_samples=settings["trials"],
            max_concurrent_trials=1,
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(storage),
            failure_config=tune.FailureConfig(max_failures=settings["max_failures"]),
            callbacks=[MLflowLoggerCallback(tracking_uri=f"sqlite:///{place}/mlflow.db", experiment_name=name)],
            verbose=0,
        ),
    ).fit()


def main() -> int:
    """Run the sweep, or the rest of it, and leave word of its trials."""
    path = Path(sys.argv[1]).absolute()
    grid = sweep(json.loads(path.read_text(encoding="utf-8")), path.parent)
    results = [
        {
            "params": result.config,
            "checkpoint": None if result.checkpoint is None else result.checkpoint.path,
        }
        for result in grid
    ]
    (path.parent / RESULTS).write_text(json.dumps(results), encoding="utf-8")
    return 1 if grid.errors else 0


if __name__ == "__main__":
    sys.exit(main())
