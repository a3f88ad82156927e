"""A trained model: loaded, evaluated on test sets by the weights that validation selected."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypedDict

import torch
from torch import nn

from intelligen.config.schema.decoding import Decoding, DecodingSearch
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.model import Model
from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.config.schema.stages_after_search import scored_as
from intelligen.data.data_manifest import SplitReport
from intelligen.data.new_test_set import NewTestSet
from intelligen.data.prepared_data import Prepared, Split, open_prepared
from intelligen.data.pretrained_shape import shape_alone
from intelligen.errors import ConfigError
from intelligen.evaluation import RESAMPLES, Evaluation, Interval, interval
from intelligen.evaluation.answer_columns import AnswerColumn
from intelligen.evaluation.learned_metric import PairModel, with_learned
from intelligen.models.matmul import use_matmul
from intelligen.state import layout
from intelligen.state.atomic_files import sha256
from intelligen.state.pretrained_place import placed
from intelligen.state.trial_result import read_trial
from intelligen.tasks import AnyTask, build_task
from intelligen.training.checkpoint import load_weights
from intelligen.training.evaluation_memory import evaluate_within_memory
from intelligen.training.matmul_choice import recorded_matmul
from intelligen.training.memory_allocator import keep_freed_memory
from intelligen.training.reproducibility_manifest import require_same_data
from intelligen.training.scores_file import Scores, read_scores, score_files, scored_split, write_scores
from intelligen.training.selected_weights import selected_weights

_SHOWN = 3
"""Rows whose answers are shown side by side."""


class _HowToDecode(TypedDict):
    prepared: Prepared
    search: DecodingSearch
    decoding: Decoding
    device: torch.device
    seed: int


@dataclass(frozen=True)
class SplitScore:
    """What a model scores on one split, or on a new test set."""

    split: str
    """Its name."""
    report: SplitReport
    """What was found in its data."""
    search: DecodingSearch | None
    """None where the model writes no text."""
    evaluation: Evaluation
    intervals: Mapping[str, Interval]
    """Metric → its score with the 95 % bootstrap interval over rows, of those that the task reports so."""
    task: AnyTask
    """How it is scored."""
    path: Path
    """Where scores and hypotheses are kept."""
    files: dict[str, str] | None
    """File → SHA-256 of a new test set; none where it is a split."""
    caution: str | None
    """Why its scores say little; none where they do not."""
    columns: tuple[AnswerColumn, ...] = ()
    """What else would have been said, beside what the model says, where that was asked for and the task shows it."""
    samples: tuple[tuple[str, str], ...] = ()
    """Inputs and references of the first rows, for people."""

    def metrics(self, name: str | None = None) -> dict[str, float]:
        """`test/bleu`, `test/bleu_low`, …, after the split or another name."""
        return named_scores(name or self.split, self.evaluation, self.intervals)


@dataclass(frozen=True)
class TrainedModel:
    """The selected weights of a trial directory, ready to decode."""

    directory: Path
    trial: Trial
    task: AnyTask
    model: nn.Module
    prepared: Prepared
    device: torch.device
    weights: str
    """Their SHA-256."""

    @classmethod
    def load(cls, directory: Path, *, store: Path, device: torch.device) -> "TrainedModel":
        """Read a trial directory; from now on this process computes products as the trial did, and keeps freed memory.

        Of a pre-trained model all weights are in it, unless only an adapter was trained: that needs the model's own
        directory.

        Raises:
            ChangedError: The prepared data are not those that it was trained on, or the model beside its adapter is
                another one.
            DataError: It is no trial's directory, none of its epochs has ended, or the model beside its adapter is
                gone.
            StorageError: The weights or the prepared data are damaged.

        """
        keep_freed_memory()
        trial = read_trial(directory)
        prepared = open_prepared(layout.prepared(store, trial.prepared))
        require_same_data(directory, prepared)
        use_matmul(recorded_matmul(directory) or "mkl")
        task = build_task(trial.task)
        weights = selected_weights(directory)
        with _buildable(trial.model, prepared, store) as settings:
            model = task.build_model(settings, prepared, seed=trial.seed)
        load_weights(model, weights)
        model.cuda_graphs = trial.decoding.cuda_graphs and device.type == "cuda"
        return cls(directory, trial, task, model.to(device).eval(), prepared, device, sha256(weights))

    def score(
        self,
        split: str,
        *,
        search: DecodingSearch | None = None,
        compared: bool = False,
        learned: PairModel | None = None,
    ) -> SplitScore:
        """Decode and score a split; hypotheses go to a file in the trial's directory (`training.scores_file`).

        Args:
            split: Its name.
            search: The trial's own test search where not given; models that write no text have none.
            compared: Whether `SplitScore.columns` are wanted.
            learned: A learned metric by which its texts are scored, too.

        """
        report = self.prepared.manifest.splits[split]
        return self._score(self.prepared.split(split), report, search, compared=compared, learned=learned)

    def score_new(
        self, test_set: NewTestSet, *, search: DecodingSearch | None = None, compared: bool = False
    ) -> SplitScore:
        """Decode and score a new test set; hypotheses go to `scores/NAME-SEARCH.json` in the trial's directory.

        No other part of the trial's record takes it up: neither ledger nor MLflow, neither report nor replay.

        Args:
            test_set: Its name and files.
            search: The trial's own test search where not given.
            compared: Whether `SplitScore.columns` are wanted.

        Raises:
            ConfigError: One of the splits has that name.
            DataError: Its files are missing, empty or malformed.

        """
        # Some file systems take names that differ in case alone for one.
        if test_set.name.lower() in map(str.lower, self.prepared.splits):
            raise ConfigError(f"{test_set.name}: {self.directory} has a split of that name; give the test set another")
        with test_set.encoded(self.prepared, self.trial.task.columns) as (split, report):
            return self._score(split, report, search, files=test_set.hashes(), compared=compared)

    def _score(
        self,
        split: Split,
        report: SplitReport,
        search: DecodingSearch | None,
        *,
        files: dict[str, str] | None = None,
        compared: bool = False,
        learned: PairModel | None = None,
    ) -> SplitScore:
        task, decoding = self.task, self.trial.decoding
        search = search or decoding.test if task.settings.writes_text else None

        def how(bounded: Decoding) -> _HowToDecode:
            return {
                "prepared": self.prepared,
                "search": search or decoding.test,
                "decoding": bounded,
                "device": self.device,
                "seed": self.trial.seed,
            }

        within_memory = partial(
            evaluate_within_memory,
            decoding=decoding,
            lengths=lambda: task.examples(split, self.prepared).lengths,
            device=self.device,
        )
        shards = within_memory(lambda bounded: task.evaluate(self.model, split, **how(bounded))).values
        references = task.references(split)
        evaluation = task.score(shards, references)
        (described,) = within_memory(
            lambda bounded: task.described(self.model, split, evaluation, **how(bounded))
        ).values
        evaluation = replace(evaluation, metrics={**evaluation.metrics, **described})
        if learned is not None:
            several = any(column.several for column in task.settings.columns)
            evaluation = with_learned(evaluation, references, learned, several=several)
        intervals = {one.name: interval(evaluation.hypotheses, references, metric=one) for one in task.reported}
        scores = Scores(
            search=search,
            metrics=named_scores(split.name, evaluation, intervals),
            intervals=intervals,
            resamples=RESAMPLES,
            signatures=dict(evaluation.signatures),
            hypotheses=tuple(evaluation.hypotheses),
            weights=self.weights,
            files=files,
        )
        path = write_scores(self.directory, split.name, scores, decoding=decoding)
        caution = task.caution(split.name, references)
        columns: tuple[AnswerColumn, ...] = ()
        if compared:
            (columns,) = within_memory(
                lambda bounded: task.answer_columns(self.model, split, evaluation, **how(bounded))
            ).values
        shown = tuple(islice(zip(task.inputs(split), references, strict=True), _SHOWN)) if columns else ()
        return SplitScore(split.name, report, search, evaluation, intervals, task, path, files, caution, columns, shown)


def _buildable(model: Model, prepared: Prepared, store: Path) -> AbstractContextManager[Model]:
    """Settings by which a network is built that the trained weights are loaded into."""
    if isinstance(model, Pretrained) and model.lora is not None:
        return nullcontext(placed(model, store))
    return shape_alone(model, prepared)


def named_scores(name: str, evaluation: Evaluation, intervals: Mapping[str, Interval]) -> dict[str, float]:
    """`test/bleu`, `test/bleu_low`, …, after the split or another name."""
    return {f"{name}/{metric}": value for metric, value in evaluation.metrics.items()} | bounds(name, intervals)


def bounds(name: str, intervals: Mapping[str, Interval]) -> dict[str, float]:
    """`test/bleu_low` and `test/bleu_high`, after a split or another name, of each metric's interval."""
    found: dict[str, float] = {}
    for metric, one in intervals.items():
        found |= {f"{name}/{metric}_low": one.low, f"{name}/{metric}_high": one.high}
    return found


