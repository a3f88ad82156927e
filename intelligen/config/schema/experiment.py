"""Experiment and trial settings: an experiment is a complete base trial, a trial one complete configuration."""

import json
from typing import Annotated, Literal

from pydantic import Field, model_validator

from intelligen.config.base import ADDED, UNCOMPARED, Name, Settings, canonical_json, content_hash
from intelligen.config.schema.compute import Compute
from intelligen.config.schema.data import (
    AnyTokenizer,
    Data,
    EmbeddedCorpus,
    FromPretrained,
    Tokenizer,
    prompted_column,
    source_of,
)
from intelligen.config.schema.decoding import Decoding
from intelligen.config.schema.initial import Initial, InitialWeights
from intelligen.config.schema.model import MODELS, Model, Seq2Seq, Transformer
from intelligen.config.schema.parts_fit import unmet
from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.config.schema.published import PublishedMemory
from intelligen.config.schema.single_strategies import Standard
from intelligen.config.schema.strategies import STRATEGIES, Strategy
from intelligen.config.schema.tasks import TASKS, Task, Translation
from intelligen.config.schema.training import Precision, Training
from intelligen.errors import UnavailableError

_MOST_FLASH_WIDTH = 256
"""Of a head, in torch's flash kernel."""


class Experiment(Settings):
    """experiments/*.yaml: everything that a baseline and its fine-tuning need."""

    version: Literal[1]
    name: Name
    task: Task = Translation()
    data: Data = Data()
    model: Model = Seq2Seq()
    initial: Annotated[Initial | None, ADDED] = None
    """What the baseline starts from; not given = random weights."""
    training: Training = Training()
    """The baseline, trained by teacher forcing."""
    finetuning: Training = Training()
    """How every strategy is trained; each starts from the baseline."""
    strategy: Strategy = Standard()
    """The strategy of `intelligen finetune` and of a sweep, unless the option or the search space names another."""
    decoding: Decoding = Decoding()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    """Of weights, data order, dropout and rollouts."""
    compute: Annotated[Compute, ADDED] = Compute()
    """Settings that change only speed and rounding. A trial's identity does not depend on them."""
    published_memory: Annotated[PublishedMemory | None, ADDED, UNCOMPARED] = None
    """What others' trainings took at several sizes; nothing is computed from it."""

    @model_validator(mode="after")
    def _parts_fit(self) -> "Experiment":
        if why := self.strategy.outdated():
            raise ValueError(f"strategy.{why}")
        for line in unmet(self.task, self.strategy, self.model):
            raise ValueError(line)
        tokenizer = self._own_vocabulary()
        separate = isinstance(tokenizer, Tokenizer) and not tokenizer.joint
        if self.model.joint_vocabulary_for and separate:
            raise ValueError(f"model.{self.model.joint_vocabulary_for} needs data.tokenizer.joint: true")
        parts, initial = self.model.parts, self.initial
        if initial is not None and parts is not None and initial.part not in ("all", *parts):
            raise ValueError(
                f"initial.part {initial.part}: the model {self.model.name} has none; there are all,"
                f" {', '.join(sorted(parts))}"
            )
        if why := self.task.misfit(max_tokens=self.data.max_tokens, max_positions=self.model.max_positions):
            raise ValueError(why)
        self._check_arithmetic()
        if self.data.prompt is not None:
            read = [column.name for column in self.task.columns if column.read and column.kind == "text"]
            if (field := prompted_column(self.data.prompt)) not in read:
                raise ValueError(
                    f"data.prompt: {{{field}}} is no column that models read in task {self.task.name}; there is"
                    f" {' and '.join(f'{{{name}}}' for name in read) or 'none'}"
                )
        corpus, where = source_of(self.data.corpus)
        known = [column.name for column in self.task.columns] if corpus.known is None else corpus.known
        if lacking := [column.name for column in self.task.columns if column.name not in known]:
            raise ValueError(
                f"{where} has no {' and no '.join(lacking)}, which task {self.task.name} needs (there are"
                f" {', '.join(known)}); name other data, or another task"
            )
        if self.task.needs_test and not isinstance(corpus, EmbeddedCorpus) and "test" not in corpus.splits:
            raise ValueError(f"{where}.splits lack test, by which task {self.task.name} is scored; add it")
        if self.data.augment and not any(column.read and column.kind == "text" for column in self.task.columns):
            raise ValueError(
                f"data.augment changes texts that models read, and those of task {self.task.name} read none; remove it"
            )
        return self

    def _own_vocabulary(self) -> AnyTokenizer:
        """The tokenizer's settings; that of a pre-trained model is found where the model is."""
        tokenizer, model = self.data.tokenizer, self.model
        if not isinstance(model, Pretrained):
            if isinstance(tokenizer, FromPretrained) and tokenizer.path is None:
                raise ValueError("data.tokenizer.path: needs a model's directory, since `model` is not pre-trained")
            return tokenizer
        if not isinstance(tokenizer, FromPretrained):
            raise ValueError(
                "model.name pretrained: its embeddings know its own vocabulary alone: data.tokenizer {name: pretrained}"
            )
        if tokenizer.path is not None and (one := tokenizer.resolved) is not None and one.files != model.found.files:
            raise ValueError("data.tokenizer.path: names another model than model.path; remove it")
        theirs = tokenizer.model_copy(update={"resolved": model.found})
        vars(self)["data"] = self.data.model_copy(update={"tokenizer": theirs})
        return theirs

    def _check_arithmetic(self) -> None:
        for key, training in (("training", self.training), ("finetuning", self.finetuning)):
            if why := self.model.refuses(training.precision):
                raise ValueError(f"{key}.precision {why}")
            if training.compile and not isinstance(self.model, Transformer):
                raise ValueError(
                    f"{key}.compile compiles the layers of our own models, and model.name {self.model.name} has none;"
                    " set it to false"
                )
            if training.dropout_by_row and not isinstance(self.model, Transformer):
                raise ValueError(
                    f"{key}.dropout_by_row is for our own models, and model.name {self.model.name} draws its masks"
                    " itself; set it to false"
                )
            if training.flash_attention and (why := _without_flash(self.model, training.precision)):
                raise ValueError(f"{key}.flash_attention {why}; set it to false")
            if training.dropout_by_row and training.compile:
                raise ValueError(f"{key}.dropout_by_row and {key}.compile exclude each other; set one to false")
        if self.decoding.cuda_graphs and not isinstance(self.model, Transformer):
            raise ValueError(
                "decoding.cuda_graphs needs the cache of our own models, whose size can be fixed, and model.name"
                f" {self.model.name} has another; set it to false"
            )
        if self.finetuning.epochs == 0:
            raise ValueError("finetuning.epochs must be at least 1: a strategy that trains nothing is its baseline")
        if self.training.epochs == 0 and not isinstance(self.model, Pretrained) and self.initial is None:
            raise ValueError(
                "training.epochs 0 leaves the weights random; take a model.name pretrained, or `initial`, or train"
            )


