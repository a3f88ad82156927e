"""Small data for every task, as a corpus in memory, and trials over them that run in a second."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TIERE, WORDS, tiny_trial

from intelligen.config.schema.columns import Row
from intelligen.config.schema.data import Data, Tokenizer
from intelligen.config.schema.declarations import TaskSettings
from intelligen.config.schema.decoding import Greedy
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.model import DecoderOnly, Encoder, Model, Seq2Seq
from intelligen.config.schema.tasks import Classification, LanguageModelling, QuestionAnswering, Translation
from intelligen.data.loader import Loader
from intelligen.data.preparation import prepare
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.evaluation import Evaluation
from intelligen.state import layout
from intelligen.strategies.base import Strategy, UpdateContext
from intelligen.strategies.build import build_strategy
from intelligen.tasks import AnyTask, build_task

CPU = torch.device("cpu")
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


class Parts:
    """What `fit` trains a trial with."""

    def __init__(self, trial: Trial, store: Path, *, micro: int | None = None) -> None:
        self.trial = trial
        self.prepared: Prepared = open_prepared(layout.prepared(store, trial.prepared))
        self.task: AnyTask = build_task(trial.task)
        self.model = self.task.build_model(trial.model, self.prepared, seed=trial.seed)
        self.strategy: Strategy[Any, Any] = build_strategy(
            trial,
            model=self.model,
            wrap=lambda module: module,
            decode=partial(self.task.written, self.prepared),
            loss=partial(self.task.loss, label_smoothing=trial.training.label_smoothing),
            total_updates=40,
            world_size=1,
        )
        examples = self.task.examples(self.prepared.split("train"), self.prepared)
        self.loader: Loader[Any] = Loader(examples, batch_tokens=300, micro_batch_tokens=micro, seed=3)

    def train(self, first: int, last: int) -> list[dict[str, float]]:
        return [
            self.strategy.train_step(
                self.loader.next_update(), UpdateContext(seed=1, update=update, total_updates=40)
            ).means()
            for update in range(first, last + 1)
        ]

    def evaluate(self, *, batch_tokens: int = 4096, ranks: int = 1, split: str = "valid") -> Evaluation:
        data = self.prepared.split(split)
        decoding = self.trial.decoding.model_copy(update={"batch_tokens": batch_tokens})
        how: dict[str, Any] = {"prepared": self.prepared, "search": Greedy(), "decoding": decoding, "device": CPU}
        shards = [
            self.task.evaluate(self.model, data, **how, seed=1, rank=rank, world_size=ranks) for rank in range(ranks)
        ]
        return self.task.score(shards, self.task.references(data))