def present_bounds(directory: Path, scores: Mapping[str, float], *, store: Path) -> dict[str, float]:
    """The bounds of a trial's recorded scores as `interval` has them now, where others or none were recorded.

    Files of earlier revisions, whose bounds were others or of another metric than the one that ranks, are brought up
    to date from their hypotheses.

    Args:
        directory: The trial's.
        scores: Recorded, under their names: `test/bleu`, …
        store: Holds the prepared data.

    Raises:
        StorageError: A file is damaged, or cannot be written.

    """
    trial = read_trial(directory)
    ranking = trial.task.reported_scores[0]
    found: dict[str, float] = {}
    for path in score_files(directory):
        stored, split = read_scores(path), scored_split(path)
        name = scored_as(split, stored.search, trial.decoding)
        recorded = scores.get(f"{name}/{ranking}")
        usual = split if stored.search is None else f"{split}-{stored.search.name}"
        if path.stem != usual or recorded != stored.metrics[f"{split}/{ranking}"]:
            continue  # decoded by other settings: it is not what was recorded
        now = _up_to_date(stored, split, trial, store=store)
        if now is not stored:
            write_scores(directory, split, now, decoding=trial.decoding)
        found |= bounds(name, now.intervals)
    return {name: value for name, value in found.items() if scores.get(name) != value}


def _up_to_date(stored: Scores, split: str, trial: Trial, *, store: Path) -> Scores:
    """The same scores, with an interval of each metric that the task reports so."""
    known = stored.intervals if stored.resamples else {}
    task = build_task(trial.task)
    missing = [metric for metric in task.reported if metric.name not in known]
    if not missing:
        return stored
    references = task.references(open_prepared(layout.prepared(store, trial.prepared)).split(split))
    found = {metric.name: interval(stored.hypotheses, references, metric=metric) for metric in missing}
    intervals = {**known, **found}
    changes = {"intervals": intervals, "metrics": stored.metrics | bounds(split, intervals), "resamples": RESAMPLES}
    return stored.model_copy(update=changes)
