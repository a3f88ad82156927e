"""Ray workers: run `fit` for a trial and report to Ray; nothing here talks to MLflow."""

import gc
import json
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, final

import ray
import ray.train
import ray.train.torch
import torch
from ray import tune
from ray.tune.integration.ray_train import TuneReportCallback

from intelligen.config.schema.compute import Matmul
from intelligen.config.schema.experiment import stored_trial
from intelligen.config.schema.resources import Resources
from intelligen.config.schema.stages_after_search import Scoring, scored_as
from intelligen.state.failure_file import read_failure, write_failure
from intelligen.state.heartbeat import heartbeat
from intelligen.state.history import HISTORY_FILE, Report, read_history
from intelligen.state.trial_result import read_trial
from intelligen.sweep.execution.epoch_gate import wait_at_gate
from intelligen.sweep.execution.failure_causes import OWN, at_host, fault_of, unwrapped
from intelligen.sweep.execution.gloo_rendezvous import Rendezvous
from intelligen.sweep.execution.trial_log import trial_log
from intelligen.sweep.execution.worker_groups import GroupTrainer
from intelligen.tasks import build_task
from intelligen.training.fit import fit_interval
from intelligen.training.memory_allocator import return_freed_memory
from intelligen.training.report_line import memory_words, report_line
from intelligen.training.reproducibility_manifest import processor
from intelligen.training.runtime import Runtime
from intelligen.training.train_interval import TrainInterval
from intelligen.training.trained_model import TrainedModel


@final
class WorkerConfig(TypedDict):
    """What a process needs to work on a trial; plain values, since Ray stores it."""

    trial: str
    """The trial's settings as JSON."""
    row: str
    """Of the sweep's table."""
    store: str
    directory: str
    resources: str
    """The Resources settings as JSON."""
    epochs: int
    """Epochs of a trial that finishes; it is not stopped after the last one."""
    settings: str
    """As JSON: with what it trains now. They are the trial's own, unless it exploited another one."""
    until_epoch: int
    """After which it is paused, in a population; its last epoch elsewhere."""
    adopted_update: int | None
    """Of the other trial's checkpoint from which it goes on."""
    matmul: dict[str, Matmul]
    """Name of a processor → by what a trial that begins there computes products; `mkl` on others."""
    memory_hints: dict[str, int]
    """As `Runtime` has them."""


@final
class ScoringConfig(TypedDict):
    """What a process needs to score a model on its test sets."""

    directory: str
    """The trial's."""
    store: str
    resources: str
    """The Resources settings as JSON."""
    scoring: str
    """The Scoring settings as JSON."""


SCORES = "scores"
"""What a scoring reports to Tune: the scores as JSON, which Tune takes for one value."""


def run_in_actor(config: WorkerConfig | ScoringConfig) -> dict[str, Any] | None:
    """What Tune calls a trial, inside its (reused) actor: a trial of one worker, or the scoring of one."""
    if "scoring" in config:
        scores = score(config["directory"], config["store"], config["resources"], config["scoring"])
        tune.report({SCORES: json.dumps(scores), "training_iteration": 1})
        return None
    return run_trial(config)


def run_trial(config: WorkerConfig) -> dict[str, Any] | None:
    """A trial of one worker: `fit`, and reports to Tune."""
    directory = Path(config["directory"])
    if read_failure(directory) is not None:
        return _last_result(directory)  # the last attempt was ended for good
    _return_free_memory()
    try:
        _fit(config, device=_device(config), echo=True, report=lambda report: tune.report(_tune_metrics(report)))
    except OWN as error:
        # Trying again would end the same way, so Tune is not to see a crash.
        write_failure(directory, str(error))
    except Exception as error:
        raise at_host(error, directory=directory) from error
    return _last_result(directory)


