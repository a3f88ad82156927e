"""Metrics as functions of statistics that add up over rows: one form for scores, intervals, comparisons.

Axes: M rows of a split, K statistics of a row.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from intelligen.config.schema.answer_script_names import AnswerScript
from intelligen.config.schema.columns import references as references_in
from intelligen.evaluation.answer_words import WORDS
from intelligen.evaluation.bootstrap_resampling import Floats

Predicted = TypeVar("Predicted", contravariant=True)
"""What a model says of a row: a text, a class, nats."""
Expected = TypeVar("Expected", contravariant=True)
"""What the row has for it: a text, a class, a number of tokens."""


class Metric(ABC, Generic[Predicted, Expected]):
    """Corpus-level scores of one kind.

    A subclass that is equal to another computes the same, so it is a frozen dataclass of its settings.
    """

    name: ClassVar[str]
    """In the names of scores: `bleu` of `valid/bleu` and `test/bleu`."""
    label: ClassVar[str]
    """For people: `BLEU`."""
    higher_is_better: ClassVar[bool] = True
    unit: ClassVar[str] = ""
    """Of a value: `%`."""
    format: ClassVar[str] = ".2f"
    """Python's format of a value, without a sign."""
    range: ClassVar[tuple[float, float]] = (0.0, 100.0)
    """Least and most; no interval leaves it."""
    implementation: ClassVar[str] = ""
    """Whose numbers it reproduces."""

    @abstractmethod
    def statistics(self, predictions: Sequence[Predicted], references: Sequence[Expected]) -> Floats:
        """What counts of each row, (M, K).

        Raises:
            ValueError: There are not as many predictions as references.

        """

    @abstractmethod
    def value(self, sums_K: Floats) -> Floats:
        """The metric of statistics that were summed over rows: the last of any axes goes."""

    def over(self, predictions: Iterable[Sequence[Any]], references: Sequence[Any]) -> Self:
        """The same metric, which gives the rows of all these systems statistics of one width.

        Args:
            predictions: Of each system.
            references: Of all.

        """
        return self

    @property
    def signature(self) -> str:
        """What two scores must have in common to be comparable; empty where the name says everything."""
        return ""

    def score(self, predictions: Sequence[Predicted], references: Sequence[Expected]) -> float:
        """The metric of all rows together."""
        return float(self.value(self.statistics(predictions, references).sum(axis=0)))

    @property
    def title(self) -> str:
        """For headings and axes, above bare numbers."""
        return f"{self.label} in {self.unit}" if self.unit else self.label

    def text(self, value: float) -> str:
        """A value for people."""
        return f"{value:{self.format}} {self.unit}".rstrip()

    def change(self, difference: float) -> str:
        """A difference of two values for people, with its sign."""
        return f"{difference:+{self.format}}"

    def improves(self, difference: float) -> bool:
        """Whether a difference of two values is one for the better."""
        return difference > 0 if self.higher_is_better else difference < 0


def require_as_many(predictions: Sequence[object], references: Sequence[object]) -> None:
    """Rows are compared one by one.

    Raises:
        ValueError: There are not as many predictions as references.

    """
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} hypotheses for {len(references)} references")


class MeanOfRows(Metric[Predicted, Expected]):
    """The mean of a row's own score, in per cent. K = 2: the score in 0–1, and 1."""

    unit = "%"

    @abstractmethod
    def of_row(self, prediction: Predicted, reference: Expected) -> float:
        """Of one row, in 0–1."""

    def statistics(self, predictions: Sequence[Predicted], references: Sequence[Expected]) -> Floats:
        """Each row's score, and 1."""
        require_as_many(predictions, references)
        scores = [self.of_row(*pair) for pair in zip(predictions, references, strict=True)]
        return np.column_stack([np.array(scores, dtype=np.float64), np.ones(len(scores))])

    def value(self, sums_K: Floats) -> Floats:
        """100 × sum / rows."""
        return np.asarray(100 * sums_K[..., 0] / sums_K[..., 1])


@dataclass(frozen=True)
class Accuracy(MeanOfRows[object, object]):
    """Share of the rows with the right class."""

    name = "accuracy"
    label = "accuracy"

    def of_row(self, prediction: object, reference: object) -> float:
        """1 where the class is right."""
        return float(prediction == reference)


