"""A test set is decoded by the weights that validation selected, and its hypotheses are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from intelligen import layout
from intelligen.config.decoding import Search
from intelligen.config.stages import scored_as
from intelligen.data.bleu import unspaced_references
from intelligen.data.manifest import SplitReport
from intelligen.data.new_test_set import NewTestSet
from intelligen.data.prepared import Prepared, Split, open_prepared
from intelligen.errors import ConfigError
from intelligen.evaluation import RESAMPLES, Evaluation, Interval, bleu_interval, evaluate_shard, score
from intelligen.models.build import build_model
from intelligen.models.interfaces import Generator
from intelligen.training.checkpoint import load_weights, sha256
from intelligen.training.circumstances import require_same_data
from intelligen.training.result import read_trial, selected_weights
from intelligen.training.scored import Scores, read_scores, score_files, scored_split, write_scores


@dataclass(frozen=True)
class SplitScore:
    """What a model scores on one split, or on a new test set."""

    split: str
    """Its name."""
    report: SplitReport
    """What was found in its data."""
    search: Search
    evaluation: Evaluation
    bleu: Interval
    """With its 95 % bootstrap interval over sentences."""
    path: Path
    """Where scores and hypotheses are kept."""
    files: dict[str, str] | None
    """File → SHA-256 of a new test set; none where it is a split."""
    unspaced: str | None
    """Why its BLEU says little, where the words of its references are not apart."""

    def metrics(self, name: str | None = None) -> dict[str, float]:
        """`test/bleu`, `test/bleu_low`, …, after the split or another name."""
        return named_scores(name or self.split, self.evaluation, self.bleu)


@dataclass(frozen=True)
class TrainedModel:
    """The selected weights of a trial directory, ready to decode."""

    directory: Path
    model: Generator
    prepared: Prepared
    device: torch.device
    weights: str
    """Their SHA-256."""

    @classmethod
    def load(cls, directory: Path, *, store: Path, device: torch.device) -> "TrainedModel":
        """Read a trial directory.

        Raises:
            ChangedError: The prepared data are not those that it was trained on.
            DataError: It is no trial's directory, or none of its epochs has ended.
            StorageError: The weights or the prepared data are damaged.

        """
        trial = read_trial(directory)
        prepared = open_prepared(layout.prepared(store, trial.prepared))
        require_same_data(directory, prepared)
        model = build_model(trial.model, prepared.vocabularies, seed=trial.seed)
        weights = selected_weights(directory)
        load_weights(model, weights)
        return cls(directory, model.to(device).eval(), prepared, device, sha256(weights))

    def score(self, split: str, *, search: Search | None = None) -> SplitScore:
        """Decode and score a split; hypotheses go to `scores/SPLIT-SEARCH.json` in the trial's directory.

        Args:
            split: Its name.
            search: The trial's own test search where not given.

        """
        return self._score(self.prepared.split(split), self.prepared.manifest.splits[split], search)

    def score_new(self, test_set: NewTestSet, *, search: Search | None = None) -> SplitScore:
        """Decode and score a new test set; hypotheses go to `scores/NAME-SEARCH.json` in the trial's directory.

        No other part of the trial's record takes it up: neither ledger nor MLflow, neither report nor replay.

        Args:
            test_set: Its name and files.
            search: The trial's own test search where not given.

        Raises:
            ConfigError: One of the splits has that name.
            DataError: Its files are missing, empty or malformed.

        """
        # Some file systems take names that differ in case alone for one.
        if test_set.name.lower() in map(str.lower, self.prepared.splits):
            raise ConfigError(f"{test_set.name}: {self.directory} has a split of that name; give the test set another")
        with test_set.encoded(self.prepared) as (split, report):
            files = {str(path): sha256(path) for path in test_set.files}
            return self._score(split, report, search, files=files)

    def _score(
        self, split: Split, report: SplitReport, search: Search | None, *, files: dict[str, str] | None = None
    ) -> SplitScore:
        trial = read_trial(self.directory)
        task = trial.task
        search = search or trial.decoding.test
        shard = evaluate_shard(
            self.model,
            split,
            vocabulary=self.prepared.tokenizer("target"),
            search=search,
            decoding=trial.decoding,
            device=self.device,
            tokenizer=task.tokenizer,
            seed=trial.seed,
        )
        references = split.texts("target")
        evaluation = score([shard], references, tokenizer=task.tokenizer, moses_language=task.moses_bleu)
        bleu = bleu_interval(evaluation.hypotheses, references, tokenizer=task.tokenizer)
        scores = Scores(
            search=search,
            metrics=named_scores(split.name, evaluation, bleu),
            bleu=bleu,
            resamples=RESAMPLES,
            signatures=dict(evaluation.signatures),
            hypotheses=tuple(evaluation.hypotheses),
            weights=self.weights,
            files=files,
        )
        path = write_scores(self.directory, split.name, scores, decoding=trial.decoding)
        unspaced = unspaced_references(task, split.name, references)
        return SplitScore(split.name, report, search, evaluation, bleu, path, files, unspaced)


def named_scores(name: str, evaluation: Evaluation, bleu: Interval) -> dict[str, float]:
    """`test/bleu`, `test/bleu_low`, …, after the split or another name."""
    return {f"{name}/{metric}": value for metric, value in evaluation.metrics.items()} | bounds(name, bleu)


def bounds(name: str, bleu: Interval) -> dict[str, float]:
    """`test/bleu_low` and `test/bleu_high`, after a split or another name."""
    return {f"{name}/bleu_low": bleu.low, f"{name}/bleu_high": bleu.high}


def present_bounds(directory: Path, scores: Mapping[str, float], *, store: Path) -> dict[str, float]:
    """The bounds of a trial's recorded scores as `bleu_interval` has them now, where others were recorded.

    The files of the first revisions, whose bounds were others, are brought up to date from their hypotheses.

    Args:
        directory: The trial's.
        scores: Recorded, under their names: `test/bleu`, …
        store: Holds the prepared data.

    Raises:
        StorageError: A file is damaged, or cannot be written.

    """
    trial = read_trial(directory)
    found: dict[str, float] = {}
    for path in score_files(directory):
        told, split = read_scores(path), scored_split(path)
        name = scored_as(split, told.search, trial.decoding)
        if path.stem != f"{split}-{told.search.name}" or scores.get(f"{name}/bleu") != told.metrics[f"{split}/bleu"]:
            continue  # decoded by other settings: it is not what was recorded
        if not told.resamples:
            references = open_prepared(layout.prepared(store, trial.prepared)).split(split).texts("target")
            bleu = bleu_interval(told.hypotheses, references, tokenizer=trial.task.tokenizer)
            metrics = told.metrics | bounds(split, bleu)
            told = told.model_copy(update={"bleu": bleu, "metrics": metrics, "resamples": RESAMPLES})
            write_scores(directory, split, told, decoding=trial.decoding)
        found |= bounds(name, told.bleu)
    return {name: value for name, value in found.items() if scores.get(name) != value}
