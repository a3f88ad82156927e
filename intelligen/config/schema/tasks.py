"""Task settings: which columns a task reads and writes, and which scores count."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema

from intelligen.config.base import ADDED
from intelligen.config.document import one_of
from intelligen.config.schema.answer_script_names import AnswerScript
from intelligen.config.schema.bleu_tokenizer_names import DEFAULT_BLEU_TOKENIZER, BleuTokenizer
from intelligen.config.schema.columns import SOURCE_AND_TARGET, Column
from intelligen.config.schema.data import MosesLanguage
from intelligen.config.schema.declarations import (
    CLASSIFICATION,
    GENERATION,
    LANGUAGE_MODELLING,
    PluginTask,
    TaskSettings,
)
from intelligen.config.schema.plugins import OpenArm

DEFAULT_SELECTION_METRIC: Final = "valid/bleu"


class Translation(TaskSettings):
    """Source sentence → target sentence, scored by sacreBLEU and chrF on detokenised, cased text."""

    columns = SOURCE_AND_TARGET
    needs = (GENERATION,)
    metrics = ("bleu", "chrf")
    watched = "chrf"
    # As the first releases have it: they are in the run's file of scores alone.
    leads_mlflow_run = False

    name: Literal["translation"] = "translation"
    selection_metric: Literal["valid/bleu", "valid/chrf", "valid/loss"] = DEFAULT_SELECTION_METRIC
    """What chooses the best epoch; `valid/loss` is minimised, the others are maximised."""
    moses_bleu: MosesLanguage | None = None
    """The target's language: also score BLEU of lower-cased, Moses-tokenised text (`moses_bleu`), the figure of papers
    that prepare their data so. It is another number than `bleu`, and never comparable with it."""
    bleu_tokenizer: Annotated[BleuTokenizer | None, ADDED] = None
    """What cuts text into words for BLEU, for rewards by sentence BLEU and for the measures of the hypotheses' text;
    BLEU's signature names it. Not given = `13a`, which is for languages with spaces between words: references that are
    mostly in a script without them are then refused. `zh` is for Chinese; `char` takes each character for a word;
    `ja-mecab` and `ko-mecab` need the extra `cjk`; `flores101` and `flores200` read a SentencePiece model from
    sacreBLEU's folder, and download nothing."""

    @property
    def tokenizer(self) -> BleuTokenizer:
        """BLEU's, chosen or not."""
        return self.bleu_tokenizer or DEFAULT_BLEU_TOKENIZER


class QuestionAnswering(TaskSettings):
    """Question → answer, scored as SQuAD is and by chrF and BLEU."""

    columns = (Column("question", read=True), Column("answer", read=False, several=True))
    needs = (GENERATION,)
    metrics = ("exact_match", "token_f1", "chrf", "bleu")
    watched = "chrf"

    name: Literal["question_answering"] = "question_answering"
    selection_metric: Literal["valid/exact_match", "valid/token_f1", "valid/chrf", "valid/bleu", "valid/loss"] = (
        "valid/token_f1"
    )
    """What chooses the best epoch. `valid/token_f1` gives credit for a part of an answer, by words between spaces; for
    languages whose words take endings, such as Korean, `valid/chrf` distinguishes more."""
    script: Annotated[AnswerScript, ADDED] = "squad"
    """The rules by which exact match and token F1 compare answers: `squad` = words, without English articles (Rajpurkar
    et al. 2016); `korquad` = characters, as KorQuAD 1.0 does for Korean. Their numbers are not comparable."""
    bleu_tokenizer: Annotated[BleuTokenizer | None, ADDED] = None
    """What cuts answers into words for BLEU, as in translation; the other metrics do not use it."""

    @property
    def tokenizer(self) -> BleuTokenizer:
        """BLEU's, chosen or not."""
        return self.bleu_tokenizer or DEFAULT_BLEU_TOKENIZER


