"""Base classes of the settings of tasks, models and strategies: what each must declare; no default exists."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field

from intelligen.config.base import NAME_PATTERN, Settings
from intelligen.config.schema.bleu_tokenizer_names import DEFAULT_BLEU_TOKENIZER, BleuTokenizer
from intelligen.config.schema.columns import Column
from intelligen.config.schema.training import Precision

Capability = Literal[
    "generation", "encoder_output", "mixtures", "classification", "token_prediction", "language_modelling"
]
"""What a network can do, by its interface in `models/interfaces.py`: `generation` is `Generator`, `encoder_output` is
`SourcePooler` (one state sums up each source), `mixtures` is `MixtureReader` (the decoder reads mixtures of tokens),
`classification` is `Classifier`, `token_prediction` is `PredictingClassifier` (it predicts the tokens that it reads,
too), `language_modelling` is a `Generator` that reads documents without a source."""
CAPABILITIES: tuple[Capability, ...] = get_args(Capability)

STANDARD, MATCHED = "standard", "standard_matched"
"""The control of every strategy, and that of those whose updates are dearer than teacher-forced ones."""


@dataclass(frozen=True)
class Need:
    """What a task or a strategy asks of the network: always, or where a setting of the strategy has certain values."""

    capability: Capability
    setting: str = ""
    """None of them where it is always needed."""
    values: tuple[object, ...] = ()
    """Of the setting."""

    def made_by(self, value: object) -> bool:
        """Whether the setting's value makes the need."""
        return value in self.values


GENERATION, CLASSIFICATION = Need("generation"), Need("classification")
LANGUAGE_MODELLING = Need("language_modelling")
"""What the network of a task is built for; a task has one of them among its needs."""


def _require_declared(cls: type[Settings], *names: str) -> None:
    """Only of a class that has a name of its own; others are bases, or the same strategy with other defaults."""
    named = "name" in inspect.get_annotations(cls) and not cls.model_fields["name"].is_required()
    if missing := [name for name in names if named and name not in vars(cls)]:
        raise TypeError(
            f"{cls.__qualname__} does not declare {', '.join(missing)}: each must be in the class itself, since"
            " no default would be right for all"
        )


class TaskSettings(Settings):
    """Base of every task's settings. A class with a `name` of its own declares all that follows, or is no class."""

    columns: ClassVar[tuple[Column, ...]]
    """What the task reads of the data."""
    needs: ClassVar[tuple[Need, ...]]
    """What the network must be able to do: `generation` or `classification`, most likely."""
    metrics: ClassVar[tuple[str, ...]]
    """Names of the scores that are shown after every epoch. Where the loss selects, test sets rank by the first one."""
    watched: ClassVar[str]
    """The name of that which health checks watch beside a rising reward, and which rewards a bandit's arms."""
    needs_test: ClassVar[bool] = True
    """Whether the data must have the split `test`."""
    leads_mlflow_run: ClassVar[bool] = True
    """Whether MLflow's run of a sweep of strategies has the scores of the best one as metrics."""

    name: str
    selection_metric: str
    """What chooses the best epoch: `valid/` and one of the metrics, or `valid/loss`."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a class that declares too little, or whose declarations do not fit together.

        Raises:
            TypeError: It does.

        """
        super().__pydantic_init_subclass__(**kwargs)
        _require_declared(cls, "columns", "needs", "metrics", "watched")
        if "metrics" not in vars(cls):
            return
        for problem in cls._problems():
            raise TypeError(f"{cls.__qualname__}: {problem}")

    @classmethod
    def _problems(cls) -> Iterator[str]:
        """What does not fit together in the declarations."""
        default, selecting = cls.model_fields["selection_metric"].default, cls.selecting()
        for what, names in (("columns", [column.name for column in cls.columns]), ("metrics", [*cls.metrics])):
            if not names or len({*names}) < len(names):
                yield f"{what} must name at least one, and none twice, got {', '.join(names) or 'none'}"
            for name in names:
                if not re.fullmatch(NAME_PATTERN, name):
                    yield f"{what}: {name!r} is no name: at most 64 of A-Z a-z 0-9 . _ -, the first a letter or digit"
        if "loss" in cls.metrics:
            yield "metrics: loss is what models are trained by; it is reported anyway, under that name"
        if default not in selecting:
            yield f"the default of selection_metric must be one of {', '.join(selecting)}, got {default!r}"
        if cls.watched not in cls.metrics:
            yield f"watched must be one of {', '.join(cls.metrics)}, got {cls.watched!r}"

    @classmethod
    def selecting(cls) -> tuple[str, ...]:
        """Scores that may select epochs."""
        return (*(f"valid/{name}" for name in cls.metrics), "valid/loss")

    @property
    def watched_metric(self) -> str:
        """The watched one on the validation set."""
        return f"valid/{self.watched}"

    @property
    def reported_scores(self) -> tuple[str, ...]:
        """Scores of test sets that are shown with intervals: the one that ranks strategies, and always the first.

        It is the score that selected weights and trials that ranks. Of those that the loss selected, it is the first:
        the loss is teacher-forced, and strategies that train on their own words give some of it up to write better.
        """
        chosen, headline = self.selection_metric.partition("/")[2], self.metrics[0]
        return (headline,) if chosen in (headline, "loss") else (chosen, headline)

    def needed(self) -> Iterator[Need]:
        """What the task asks of the network."""
        yield from self.needs

    @property
    def writes_text(self) -> bool:
        """Whether its models do; only then is there something to force, to sample or to reward."""
        return any(need.capability == "generation" for need in self.needed())

    @property
    def predicts_tokens(self) -> bool:
        """Whether its losses are means over tokens of text: of a loss by class, no perplexity can be made."""
        return any(need.capability in ("generation", "language_modelling") for need in self.needed())

    @property
    def targets(self) -> Literal["target_tokens", "rows"]:
        """What its losses are summed over, and what throughput and budgets of `target_tokens` count."""
        return "target_tokens" if self.predicts_tokens else "rows"

    @property
    def counted(self) -> str:
        """The same for people."""
        return self.targets.replace("_", " ")

    def longest_row(self, max_tokens: int) -> int:
        """Positions of the longest row that training data can have: with EOS, or BOS and what it predicts.

        Args:
            max_tokens: `data.max_tokens`.

        """
        return max_tokens + 1

    def misfit(self, *, max_tokens: int, max_positions: int) -> str | None:
        """Why rows have more positions than the network, in a line that begins with a key; none where they have not.

        Args:
            max_tokens: `data.max_tokens`.
            max_positions: `model.max_positions`.

        """
        if self.longest_row(max_tokens) <= max_positions:
            return None
        return (
            f"data.max_tokens ({max_tokens}) must be below model.max_positions ({max_positions}): BOS and EOS take a"
            " position"
        )

    @property
    def tokenizer(self) -> BleuTokenizer:
        """What cuts text into words for rewards by sentence BLEU and for the measures of the hypotheses' text."""
        return DEFAULT_BLEU_TOKENIZER


