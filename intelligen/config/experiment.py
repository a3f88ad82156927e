"""An experiment is one complete base trial; a trial is one complete, frozen configuration derived from it."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, model_validator

from intelligen.config.base import ADDED, Name, Settings, canonical_json, content_hash
from intelligen.config.columns import SOURCE_AND_TARGET, Column
from intelligen.config.data import Data, MosesLanguage
from intelligen.config.declarations import unmet
from intelligen.config.decoding import Decoding
from intelligen.config.model import MODELS, Model, Seq2Seq
from intelligen.config.single_strategies import Standard
from intelligen.config.strategies import STRATEGIES, Strategy
from intelligen.config.training import Training
from intelligen.errors import UnavailableError

BleuTokenizer = Literal["13a", "zh", "char", "ja-mecab", "ko-mecab", "flores101", "flores200"]
DEFAULT_BLEU_TOKENIZER: Final = "13a"
SelectionMetric = Literal["valid/bleu", "valid/chrf", "valid/loss"]
DEFAULT_SELECTION_METRIC: Final = "valid/bleu"


class Translation(Settings):
    """Source sentence → target sentence, scored by sacreBLEU and chrF on detokenised, cased text."""

    name: Literal["translation"] = "translation"
    selection_metric: SelectionMetric = DEFAULT_SELECTION_METRIC
    """What chooses the best epoch; `valid/loss` is minimised, the others are maximised."""
    moses_bleu: MosesLanguage | None = None
    """The target's language: also score BLEU of lower-cased, Moses-tokenised text (`moses_bleu`), the figure of papers
    that prepare their data so. It is another number than `bleu`, and never comparable with it."""
    bleu_tokenizer: Annotated[BleuTokenizer | None, ADDED] = None
    """What cuts text into words for BLEU, for rewards by sentence BLEU and for the measures of the hypotheses' text;
    BLEU's signature names it. Not chosen, it is `13a`, for languages with spaces between words; references that are
    mostly in a script without them are then refused. `zh` is for Chinese; `char` takes each character for a word;
    `ja-mecab` and `ko-mecab` need the extra `cjk`; `flores101` and `flores200` read a SentencePiece model from
    sacreBLEU's folder, and download nothing."""

    columns: ClassVar[tuple[Column, ...]] = SOURCE_AND_TARGET
    watched_metric: ClassVar[str] = "valid/chrf"
    """What health checks watch beside a rising reward, and what pays a bandit's arms."""

    @property
    def reported_scores(self) -> tuple[str, ...]:
        """Scores of test sets that are shown with intervals: the one that ranks strategies, and always BLEU.

        It is the score that selected weights and trials that ranks. Of those that the loss selected, it is BLEU: the
        loss is teacher-forced, and strategies that train on their own words give some of it up to write better.
        """
        chosen, headline = (name.partition("/")[2] for name in (self.selection_metric, DEFAULT_SELECTION_METRIC))
        return (headline,) if chosen in (headline, "loss") else (chosen, headline)

    @property
    def tokenizer(self) -> BleuTokenizer:
        """BLEU's, chosen or not."""
        return self.bleu_tokenizer or DEFAULT_BLEU_TOKENIZER


Task = Translation


def task_settings(experiment: Mapping[str, Any]) -> Task:
    """Of an experiment's resolved settings, as the ledger of a sweep holds them."""
    return Task.model_validate(experiment.get("task", {}))


class Experiment(Settings):
    """experiments/*.yaml: everything that a baseline and its fine-tuning need."""

    version: Literal[1]
    name: Name
    task: Task = Translation()
    data: Data = Data()
    model: Model = Seq2Seq()
    training: Training = Training()
    """The baseline, trained by teacher forcing from random weights."""
    finetuning: Training = Training()
    """Every strategy starts from the baseline and trains so long."""
    strategy: Strategy = Standard()
    """What `finetune` trains with where neither its option nor a sweep chooses."""
    decoding: Decoding = Decoding()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    """Of weights, data order, dropout and rollouts."""

    @model_validator(mode="after")
    def _parts_fit(self) -> "Experiment":
        if isinstance(self.model, Seq2Seq) and self.model.tied_embeddings == "all" and not self.data.tokenizer.joint:
            raise ValueError("model.tied_embeddings `all` needs data.tokenizer.joint: true")
        if self.data.max_tokens + 1 > self.model.max_positions:
            raise ValueError(
                f"data.max_tokens ({self.data.max_tokens}) must be below model.max_positions"
                f" ({self.model.max_positions}): BOS and EOS take a position"
            )
        for line in unmet(self.strategy, self.model, names=(self.strategy.name, self.model.name)):
            raise ValueError(line)
        return self


class Trial(Settings):
    """One configuration that `fit` can run anywhere. It is complete before a worker starts and never changes."""

    experiment: Name
    task: Task
    prepared: str
    """Content hash of the prepared data: corpus, filters, tokenizer and the bytes that were read."""
    model: Model
    training: Training
    strategy: Strategy
    decoding: Decoding
    seed: int
    start: str | None
    """Identity of the baseline whose weights this trial starts from; none = random weights."""

    @property
    def identity(self) -> str:
        """Content hash: equal trials share one directory, one result and one tracking run."""
        return content_hash(canonical_json(self))

    def plugins(self) -> dict[str, str]:
        """Package → version of what it is trained with beside this package."""
        return MODELS.versions([self.model.name]) | STRATEGIES.versions([self.strategy.name])


def stored_trial(text: str) -> Trial:
    """A trial as a file or another process has it, in JSON.

    Raises:
        UnavailableError: A package that it is trained with is not installed here.
        ValueError: It is no trial.

    """
    told = json.loads(text)
    for key, arm in (("model", MODELS), ("strategy", STRATEGIES)):
        part = told.get(key) if isinstance(told, dict) else None
        name = part.get("name") if isinstance(part, dict) else None
        if isinstance(name, str) and name not in arm.names():
            raise UnavailableError(
                f"{key} {name}: the package that brings it is not installed here; install that package"
                f" (its entry point {name} in {arm.group}), and run the same command"
            )
    return Trial.model_validate_json(text)


def baseline_trial(experiment: Experiment, *, prepared: str) -> Trial:
    """The teacher-forced trial from random weights that every fine-tuning of the experiment starts from."""
    return Trial(
        experiment=experiment.name,
        task=experiment.task,
        prepared=prepared,
        model=experiment.model,
        training=experiment.training,
        strategy=Standard(),
        decoding=experiment.decoding,
        seed=experiment.seed,
        start=None,
    )


def finetuning_trial(experiment: Experiment, *, prepared: str, start: str) -> Trial:
    """The trial that runs the experiment's strategy from the baseline `start`."""
    return baseline_trial(experiment, prepared=prepared).model_copy(
        update={"training": experiment.finetuning, "strategy": experiment.strategy, "start": start}
    )