def _without_flash(model: Model, precision: Precision) -> str | None:
    """Why a model's training cannot use the flash kernel; none where it can."""
    if not isinstance(model, Seq2Seq):
        return f"is for model.name seq2seq, not {model.name}"
    if precision == "fp32":
        return "needs precision bf16 or fp16"
    if model.attention_dropout > 0:
        return f"needs model.attention_dropout 0, got {model.attention_dropout}"
    d_k, d_v = (model.d_model // model.heads if one is None else one for one in (model.d_k, model.d_v))
    if d_k != d_v or d_k % 8 or d_k > _MOST_FLASH_WIDTH:
        return f"needs heads of equal d_k and d_v, a multiple of 8 up to {_MOST_FLASH_WIDTH}, got {d_k} and {d_v}"
    return None


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
    """Identity of the baseline whose weights this trial starts from; none = `initial`, or random weights."""
    initial: Annotated[InitialWeights | None, ADDED] = None
    """What is loaded before the first update, or with a `start` only kept from being trained; none = nothing."""

    @property
    def identity(self) -> str:
        """Content hash: equal trials share one directory, one result and one tracking run."""
        return content_hash(canonical_json(self))

    def plugins(self) -> dict[str, str]:
        """Package → version of what it is trained with beside this package."""
        parts = (TASKS, self.task.name), (MODELS, self.model.name), (STRATEGIES, self.strategy.name)
        return {package: version for arm, name in parts for package, version in arm.versions([name]).items()}


def stored_trial(text: str) -> Trial:
    """A trial as a file or another process has it, in JSON.

    Raises:
        UnavailableError: A package that it is trained with is not installed here.
        ValueError: It is no trial.

    """
    parsed = json.loads(text)
    for key, arm in (("task", TASKS), ("model", MODELS), ("strategy", STRATEGIES)):
        part = parsed.get(key) if isinstance(parsed, dict) else None
        name = part.get("name") if isinstance(part, dict) else None
        if isinstance(name, str) and name not in arm.names():
            raise UnavailableError(
                f"{key} {name}: the package that brings it is not installed here; install that package"
                f" (its entry point {name} in {arm.group}), and run the same command"
            )
    return Trial.model_validate_json(text)


def baseline_trial(experiment: Experiment, *, prepared: str, initial: InitialWeights | None = None) -> Trial:
    """The teacher-forced trial that every fine-tuning of the experiment starts from.

    Args:
        experiment: Complete settings.
        prepared: Identity of its data.
        initial: What `experiment.initial` has come to, which the caller must have resolved; none = random weights.

    """
    assert (experiment.initial is None) == (initial is None), "the experiment's initial weights are not resolved"
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
        initial=initial,
    )


def training_trial(experiment: Experiment, *, prepared: str, initial: InitialWeights | None = None) -> Trial:
    """The trial that trains the experiment's strategy without a baseline before it."""
    trial = baseline_trial(experiment, prepared=prepared, initial=initial)
    return trial.model_copy(update={"strategy": experiment.strategy})


def finetuning_trial(
    experiment: Experiment, *, prepared: str, start: str, initial: InitialWeights | None = None
) -> Trial:
    """The trial that runs the experiment's strategy from the baseline `start`.

    The baseline has loaded the initial weights, so that they are part of a fine-tuning only where they stay frozen.
    """
    trial = baseline_trial(experiment, prepared=prepared, initial=initial)
    frozen = initial if initial is not None and initial.freeze else None
    return trial.model_copy(
        update={
            "training": experiment.finetuning,
            "strategy": experiment.strategy,
            "start": start,
            "initial": frozen,
        }
    )