class StrategySettings(Settings):
    """Base of every strategy's settings. A class with a `name` of its own declares all that follows, or is no class."""

    needs: ClassVar[tuple[Need, ...]]
    """What the network must be able to do."""
    controls: ClassVar[tuple[str, ...]]
    """The strategies that a gain of this one is held against; it is not ranked where one of them is missing."""
    costlier: ClassVar[bool]
    """Whether an update takes longer than a teacher-forced one: then `standard_matched` is one of its controls."""
    control_for: ClassVar[str | None]
    """Of a control: what stays unknown without it, and the fix, as a warning ends. None = this is no control."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a class that declares too little.

        Raises:
            TypeError: It does.

        """
        super().__pydantic_init_subclass__(**kwargs)
        _require_declared(cls, "needs", "controls", "costlier", "control_for")
        wanted = [] if getattr(cls, "control_for", "") is not None else [STANDARD, *([MATCHED] if cls.costlier else [])]
        if missing := [name for name in wanted if name not in cls.controls]:
            reason = "is costlier than teacher forcing" if MATCHED in missing else "is no control"
            raise TypeError(f"{cls.__qualname__} {reason}: add {' and '.join(map(repr, missing))} to its `controls`")

    def needed(self) -> Iterator[Need]:
        """What these settings ask of the network; a need's setting is a dotted key below them."""
        for need in self.needs:
            if not need.setting or need.made_by(getattr(self, need.setting)):
                yield need

    def outdated(self) -> str | None:
        """What trials of earlier versions may have and files may not: its key, why, and the fix; none = nothing."""
        return None


class ModelSettings(Settings):
    """Base of every model's settings. A class with a `name` of its own declares what its network can do."""

    offers: ClassVar[frozenset[Capability]]
    """What the network that these settings build can do."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a class that declares too little.

        Raises:
            TypeError: It does.

        """
        super().__pydantic_init_subclass__(**kwargs)
        _require_declared(cls, "offers")

    parts: ClassVar[frozenset[str] | None] = None
    """Parts that the networks have (`models/interfaces.py`), for `initial.part`; None = it is not known before one is
    built."""

    def offered(self) -> frozenset[Capability]:
        """What the network of these settings can do: `offers`, or less where that depends on their values."""
        return self.offers

    @property
    def called(self) -> str:
        """What messages call it: its `name`, and of one that is many kinds of models which it is."""
        return str(vars(self)["name"])

    def refuses(self, precision: Precision) -> str | None:
        """Why its network cannot be trained in a precision, and the fix; none where it can."""
        return None

    def implied(self) -> dict[str, Any]:
        """Setting → value, of those that are not given here and follow from others; tables show them."""
        return {}

    @property
    def joint_vocabulary_for(self) -> str | None:
        """The setting by which source and target must have one vocabulary, as messages name it; none = they need not.

        A key of the model, and its value in backticks.
        """
        return None


class PluginTask(TaskSettings):
    """Base of the settings of tasks that other packages bring: docs/extending.md."""


class PluginStrategy(StrategySettings):
    """Base of the settings of strategies that other packages bring: docs/extending.md."""

    name: str


class PluginModel(ModelSettings):
    """Base of the settings of models that other packages bring: docs/extending.md."""

    name: str
    max_positions: Annotated[int, Field(ge=8, le=16_384)]
    """Longest target that the network can read or write."""
