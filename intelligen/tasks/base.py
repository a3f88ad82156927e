"""Task interface: batches, evaluation, scores, ranking and how results are shown."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic

import torch

from intelligen.config.metric_direction import higher_is_better
from intelligen.config.schema.declarations import TaskSettings
from intelligen.config.schema.decoding import Decoding, DecodingSearch
from intelligen.config.schema.model import Model
from intelligen.data.batches import BatchT, Examples
from intelligen.data.overlong import shortened
from intelligen.data.prepared_data import Prepared, Split
from intelligen.decoding.token_sampling import Uniforms
from intelligen.evaluation import Evaluation, Metric, Shard
from intelligen.evaluation.answer_columns import AnswerColumn
from intelligen.evaluation.learned_metric import LEARNED
from intelligen.evaluation.sharded_evaluation import merge_shards
from intelligen.models.interfaces import ModelT
from intelligen.optimization import Loss

AnyMetric = Metric[Any, Any]
_FORMS = {"loss": ".3f", LEARNED: ".4f"}
"""Of scores that are no metric's."""


class Task(ABC, Generic[ModelT, BatchT]):
    """What models are trained for.

    What a model says of a row, and what it should say, are texts wherever they are kept, compared or shown: a
    sentence, a label. The metrics take these texts.

    Args:
        settings: The experiment's; they name the metrics, and which of them rank and are watched.
        metrics: Those metrics, in the settings' order.
        further: Other scores that have a signature, name → label; they are shown where an evaluation has them.

    Raises:
        TypeError: The metrics are not those that the settings declare, or one points another way than its name says,
            and its best would be taken for its worst.

    """

    def __init__(
        self,
        settings: TaskSettings,
        metrics: Sequence[AnyMetric],
        *,
        further: Mapping[str, str] | None = None,
    ) -> None:
        by_name = {metric.name: metric for metric in metrics}
        if tuple(by_name) != settings.metrics:
            raise TypeError(
                f"metrics must be {', '.join(settings.metrics)}, as the settings say, got {', '.join(by_name)}"
            )
        for metric in metrics:
            if metric.higher_is_better != higher_is_better(metric.name):
                raise TypeError(
                    f"metric {metric.name}: higher_is_better is {metric.higher_is_better}, and its name says otherwise:"
                    " names that end in loss, perplexity or error are minimised, all others maximised; rename it"
                )
        self.settings = settings
        self.metrics = tuple(metrics)
        self.reported = tuple(by_name[name] for name in settings.reported_scores)
        """Whose test scores have intervals; the first one ranks strategies."""
        self.watched = by_name[settings.watched]
        """What health checks watch beside a rising reward."""
        self.further = dict(further or {})

    @property
    def ranking(self) -> AnyMetric:
        """By which test sets rank strategies."""
        return self.reported[0]

    @property
    def labels(self) -> dict[str, str]:
        """Name → label of every score that may have a signature."""
        return {metric.name: metric.label for metric in self.metrics} | self.further

    def form(self, score: str) -> str:
        """Python's format of a score by its name: of a metric its own, of a loss three digits."""
        return next((metric.format for metric in self.metrics if metric.name == score), _FORMS.get(score, ".2f"))

    def require_scorable(self, prepared: Prepared, *, key: str = "task") -> None:
        """Refuse to train on data whose results the metrics could not score; most score anything.

        Args:
            prepared: The data.
            key: Of the task's settings, as `-o` takes it.

        Raises:
            ConfigError: They need a setting that was not made.
            UnavailableError: What a metric needs is not on this machine.

        """

    def preparation_lines(self, prepared: Prepared) -> list[str]:
        """What it makes of prepared data, for people; most tasks have no more to say than the data's own summary."""
        return []

    @abstractmethod
    def build_model(self, settings: Model, prepared: Prepared, *, seed: int) -> ModelT:
        """A network with random weights, a function of the seed, whose inputs and outputs fit the data."""

    @abstractmethod
    def examples(self, split: Split, prepared: Prepared) -> Examples[BatchT]:
        """A split's rows as the models train on them.

        Args:
            split: One of the data's.
            prepared: The data, with their vocabularies.

        """

    @abstractmethod
    def inputs(self, split: Split) -> list[str]:
        """What a model is given of each row of an evaluation split, for people."""

    @abstractmethod
    def references(self, split: Split) -> list[str]:
        """What a model should say of each row of an evaluation split."""

    @abstractmethod
    def evaluate(
        self,
        model: ModelT,
        split: Split,
        *,
        prepared: Prepared,
        search: DecodingSearch,
        decoding: Decoding,
        device: torch.device,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> Shard:
        """What the model says of this rank's rows of a split, and all measures that are sums over rows.

        It keeps nothing and does not communicate: where the memory does not suffice, it is called again with smaller
        batches.

        Args:
            model: Unwrapped; found in its own mode again after.
            split: One of the data's, or a new test set that was encoded as they are.
            prepared: The data, with their vocabularies.
            search: How hypotheses are searched for, where models write any.
            decoding: Bounds and batch size.
            device: Where the model lies.
            seed: Of sampled hypotheses, which depend on nothing else but their rows.
            rank: This process among `world_size`.
            world_size: Processes that share the split.

        """

    def score(self, shards: Sequence[Shard], references: Sequence[str]) -> Evaluation:
        """Put the ranks' shards together, and score them by the task's metrics.

        Args:
            shards: Of every rank; together they hold each row once.
            references: In the split's order.

        """
        hypotheses, sums = merge_shards(shards, rows=len(references))
        scores = {metric.name: metric.score(hypotheses, references) for metric in self.metrics}
        signed = [metric for metric in self.metrics if metric.signature]
        signatures = {f"{metric.name}_signature": metric.signature for metric in signed}
        return Evaluation(sums.means() | scores, hypotheses, signatures)

    def described(
        self,
        model: ModelT,
        split: Split,
        evaluation: Evaluation,
        *,
        prepared: Prepared,
        search: DecodingSearch,
        decoding: Decoding,
        device: torch.device,
        seed: int,
    ) -> Mapping[str, float]:
        """Measures of a test set that say what a model's outputs are like, and not how good; most tasks have none.

        Arguments are as of `answer_columns`.

        """
        return {}

    def answer_columns(
        self,
        model: ModelT,
        split: Split,
        evaluation: Evaluation,
        *,
        prepared: Prepared,
        search: DecodingSearch,
        decoding: Decoding,
        device: torch.device,
        seed: int,
    ) -> tuple[AnswerColumn, ...]:
        """What else would have been said of a split, to be shown beside what the model says; most tasks show nothing.

        Args:
            model: Unwrapped; found in its own mode again after.
            split: One of the data's, or a new test set.
            evaluation: Of the split, by the same search.
            prepared: The data that the model was trained on.
            search: How hypotheses are searched for.
            decoding: Bounds and batch size.
            device: Where the model lies.
            seed: Of sampled hypotheses.

        """
        return ()

    @abstractmethod
    def predict(
        self,
        model: ModelT,
        texts: Sequence[str],
        *,
        prepared: Prepared,
        search: DecodingSearch,
        decoding: Decoding,
        device: torch.device,
        notes: Counter[str],
        uniforms: Uniforms | None = None,
    ) -> list[str]:
        """What the model says of some texts, prepared as the training data were.

        Args:
            model: In evaluation mode.
            texts: Each on one line, none empty.
            prepared: The data that it was trained on, with their vocabularies.
            search: How hypotheses are searched for, where models write any.
            decoding: The trial's.
            device: Where the model lies.
            notes: Counters: `cut` (texts that are longer than `data.max_tokens`, of which only so much is read),
                `cut_start` (texts of which only the end is read).
            uniforms: The randomness of a search that draws, for as many tokens as are asked for; none = torch's
                default generator.

        """

    def written(self, prepared: Prepared, tokens: Sequence[Sequence[int]]) -> list[str]:
        """Tokens that a model wrote as texts, which strategies reward.

        Raises:
            TypeError: Models of this task write none.

        """
        raise TypeError(f"{type(self).__name__}: its models write no text that a strategy could reward")

    def loss(self, model: ModelT, batch: BatchT, *, label_smoothing: float) -> Loss:
        """The micro-batch's share of what the baseline and the strategy `standard` minimise.

        It is a sum over the batch, divided by `batch.update_targets`. Of it, `train/loss` is reported.

        Raises:
            TypeError: Models of this task write text; they learn it by teacher forcing.

        """
        raise TypeError(f"{type(self).__name__}: its models write nothing, so it has to say what they learn: `loss`")

    def trained_share(self, valid: Split, decoding: Decoding) -> float:
        """Which share of the seconds that a validation of random weights takes one of trained weights takes, at least.

        1 where the weights have no say in it: models that write nothing.
        """
        return 1.0

    def caution(self, split: str, references: Sequence[str]) -> str | None:
        """Why a test set's scores say little, for a warning; none where they do not."""
        return None

    def summary(self, metrics: Mapping[str, float]) -> Iterator[str]:
        """What a test set's measures say beside its scores, in lines for people."""
        if "loss" in metrics:
            yield f"loss {metrics['loss']:.4f}"


AnyTask = Task[Any, Any]


def encoded(texts: Sequence[str], prepared: Prepared, column: str, *, notes: Counter[str]) -> list[list[int]]:
    """New texts as the column's pieces, prepared and cut as the data were; `cut` counts those that were longer."""
    pieces, data = whole(texts, prepared, column), prepared.manifest.data
    notes["cut"] += sum(len(ids) > data.max_tokens for ids in pieces)
    return [shortened(ids, data) for ids in pieces]


def whole(texts: Sequence[str], prepared: Prepared, column: str) -> list[list[int]]:
    """New texts as the column's pieces, of any length."""
    lowercase = prepared.manifest.data.lowercase
    return prepared.tokenizer(column).encode([text.lower() if lowercase else text for text in texts])
