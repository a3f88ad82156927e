"""A test set is decoded by the weights that validation selected, and its hypotheses are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from intelligen.config.decoding import Search
from intelligen.config.stages import scored_as
from intelligen.data.prepared import Prepared, open_prepared
from intelligen.evaluation import RESAMPLES, Evaluation, Interval, bleu_interval, evaluate_shard, score
from intelligen.models.seq2seq import Seq2SeqTransformer
from intelligen.training.checkpoint import load_weights
from intelligen.training.fit import build_model
from intelligen.training.result import read_trial, selected_weights
from intelligen.training.scored import Scores, read_scores, score_files, write_scores


def bounds(name: str, bleu: Interval) -> dict[str, float]:
    """`test/bleu_low` and `test/bleu_high`, after a split or another name."""
    return {f"{name}/bleu_low": bleu.low, f"{name}/bleu_high": bleu.high}


@dataclass(frozen=True)
class SplitScore:
    """What a model scores on one split."""

    split: str
    search: Search
    evaluation: Evaluation
    bleu: Interval
    """With its 95 % bootstrap interval over sentences."""

    def metrics(self, name: str | None = None) -> dict[str, float]:
        """`test/bleu`, `test/bleu_low`, …, after the split or another name."""
        own = {f"{name or self.split}/{metric}": value for metric, value in self.evaluation.metrics.items()}
        return own | bounds(name or self.split, self.bleu)


@dataclass(frozen=True)
class TrainedModel:
    """The selected weights of a trial directory, ready to decode."""

    directory: Path
    model: Seq2SeqTransformer
    prepared: Prepared
    device: torch.device

    @classmethod
    def load(cls, directory: Path, *, store: Path, device: torch.device) -> "TrainedModel":
        """Read a trial directory.

        Raises:
            DataError: It is no trial's directory, or none of its epochs has ended.
            StorageError: The weights or the prepared data are damaged.

        """
        trial = read_trial(directory)
        prepared = open_prepared(store / "prepared" / trial.prepared)
        model = build_model(trial, prepared)
        load_weights(model, selected_weights(directory))
        return cls(directory, model.to(device).eval(), prepared, device)

    def score(self, split: str, *, search: Search | None = None) -> SplitScore:
        """Decode and score a split; hypotheses go to `scores/SPLIT-SEARCH.json` in the trial's directory.

        Args:
            split: Its name.
            search: The trial's own test search where not given.

        """
        trial = read_trial(self.directory)
        task = trial.task
        search = search or trial.decoding.test
        shard = evaluate_shard(
            self.model,
            self.prepared,
            split,
            search=search,
            decoding=trial.decoding,
            device=self.device,
            tokenizer=task.tokenizer,
            seed=trial.seed,
        )
        references = self.prepared.split(split).texts("target")
        evaluation = score([shard], references, tokenizer=task.tokenizer, moses_language=task.moses_bleu)
        interval = bleu_interval(evaluation.hypotheses, references, tokenizer=task.tokenizer)
        found = SplitScore(split, search, evaluation, interval)
        scores = Scores(
            search=search,
            metrics=found.metrics(),
            bleu=found.bleu,
            resamples=RESAMPLES,
            signatures=dict(evaluation.signatures),
            hypotheses=tuple(evaluation.hypotheses),
        )
        write_scores(self.directory, split, scores)
        return found


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
        told = read_scores(path)
        split = path.stem.removesuffix(f"-{told.search.name}")
        name = scored_as(split, told.search, trial.decoding)
        if scores.get(f"{name}/bleu") != told.metrics[f"{split}/bleu"]:
            continue  # decoded since by other settings: it is not what was recorded
        if not told.resamples:
            references = open_prepared(store / "prepared" / trial.prepared).split(split).texts("target")
            bleu = bleu_interval(told.hypotheses, references, tokenizer=trial.task.tokenizer)
            metrics = told.metrics | bounds(split, bleu)
            told = told.model_copy(update={"bleu": bleu, "metrics": metrics, "resamples": RESAMPLES})
            write_scores(directory, split, told)
        found |= bounds(name, told.bleu)
    return {name: value for name, value in found.items() if scores.get(name) != value}