def run_distributed_trial(config: WorkerConfig) -> dict[str, Any] | None:
    """A Tune trial of several workers: this driver holds no processor and waits for its Ray Train group."""
    directory = Path(config["directory"])
    try:
        trainer(config, name=f"train-{directory.name}", gated=True).fit()
    except ray.train.TrainingFailedError as error:
        raise fault_of(error, directory=directory) or unwrapped(error, directory=directory) from None
    return _last_result(directory)


def trainer(config: WorkerConfig, *, name: str, gated: bool = False) -> GroupTrainer:
    """A Ray Train run over the workers that the resources ask for; `gated` ones report to Tune."""
    resources = Resources.model_validate_json(config["resources"])
    storage = Path(config["directory"]) / "ray"
    shutil.rmtree(storage, ignore_errors=True)  # nothing of ours is in it, and a kill may have left it damaged
    gpus: dict[str, float] = {"GPU": resources.gpus} if resources.gpus else {}
    return GroupTrainer(
        run_gated_worker if gated else run_worker,
        train_loop_config=dict(config),
        torch_config=Rendezvous(),
        scaling_config=ray.train.ScalingConfig(
            num_workers=resources.workers,
            use_gpu=resources.gpus > 0,
            resources_per_worker={"CPU": resources.cpus_per_worker, **gpus},
        ),
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=str(storage),
            callbacks=[TuneReportCallback()] if gated else [],
            # Who tries again is decided by `attempts`. A starved controller retries for ever unless it is bounded.
            failure_config=ray.train.FailureConfig(
                max_failures=0, controller_failure_limit=3, max_preemption_failures=0
            ),
        ),
    )


def run_gated_worker(config: WorkerConfig) -> None:
    """One process of a Ray Train group that Tune may stop: Train would have it run ahead of its reports."""

    def report(epoch: Report) -> None:
        ray.train.report(_tune_metrics(epoch))
        wait_at_gate(Path(config["directory"]), epoch.epoch)

    _work_in_group(config, report)


def run_worker(config: WorkerConfig) -> None:
    """One process of a Ray Train group that is not stopped early."""
    _work_in_group(config, lambda report: ray.train.report(_tune_metrics(report)))


def _work_in_group(config: WorkerConfig, report: Callable[[Report], None]) -> None:
    directory = Path(config["directory"])
    if read_failure(directory) is not None:
        return  # on every rank: whoever ended the group's last attempt did so for this trial's whole life
    try:
        _fit(
            config,
            device=_device(config, ray.train.torch.get_device()),
            echo=False,  # Ray Train logs whatever its workers print
            report=report,
        )
    except OWN as error:
        # All ranks see the same gradient norm, so all of them end here, and a restart would too.
        if ray.train.get_context().get_world_rank() == 0:
            write_failure(directory, str(error))
    except Exception as error:
        raise at_host(error, directory=directory) from error


def _device(config: WorkerConfig, given: torch.device | None = None) -> torch.device:
    """Where the trial computes; a GPU that it is to use is used once, so that what keeps it from that is known."""
    if not Resources.model_validate_json(config["resources"]).gpus:
        return given or torch.device("cpu")
    device = given if given is not None and given.type != "cpu" else torch.device("cuda", 0)
    torch.empty(1, device=device)
    return device