class Classification(TaskSettings):
    """Text → one of the classes that the training split's labels are, scored by accuracy and macro-F1."""

    columns = (Column("text", read=True), Column("label", read=False, kind="label"))
    needs = (CLASSIFICATION,)
    metrics = ("accuracy", "macro_f1")
    watched = "accuracy"

    name: Literal["classification"] = "classification"
    selection_metric: Literal["valid/accuracy", "valid/macro_f1", "valid/loss"] = "valid/accuracy"
    """What chooses the best epoch; `valid/loss` is minimised, the others are maximised."""

    def longest_row(self, max_tokens: int) -> int:
        """BOS and EOS are read beside the text."""
        return max_tokens + 2

    def misfit(self, *, max_tokens: int, max_positions: int) -> str | None:
        """They take two of the network's positions."""
        if self.longest_row(max_tokens) <= max_positions:
            return None
        return (
            f"data.max_tokens ({max_tokens}) must be at most {max_positions - 2}: BOS and EOS take two of"
            f" model.max_positions ({max_positions})"
        )


class LanguageModelling(TaskSettings):
    """Documents, each token predicted from those before it, scored by perplexity."""

    columns = (Column("text", read=False, windowed=True),)
    needs_test = False
    needs = (LANGUAGE_MODELLING,)
    metrics = ("perplexity",)
    watched = "perplexity"

    name: Literal["language_modelling"] = "language_modelling"
    selection_metric: Literal["valid/perplexity", "valid/loss"] = "valid/perplexity"
    """What chooses the best epoch; both are minimised."""
    n_seq: Annotated[int, Field(ge=2, le=16_384)] = 256
    """Most tokens of a window. A document with its EOS is cut into windows, and each token is in exactly one of them. A
    further window begins after the token before it, and has nothing else of the document so far."""
    packing: bool = False
    """Train on windows that are full: the next document begins where one ends. Tokens of one document do not attend to
    those of another. Evaluation never packs, so that no document's score depends on its neighbours."""

    def longest_row(self, max_tokens: int) -> int:
        """A window is all that is read, however long its document."""
        return self.n_seq

    def misfit(self, *, max_tokens: int, max_positions: int) -> str | None:
        """Only windows have to fit."""
        if self.n_seq <= max_positions:
            return None
        return f"task.n_seq ({self.n_seq}) must be at most model.max_positions ({max_positions})"


_Tasks = Translation | QuestionAnswering | Classification | LanguageModelling
TASKS = OpenArm("intelligen.tasks", PluginTask, get_args(_Tasks), default="translation")
if TYPE_CHECKING:
    Task = _Tasks | PluginTask
else:
    Task = Annotated[_Tasks, TASKS]


_ADAPTER: TypeAdapter[Task] = TypeAdapter(Task)


def task_settings(experiment: Mapping[str, Any]) -> Task:
    """Of an experiment's resolved settings, as the ledger of a sweep holds them."""
    return _ADAPTER.validate_json(json.dumps(experiment.get("task", {})))


@dataclass(frozen=True)
class _Selecting:
    """Narrows text to the scores that may select epochs, of every task that there is, and to some names beside them."""

    beside: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        tasks = [task for task in TASKS.options().values() if issubclass(task, TaskSettings)]
        return (*dict.fromkeys(name for task in tasks for name in task.selecting()), *self.beside)

    def _known(self, value: str) -> str:
        if value not in (names := self.names()):
            raise ValueError(one_of(names, value))
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Text, then its check."""
        return core_schema.no_info_after_validator_function(self._known, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """All names."""
        return {"enum": list(self.names()), "type": "string"}


SelectionMetric = Annotated[str, _Selecting()]
"""`valid/bleu`; a sweep's has to be the one that selects the epochs of its experiment's task."""
SelectionMetricOrCost = Annotated[str, _Selecting(beside=("time/epoch_s", "cost/device_s"))]
