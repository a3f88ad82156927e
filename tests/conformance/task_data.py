"""Small data for every task, as a corpus in memory, and trials over them that run in a second."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from conftest import TIERE, WORDS, tiny_trial

from intelligen.config.schema.columns import Row
from intelligen.config.schema.data import Data, Tokenizer
from intelligen.config.schema.declarations import TaskSettings
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.model import DecoderOnly, Encoder, Model, Seq2Seq
from intelligen.config.schema.tasks import Classification, LanguageModelling, QuestionAnswering, Translation
from intelligen.data.preparation import prepare

SHAPE = {"d_model": 32, "d_ff": 64, "heads": 2, "max_positions": 64}
MODELS: dict[str, Model] = {
    "seq2seq": Seq2Seq(**SHAPE, encoder_layers=1, decoder_layers=1),
    "decoder_only": DecoderOnly(**SHAPE, layers=1),
    "encoder": Encoder(**SHAPE, layers=1),
}
TASKS: dict[str, TaskSettings] = {
    "translation": Translation(selection_metric="valid/loss"),
    "question_answering": QuestionAnswering(),
    "classification": Classification(),
    "language_modelling": LanguageModelling(n_seq=8),
    "language_modelling, packed": LanguageModelling(n_seq=8, packing=True),
}


class Invented:
    """Rows in memory, in the place of files."""

    key = "data.corpus"

    def __init__(self, name: str, splits: dict[str, Sequence[Row]]) -> None:
        self._name, self._rows = name, splits
        self.splits = tuple(splits)

    def rows(self, split: str, notes: Counter[str] | None = None) -> Iterator[Row]:
        return iter(self._rows[split])

    def locate(self, split: str, row: int) -> str:
        return f"{self._name}.{split}:{row + 1}"

    def fingerprint(self) -> str:
        return self._name


def rows_of(task: TaskSettings, count: int, *, seed: int) -> list[Row]:
    """What each task can learn in seconds."""
    draw = random.Random(seed)
    drawn = [[draw.randrange(len(WORDS)) for _ in range(draw.randint(1, 6))] for _ in range(count)]
    texts = [" ".join(WORDS[word] for word in row) for row in drawn]
    match task:
        case Classification():
            return [(text, ("early", "late", "middle")[row[0] % 3]) for text, row in zip(texts, drawn, strict=True)]
        case LanguageModelling():  # each word is followed by its neighbour
            starts = [(draw.randrange(len(WORDS)), draw.randint(0, 30)) for _ in range(count)]
            return [(" ".join(WORDS[(first + n) % len(WORDS)] for n in range(words + 1)),) for first, words in starts]
    return [(text, " ".join(TIERE[word] for word in row[::-1])) for text, row in zip(texts, drawn, strict=True)]


def prepare_tasks(store: Path) -> dict[str, str]:
    """Task → identity of its prepared data in the store; a language model has no test split."""
    found = {}
    for name, task in TASKS.items():
        splits = {"train": 300, "valid": 20} | ({} if isinstance(task, LanguageModelling) else {"test": 21})
        corpus = Invented(task.name, {split: rows_of(task, count, seed=count) for split, count in splits.items()})
        data = Data(tokenizer=Tokenizer(vocabulary=80 if task.writes_text else 40), max_tokens=40)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("intelligen.data.preparation.open_corpus", lambda *_, corpus=corpus: corpus)
            found[name] = prepare(data, store, columns=task.columns).identity
    return found


def task_trial(task: str, model: str, identity: str, **changes: object) -> Trial:
    """A trial of a task and a model."""
    return tiny_trial(identity, task=TASKS[task], model=MODELS[model], **changes)