def _fit(config: WorkerConfig, *, device: torch.device, echo: bool, report: Callable[[Report], None]) -> None:
    resources = Resources.model_validate_json(config["resources"])
    torch.set_num_threads(resources.cpus_per_worker)
    store, directory = Path(config["store"]), Path(config["directory"])
    matmul = config["matmul"].get(processor(), "mkl")
    runtime = Runtime(store, directory, device=device, matmul=matmul, memory_hints=config["memory_hints"])
    trial = stored_trial(config["trial"])
    metrics = build_task(trial.task).metrics
    with (
        trial_log(runtime.directory, rank=runtime.rank, echo=echo) as log,
        heartbeat(runtime.directory, rank=runtime.rank) as beat,
    ):
        ended: list[Report] = []

        def report_epoch(epoch: Report) -> None:
            beat()
            log.info("%s", report_line(epoch, metrics))
            ended.append(epoch)
            report(epoch)

        log.info(
            "starts on host %s as process %d, %s, rank %d of %d",
            socket.gethostname(),
            os.getpid(),
            device,
            runtime.rank,
            runtime.world_size,
        )
        reporting = replace(
            runtime,
            report=report_epoch,
            resumed=report,
            noted=lambda line: log.info("%s", line),
            updated=lambda *_: beat(),
        )
        result = fit_interval(trial, reporting, _interval(config))
        if result is None:
            log.info("paused after epoch %d, until the rest of its population has caught up", config["until_epoch"])
        else:
            memory = f"; {memory_words(ended)}" if ended else ""
            log.info("ends: %s; selected: %s%s", result.stop_reason, result.selected, memory)


def _interval(config: WorkerConfig) -> TrainInterval:
    settings = stored_trial(config["settings"])
    return TrainInterval(settings, config["until_epoch"], config["adopted_update"])


def _return_free_memory() -> None:
    """Give what a trial or its test freed back to the system: Ray goes on with the process, or lets it wait."""
    return_freed_memory()
    if not gc.get_freeze_count():
        # Most of what there is at first are imports: looking through them takes a quarter of a second.
        gc.freeze()


def _last_result(directory: Path) -> dict[str, Any] | None:
    """What Tune's own record is to say of a trial that failed for good: a crash, which it knows, it would try again."""
    reason = read_failure(directory)
    if reason is None:
        return None
    epochs = len(read_history(directory / HISTORY_FILE))
    # A result that is `done` is no epoch's: Tune shows it to neither scheduler nor search.
    return {"failure": reason, "training_iteration": epochs, "done": True}


def _tune_metrics(report: Report) -> dict[str, Any]:
    # Tune counts iterations itself, from 1 again after a resume, unless it is given.
    return {**report.metrics, "training_iteration": report.epoch}


@ray.remote(max_retries=0)  # type: ignore[untyped-decorator] # Ray is not typed; who tries again is decided by `Tries`
def score_tests(directory: str, store: str, resources_json: str, scoring_json: str) -> dict[str, float]:
    """`score` as a task."""
    return score(directory, store, resources_json, scoring_json)


def score(directory: str, store: str, resources_json: str, scoring_json: str) -> dict[str, float]:
    """Every test set of a trial's data, decoded by its selected weights with each search.

    Raises:
        IntelligenError: A fault of host or cluster, with the host's name.

    """
    try:
        with heartbeat(Path(directory), rank=0):  # by which it is known whether it was killed for memory
            return _score_tests(directory, store, resources_json, scoring_json)
    except Exception as error:
        raise at_host(error, directory=Path(directory)) from error
    finally:
        _return_free_memory()


def _score_tests(directory: str, store: str, resources_json: str, scoring_json: str) -> dict[str, float]:
    resources, scoring = Resources.model_validate_json(resources_json), Scoring.model_validate_json(scoring_json)
    torch.set_num_threads(resources.cpus_per_worker)
    device = torch.device("cuda", 0) if resources.gpus else torch.device("cpu")
    trained = TrainedModel.load(Path(directory), store=Path(store), device=device)
    trial, scores = read_trial(Path(directory)), dict[str, float]()
    learned = None
    if scoring.learned_metric is not None:
        from intelligen.models.pretrained.regression import load_regression  # heavy, and most sweeps have none

        learned = load_regression(scoring.learned_metric, device)
    for split in set(trained.prepared.splits) - {"train", "valid"}:
        for search in scoring.of(trial.decoding) if trial.task.writes_text else (None,):
            scored = trained.score(split, search=search, learned=learned)
            scores.update(scored.metrics(scored_as(split, search, trial.decoding)))
    return scores