@dataclass(frozen=True)
class MacroF1(Metric[Hashable, Hashable]):
    """Mean over the classes of F1 = 2 · right / (predicted + expected), in per cent (van Rijsbergen 1979).

    Classes that are neither predicted nor expected in any row do not count, as in scikit-learn's `f1_score` with
    `average="macro"`. K = 3 per class: rows rightly predicted, predicted, and expected to be of it.
    """

    classes: tuple[Hashable, ...] = ()
    """All that a row may be said to be of, such as its labels; none given = those that occur in what is scored."""
    name = "macro_f1"
    label = "macro-F1"
    unit = "%"

    def statistics(self, predictions: Sequence[Hashable], references: Sequence[Hashable]) -> Floats:
        """By class, whether the row is right, predicted and expected.

        Raises:
            ValueError: A row is of none of the classes, or there are not as many predictions as references.

        """
        require_as_many(predictions, references)
        if not self.classes:
            return self.over([predictions], references).statistics(predictions, references)
        if unknown := {*predictions, *references} - {*self.classes}:
            raise ValueError(f"macro-F1: {sorted(map(repr, unknown))[0]} is none of its {len(self.classes)} classes")
        column = {named: number for number, named in enumerate(self.classes)}
        predicted_MC, expected_MC = (
            np.eye(len(column))[np.array([column[row] for row in rows], dtype=int)]
            for rows in (predictions, references)
        )
        return np.concatenate([predicted_MC * expected_MC, predicted_MC, expected_MC], axis=1)

    def over(self, predictions: Iterable[Sequence[Any]], references: Sequence[Any]) -> Self:
        """Of the classes that occur in any system's predictions, or in the references."""
        found = {*references}.union(*predictions)
        return self if self.classes else replace(self, classes=tuple(sorted(found, key=repr)))

    def value(self, sums_K: Floats) -> Floats:
        """100 × mean over the classes that occur."""
        right_C, predicted_C, expected_C = np.split(sums_K, 3, axis=-1)
        occurring_C = predicted_C + expected_C
        f1_C = 2 * right_C / np.maximum(occurring_C, 1)
        return np.asarray(100 * f1_C.sum(axis=-1) / np.maximum((occurring_C > 0).sum(axis=-1), 1))


@dataclass(frozen=True)
class Perplexity(Metric[float | str, int | str]):
    """exp(−Σ log p / Σ tokens): predictions are rows' −log p in nats, references their numbers of tokens.

    Jelinek et al. 1977. It compares models of one vocabulary alone. K = 2: nats, tokens. Either may be a text with its
    unit, `12.5 nats` and `4 tokens`, as `nats` and `tokens` write them.
    """

    name = "perplexity"
    label = "perplexity"
    higher_is_better = False
    range = (1.0, inf)

    @staticmethod
    def nats(value: float) -> str:
        """A row's −log p as the text that is kept and shown of it; it loses no digit."""
        return f"{value!r} nats"

    @staticmethod
    def tokens(number: int) -> str:
        """A row's number of tokens, likewise."""
        return f"{number} tokens"

    def statistics(self, predictions: Sequence[float | str], references: Sequence[int | str]) -> Floats:
        """Nats and tokens of each row."""
        require_as_many(predictions, references)
        sides = [[float(str(one).partition(" ")[0]) for one in side] for side in (predictions, references)]
        return np.array(sides, dtype=np.float64).T

    def value(self, sums_K: Floats) -> Floats:
        """Exp of the nats per token."""
        return np.asarray(np.exp(sums_K[..., 0] / sums_K[..., 1]))


@dataclass(frozen=True)
class _AnswerMetric(MeanOfRows[str, str | Sequence[str]]):
    """A mean over the rows, by the reference that an answer is nearest to."""

    script: AnswerScript = "squad"
    """Whose rules make words of texts."""

    def of_row(self, prediction: str, reference: str | Sequence[str]) -> float:
        """The largest over the references that have a word; without any, 1 where nothing is answered.

        A text may hold several references (`joined_references`).
        """
        words = WORDS[self.script]
        texts = references_in(reference) if isinstance(reference, str) else reference
        expected = [found for found in map(words, texts) if found] or [[]]
        predicted = words(prediction)
        return max(self.of_words(predicted, one) for one in expected)

    @abstractmethod
    def of_words(self, predicted: Sequence[str], expected: Sequence[str]) -> float:
        """By one reference, in 0–1."""

    @property
    def signature(self) -> str:
        """Of KorQuAD's script: its numbers are others than those of SQuAD's."""
        return "" if self.script == "squad" else f"script:{self.script}"


@dataclass(frozen=True)
class ExactMatch(_AnswerMetric):
    """Share of the answers that are one of the row's references, both normalised (Rajpurkar et al. 2016)."""

    name = "exact_match"
    label = "exact match"

    def of_words(self, predicted: Sequence[str], expected: Sequence[str]) -> float:
        """1 where the words are the same."""
        return float(predicted == expected)


@dataclass(frozen=True)
class TokenF1(_AnswerMetric):
    """Mean over the rows of the F1 of an answer's words, by the reference that it is nearest to, both normalised.

    As SQuAD's own script has it (Rajpurkar et al. 2016; 2018 for rows without an answer). KorQuAD's (Lim et al. 2019)
    compares the words' characters, since Korean words take endings.
    """

    name = "token_f1"
    label = "token F1"

    def of_words(self, predicted: Sequence[str], expected: Sequence[str]) -> float:
        """2 · right / (predicted + expected), of words or characters."""
        if self.script == "korquad":
            predicted, expected = "".join(predicted), "".join(expected)
        if not predicted or not expected:
            return float(predicted == expected)
        right = (Counter(predicted) & Counter(expected)).total()
        return 2 * right / (len(predicted) + len(expected))
