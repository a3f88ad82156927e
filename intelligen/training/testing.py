"""A test set is decoded by the weights that validation selected, and its hypotheses are kept."""

from dataclasses import dataclass
from pathlib import Path

import torch

from intelligen.config.decoding import Search
from intelligen.data.prepared import Prepared, open_prepared
from intelligen.evaluation import Evaluation, Interval, bleu_interval, evaluate_shard, score
from intelligen.models.seq2seq import Seq2SeqTransformer
from intelligen.training.checkpoint import load_weights
from intelligen.training.fit import build_model
from intelligen.training.result import read_trial, selected_weights
from intelligen.training.scored import Scores, write_scores


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
        interval = {"bleu_low": self.bleu.low, "bleu_high": self.bleu.high}
        found = {**self.evaluation.metrics, **interval}
        return {f"{name or self.split}/{metric}": value for metric, value in found.items()}


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
        search = search or trial.decoding.test
        shard = evaluate_shard(
            self.model,
            self.prepared,
            split,
            search=search,
            decoding=trial.decoding,
            device=self.device,
            seed=trial.seed,
        )
        references = self.prepared.split(split).texts("target")
        evaluation = score([shard], references, moses_language=trial.task.moses_bleu)
        found = SplitScore(split, search, evaluation, bleu_interval(evaluation.hypotheses, references))
        scores = Scores(
            search=search,
            metrics=found.metrics(),
            bleu=found.bleu,
            signatures=dict(evaluation.signatures),
            hypotheses=tuple(evaluation.hypotheses),
        )
        write_scores(self.directory, split, scores)
        return found
