"""The training loop: the same for every strategy, for one process or many, with or without Ray."""

import time
from dataclasses import dataclass, field
from typing import Any

import torch

from intelligen.config.experiment import Trial
from intelligen.config.metrics import improves
from intelligen.config.single_strategies import StandardMatched
from intelligen.data.loader import Loader
from intelligen.data.prepared import open_prepared
from intelligen.errors import StorageError
from intelligen.evaluation import Evaluation
from intelligen.models.build import build_model
from intelligen.optimization import Sums
from intelligen.strategies.base import Step, Strategy
from intelligen.strategies.build import build_strategy
from intelligen.tasks import build_task
from intelligen.training.allocator import keep_freed_memory
from intelligen.training.checkpoint import WEIGHTS, Checkpoint, Checkpoints, average_weights, load_weights
from intelligen.training.circumstances import keep_lock, require_same_data, take_lock
from intelligen.training.divergence import DivergedError, not_finite
from intelligen.training.health import sickness
from intelligen.training.history import History, Report, Sample
from intelligen.training.resources import ResourceMonitor, Usage
from intelligen.training.result import Result, claim_directory, read_result, selected_weights, write_result
from intelligen.training.runtime import Runtime
from intelligen.training.turn import Turn
from intelligen.training.validating import named, validate

FINITE_CHECK_UPDATES = 20  # reading a GPU's numbers makes it wait, so not at every update


@dataclass
class Progress:
    """All that the loop knows beside weights and optimizer; part of every checkpoint."""

    update: int = 0
    epoch: int = 0
    """Whole epochs."""
    target_tokens: int = 0
    start_metrics: dict[str, float] = field(default_factory=dict)
    """Validation metrics of the weights that a fine-tuning starts from; empty for a training from random weights."""
    best_value: float | None = None
    best_update: int = 0
    epochs_without_gain: int = 0
    rolled_back_epoch: int = 0
    """The last epoch after which training goes back to earlier weights; 0 = none."""
    adopted_epoch: int = 0
    """The last epoch after which it went on from another trial's weights; 0 = none."""
    epoch_ends: list[int] = field(default_factory=list)
    """Updates at which the last epochs ended, for averaging."""
    partial_sums: dict[str, list[float]] = field(default_factory=dict)
    """Of the epoch under way, this being a checkpoint inside it."""
    partial_seconds: float = 0.0
    partial_tokens: int = 0


def fit(trial: Trial, runtime: Runtime) -> Result:
    """Train a trial to its end, from its last checkpoint where there is one.

    Every epoch ends with validation, a durable checkpoint, a line of history and a report. When the trial
    has run its course, the weights that validation prefers are written as `selected.safetensors`.

    Args:
        trial: Complete settings.
        runtime: Where it runs.

    Returns:
        The selected weights' validation metrics.

    Raises:
        DivergedError: NaN or infinity in what is measured, or no update that fp16 would not skip.
        StorageError: A checkpoint cannot be written or read.

    """
    result = fit_turn(trial, runtime, Turn.whole(trial))
    assert result is not None
    return result


def fit_turn(trial: Trial, runtime: Runtime, turn: Turn) -> Result | None:
    """Train a trial of a population until its turn ends.

    Args:
        trial: The settings with which it began.
        runtime: Where it runs.
        turn: The settings that it has now, and how far it trains with them.

    Returns:
        The selected weights' validation metrics; none where the trial rests and is to go on.

    Raises:
        DivergedError: NaN or infinity in what is measured, or no update that fp16 would not skip.
        StorageError: A checkpoint cannot be written or read.

    """
    done = read_result(runtime.directory)
    if done is not None:
        return done
    if runtime.rank == 0:
        claim_directory(runtime.directory, trial)
    keep_freed_memory()
    return _Run(turn, runtime).train()


def epoch_updates(trial: Trial, loader: Loader) -> int:
    """Updates of each epoch of a trial."""
    updates = trial.training.epoch_updates or loader.updates_per_pass
    if isinstance(trial.strategy, StandardMatched):
        return round(updates * trial.strategy.updates_ratio)
    return updates


class _Run:
    """One process' view of a running trial."""

    def __init__(self, turn: Turn, runtime: Runtime) -> None:
        trial = turn.settings
        self.turn, self.trial, self.runtime, self.task = turn, trial, runtime, build_task(trial.task)
        self.prepared = open_prepared(runtime.store / "prepared" / trial.prepared)
        require_same_data(runtime.directory, self.prepared)
        self.model = build_model(trial.model, self.prepared.vocabularies, seed=trial.seed)
        if trial.start is not None:
            load_weights(self.model, selected_weights(runtime.store / "baselines" / trial.start))
        self.model.to(runtime.device)
        self.loader = Loader(
            self.prepared.split("train"),
            batch_tokens=trial.training.batch_tokens,
            micro_batch_tokens=trial.training.micro_batch_tokens,
            seed=trial.seed,
            rank=runtime.rank,
            world_size=runtime.world_size,
        )
        self.epoch_updates = epoch_updates(trial, self.loader)
        self.total_updates = self.epoch_updates * trial.training.epochs
        self.checkpoints = Checkpoints(runtime.directory)
        self.progress = Progress()
        self.strategy = self._strategy()
        self.last_report: Report | None = None
        self.history = self._resume()
        if runtime.rank == 0:
            self._keep_lock()

    def train(self) -> Result | None:
        if self.trial.start is not None and self.progress.update == 0:
            self._measure_start()
        if self.last_report is not None:
            self.runtime.resumed(self.last_report)
        patience = self.trial.training.patience
        while True:
            sick = self._sickness()
            if sick is not None:
                return self._select(f"sick: {sick}", healthy=False)
            if self.progress.epoch == self.trial.training.epochs:
                return self._select("ran its course")
            if patience is not None and self.progress.epochs_without_gain >= patience:
                return self._select(f"no better validation score for {patience} epochs")
            if self.progress.epoch >= self.turn.until_epoch:
                return None
            self._epoch()

    def _keep_lock(self) -> None:
        """Write down what the numbers will follow from, before there are any."""
        place, trial = self.runtime, self.trial
        threads, processes = torch.get_num_threads(), place.world_size
        lock = take_lock(trial, store=place.store, device=place.device, threads=threads, processes=processes)
        keep_lock(place.directory, lock, update=self.progress.update)

    def _measure_start(self) -> None:
        """Validate the weights that the fine-tuning starts from: its strategy and its health are judged by them."""
        evaluation, _ = self._validated()
        self.progress.start_metrics = dict(named(evaluation))
        self.strategy.objective.observe(self.progress.start_metrics, epoch=0)

    def _sickness(self) -> str | None:
        """Rank 0 keeps the history, so it is the one to judge."""
        start = self.progress.start_metrics
        if not start or self.history is None:
            return self.runtime.broadcast(None)
        # What led to a roll-back has been mended by it, and other weights have another past.
        since = max(self.progress.rolled_back_epoch, self.progress.adopted_epoch)
        epochs = [report.metrics for report in self.history.reports if report.epoch > since]
        found = sickness(self.trial.training.health, start, epochs, watched=self.task.watched)
        return self.runtime.broadcast(found)

    def _strategy(self) -> Strategy:
        return build_strategy(
            self.trial,
            model=self.model,
            wrap=self.runtime.wrap,
            decode=self.prepared.tokenizer("target").decode,
            total_updates=self.total_updates,
            world_size=self.runtime.world_size,
        )

    def _resume(self) -> History | None:
        """Take up the last checkpoint; every rank follows rank 0's choice of it."""
        latest = self.runtime.broadcast(self.checkpoints.latest() if self.runtime.rank == 0 else None)
        history = History(self.runtime.directory) if self.runtime.rank == 0 else None
        if latest is not None:
            meta = dict(latest.meta)
            adopts = self._adopts(latest)
            trained = self.checkpoints.adopted(latest.update) if adopts else latest
            load_weights(self.model, trained.path / WEIGHTS)
            self.strategy.load_state_dict(trained.training_state())
            self.loader.load_state_dict(meta.pop("loader"))
            report = meta.pop("report")
            self.progress = Progress(**meta)
            if adopts:
                self._begin_anew()
            if self.runtime.rank > 0:
                self.progress.partial_sums = {}  # they are of all ranks together: rank 0 carries them on
            self.last_report = None if report is None else Report.from_json(report)
            if history is not None and self.last_report is not None:
                # Killed between checkpoint and history: the checkpoint holds the report.
                history.append(self.last_report)
        if history is not None:
            history.truncate(after_epoch=self.progress.epoch)
            history.require_epochs(self.progress.epoch)
        return history

    def _adopts(self, latest: Checkpoint) -> bool:
        """Whether it is to go on from another trial's weights, and has not begun to."""
        adopted = self.turn.adopted_update
        if adopted is not None and latest.update < adopted:
            raise StorageError(f"{latest.path}: it takes over at update {adopted}, and what it had by then is damaged")
        return latest.update == adopted

    def _begin_anew(self) -> None:
        """With another trial's weights: what was to be averaged, waited for or rolled back belongs to those before."""
        progress = self.progress
        progress.adopted_epoch = progress.epoch
        progress.epoch_ends, progress.epochs_without_gain, progress.rolled_back_epoch = [], 0, 0

    def _epoch(self) -> None:
        """Train one epoch (or the rest of it), validate, checkpoint, report."""
        progress = self.progress
        begins = progress.update == progress.epoch * self.epoch_updates
        if begins and progress.epoch and progress.rolled_back_epoch == progress.epoch:
            self._roll_back()
        with ResourceMonitor(self.runtime.device) as monitor:
            sums, seconds, tokens = self._train_to(
                (progress.epoch + 1) * self.epoch_updates, sums=Sums.from_lists(progress.partial_sums)
            )
            validation_start = time.perf_counter()
            evaluation, samples = self._validated()
            validation_s = time.perf_counter() - validation_start
        usages = self.runtime.gather(monitor.usage())
        progress.epoch += 1
        progress.partial_sums, progress.partial_seconds, progress.partial_tokens = {}, 0.0, 0
        metrics = {
            **self._gathered(sums).means(),
            **named(evaluation),
            "time/epoch_s": seconds,
            "time/validation_s": validation_s,
            "throughput/target_tokens_per_s": tokens / seconds,
            "cost/device_s": (seconds + validation_s) * self.runtime.world_size,
            **Usage.metrics(usages),
        }
        self._note_best(metrics[self.trial.task.selection_metric])
        report = self.runtime.broadcast(
            Report(
                epoch=progress.epoch,
                update=progress.update,
                target_tokens=progress.target_tokens,
                time_ms=int(time.time() * 1000),
                metrics=metrics,
                tags={**evaluation.signatures, **Usage.tags(usages)},
                samples=samples,
            )
        )
        if self.strategy.objective.observe(report.metrics, epoch=progress.epoch):
            # Only once the next epoch begins: this one's checkpoint is to hold the weights that it measured.
            progress.rolled_back_epoch = progress.epoch
        self._checkpoint(report)
        if self.history is not None:
            self.history.append(report)
        self.runtime.report(report)

    def _roll_back(self) -> None:
        """Go on from the best weights so far; updates, data order and history go on too."""
        progress, metric, start = self.progress, self.trial.task.selection_metric, self.trial.start
        assert progress.best_value is not None
        assert start is not None
        if self._better(progress.best_value, progress.start_metrics[metric]):
            best = self.checkpoints.at(progress.best_update)
            load_weights(self.model, best.path / WEIGHTS)
            self.strategy.roll_back(best.training_state())
        else:
            load_weights(self.model, selected_weights(self.runtime.store / "baselines" / start))
            self.strategy.forget_moments()

    def _train_to(self, last_update: int, *, sums: Sums) -> tuple[Sums, float, int]:
        """Updates up to and including `last_update`: what they summed to, their seconds, their target tokens."""
        progress, every = self.progress, self.trial.training.checkpoint_updates
        start, before = time.perf_counter(), progress.partial_seconds
        while progress.update < last_update:
            progress.update += 1
            micro_batches = self.loader.next_update()
            step = Step(self.trial.seed, progress.update, self.total_updates, self.runtime.rank)
            sums.add(self.strategy.train_step([batch.to(self.runtime.device) for batch in micro_batches], step))
            progress.target_tokens += micro_batches[0].update_targets
            progress.partial_tokens += micro_batches[0].update_targets
            self.runtime.updated(progress.update, self.total_updates)
            saves = every is not None and progress.update % every == 0 and progress.update < last_update
            if saves or progress.update % FINITE_CHECK_UPDATES == 0 or progress.update == last_update:
                self._require_finite(sums)
            if saves:
                progress.partial_seconds = before + time.perf_counter() - start
                progress.partial_sums = self._gathered(sums).to_lists()
                self._checkpoint(None)
        return sums, before + time.perf_counter() - start, progress.partial_tokens

    def _require_finite(self, sums: Sums) -> None:
        """All ranks hear the same, so all of them stop at the same update."""
        why = self.strategy.divergence() or not_finite(self._gathered(sums).means())
        if why is not None:
            update = self.progress.update
            raise DivergedError(f"diverged: {why} by update {update}; lower the learning rate or warm up longer")

    def _validated(self) -> tuple[Evaluation, tuple[Sample, ...]]:
        """Validate the weights as they are now."""
        evaluation, samples = validate(self.model, self.trial, self.prepared, self.runtime)
        why = not_finite(named(evaluation))
        if why is not None:
            raise DivergedError(f"diverged: {why} at update {self.progress.update}; lower the learning rate")
        return evaluation, samples

    def _gathered(self, sums: Sums) -> Sums:
        total = Sums()
        for pairs in self.runtime.gather(sums.to_lists()):
            total.add(Sums.from_lists(pairs))
        return total

    def _note_best(self, value: float) -> None:
        progress = self.progress
        progress.epoch_ends = [*progress.epoch_ends, progress.update][-self.trial.training.average_last :]
        if progress.best_value is None or self._better(value, progress.best_value):
            progress.best_value, progress.best_update, progress.epochs_without_gain = value, progress.update, 0
        else:
            progress.epochs_without_gain += 1

    def _better(self, value: float, than: float) -> bool:
        return improves(self.trial.task.selection_metric, value, than=than)

    def _checkpoint(self, report: Report | None) -> None:
        """Write a checkpoint on rank 0 and delete those that nothing needs any more."""
        if self.runtime.rank == 0:
            progress = self.progress
            meta: dict[str, Any] = {
                **vars(progress),
                "loader": self.loader.state_dict(),
                "report": None if report is None else report.to_json(),
            }
            self.checkpoints.save(progress.update, model=self.model, training=self.strategy.state_dict(), meta=meta)
            self.checkpoints.keep_only({progress.update, progress.best_update, *progress.epoch_ends})
        self.runtime.broadcast(None)

    def _validated_at(self, update: int) -> dict[str, float]:
        """What the epoch that ended at an update scored; rank 0 knows."""
        if self.history is None:
            return {}
        (report,) = (report for report in self.history.reports if report.update == update)
        return {name: value for name, value in report.metrics.items() if name.startswith("valid/")}

    def _select(self, stop_reason: str, *, healthy: bool = True) -> Result:
        """The best checkpoint or the average of the last ones, whichever validation prefers."""
        progress, metric = self.progress, self.trial.task.selection_metric
        metrics = self.runtime.broadcast(self._validated_at(progress.best_update))
        selected = f"best of {progress.epoch} epochs (update {progress.best_update})"
        best = self.checkpoints.weights(progress.best_update)
        load_weights(self.model, best)
        if len(progress.epoch_ends) > 1:
            load_weights(self.model, average_weights([self.checkpoints.weights(u) for u in progress.epoch_ends]))
            averaged = dict(named(validate(self.model, self.trial, self.prepared, self.runtime)[0]))
            if self._better(averaged[metric], metrics[metric]):
                metrics, selected = averaged, f"average of the last {len(progress.epoch_ends)} epochs"
            else:
                load_weights(self.model, best)
        result = Result(selected, metrics, stop_reason, healthy=healthy)
        if self.runtime.rank == 0:
            result = write_result(self.runtime.directory, result, model=self.model)
        return self.runtime.broadcast(result)
