"""A strategy declares its needs and its controls; one that does not can be neither built nor ranked."""

from collections.abc import Iterator
from typing import Any, Literal

import pytest

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.config.base import Settings
from intelligen.config.schema.columns import SOURCE_AND_TARGET, Column
from intelligen.config.schema.declarations import GENERATION, ModelSettings, Need, StrategySettings, TaskSettings
from intelligen.config.schema.generative_strategies import Generative
from intelligen.config.schema.missing_controls import is_control, missing_controls
from intelligen.config.schema.model import MODELS, DecoderOnly, Encoder, Seq2Seq
from intelligen.config.schema.parts_fit import unmet
from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.config.schema.single_strategies import (
    Auxiliary,
    RDrop,
    Recurrent,
    SeqGan,
    Standard,
    StandardMatched,
)
from intelligen.config.schema.strategies import STRATEGY_NAMES, declared
from intelligen.config.schema.strategy_mixture import Bandit, Curriculum, Intelligen
from intelligen.config.schema.tasks import LanguageModelling, Translation
from intelligen.errors import ConfigError
from intelligen.models.build import INTERFACES, build_classifier, build_model
from intelligen.models.interfaces import Network

DECLARED: dict[str, Any] = {"needs": (), "controls": ("standard",), "costlier": False, "control_for": None}
NULL = "a gain may be due to something else than its reward; add them"


def named(base: type[Settings], name: str, **declarations: object) -> type[Settings]:
    """A class of settings with a name of its own."""
    annotations = {"name": Literal[name]} | ({"selection_metric": str} if "selection_metric" in declarations else {})
    return type("Mine", (base,), {"__annotations__": annotations, "__module__": __name__, "name": name, **declarations})


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in DECLARED.items() if key != name}


@pytest.mark.parametrize("base", [StrategySettings, Standard, Recurrent])
@pytest.mark.parametrize("left_out", DECLARED)
def test_a_strategy_that_leaves_out_a_declaration_is_no_class(base: type[Settings], left_out: str) -> None:
    with pytest.raises(TypeError, match=f"Mine does not declare {left_out}"):
        named(base, "mine", **without(left_out))


def test_a_model_that_does_not_say_what_it_offers_is_no_class() -> None:
    with pytest.raises(TypeError, match="Mine does not declare offers"):
        named(ModelSettings, "mine")


TASK: dict[str, Any] = {
    "columns": SOURCE_AND_TARGET,
    "needs": (GENERATION,),
    "metrics": ("accuracy", "loss_free"),
    "watched": "accuracy",
}


@pytest.mark.parametrize(
    ("declared", "default", "reason"),
    [
        *(
            ({key: value for key, value in TASK.items() if key != left}, "valid/loss", f"not declare {left}")
            for left in TASK
        ),
        (TASK, "valid/bleu", "default of selection_metric must be one of valid/accuracy, valid/loss_free, valid/loss"),
        (TASK, ..., "default of selection_metric must be one of"),
        (TASK | {"columns": (Column("a/b", read=True),)}, "valid/loss", "columns: 'a/b' is no name"),
        (TASK | {"columns": ()}, "valid/loss", "columns must name at least one, and none twice, got none"),
        (TASK | {"columns": SOURCE_AND_TARGET * 2}, "valid/loss", "columns must name at least one, and none twice"),
        (TASK | {"metrics": ("accuracy", "")}, "valid/loss", "metrics: '' is no name"),
        (TASK | {"metrics": ("accuracy", "valid/f1")}, "valid/loss", "metrics: 'valid/f1' is no name"),
        (TASK | {"metrics": ("accuracy", "accuracy")}, "valid/loss", "metrics must name at least one, and none twice"),
        (TASK | {"metrics": ("accuracy", "loss")}, "valid/loss", "metrics: loss is what models are trained by"),
        (TASK | {"watched": "bleu"}, "valid/loss", "watched must be one of accuracy, loss_free, got 'bleu'"),
    ],
)
def test_a_task_whose_declarations_are_missing_or_do_not_fit_is_no_class(declared, default, reason) -> None:
    given = {key: value for key, value in declared.items() if value is not None}
    with pytest.raises(TypeError, match=reason):
        named(TaskSettings, "mine", **given | ({} if default is ... else {"selection_metric": default}))


def test_a_costlier_strategy_without_its_matched_control_is_no_class() -> None:
    with pytest.raises(TypeError, match="is costlier than teacher forcing: add 'standard_matched' to its `controls`"):
        named(StrategySettings, "mine", **DECLARED | {"costlier": True})


def test_a_strategy_without_the_standard_control_is_no_class() -> None:
    with pytest.raises(TypeError, match="is no control: add 'standard' to its `controls`"):
        named(StrategySettings, "mine", **DECLARED | {"controls": ()})


def test_a_complete_declaration_makes_a_class() -> None:
    assert named(StrategySettings, "mine", **DECLARED)().model_dump() == {"name": "mine"}


@pytest.mark.parametrize(
    "ask", [lambda: missing_controls(["standard", "mine"]), lambda: ComparedRows().controls_of("mine")]
)
def test_an_unknown_strategy_is_refused_where_controls_are_asked_for(ask: Any) -> None:
    with pytest.raises(ConfigError, match='there is no "mine", and no installed package has it; known here: standard'):
        ask()


@pytest.mark.parametrize("name", STRATEGY_NAMES)
def test_whatever_a_strategy_is_compared_with_is_a_control(name: str) -> None:
    assert all(is_control(control) for control in declared(name).controls)


def test_what_the_shipped_strategies_are_compared_with() -> None:
    assert {name: ComparedRows().controls_of(name) for name in STRATEGY_NAMES} == {
        "standard": (),
        "standard_matched": ("standard",),
        "auxiliary": ("standard",),
        "recurrent": ("standard", "standard_matched"),
        "r_drop": ("standard", "standard_matched"),
        "generative_position": ("standard", "standard_matched"),
        "generative_risk": ("standard", "standard_matched"),
        "generative_self_critical": ("standard", "standard_matched"),
        "generative_offpolicy": ("standard",),
        "generative": ("standard", "standard_matched"),
        "seqgan": ("standard", "standard_matched", "seqgan_constant", "seqgan_random"),
        "seqgan_constant": ("standard",),
        "seqgan_random": ("standard",),
        "intelligen": ("standard", "standard_matched"),
    }


@pytest.mark.parametrize(
    ("names", "lines"),
    [
        (("standard", "auxiliary"), []),
        (
            ("auxiliary", "seqgan"),
            [
                "no `standard` beside auxiliary and seqgan: what more teacher forcing alone brings stays unknown;"
                " add it",
                "no `standard_matched` beside seqgan: equal updates are not equal time; add `controls: own` to see"
                " what teacher forcing does in the same time",
                f"no seqgan_constant and seqgan_random beside seqgan: {NULL}",
            ],
        ),
        (
            ("standard", "standard_matched", "seqgan", "seqgan_constant"),
            [f"no seqgan_random beside seqgan: {NULL}"],
        ),
        (("standard_matched", "seqgan_random"), []),
    ],
)
def test_the_lines_of_missing_controls(names: tuple[str, ...], lines: list[str]) -> None:
    assert missing_controls(names) == lines


# What pre-trained ones can do depends on their directory: tests/conformance/test_pretrained_models.py
@pytest.mark.parametrize("settings", [one for one in MODELS.own if one is not Pretrained])
def test_the_networks_are_what_their_settings_declare(settings: type[ModelSettings]) -> None:
    shape = settings(d_model=8, heads=2, d_ff=8)
    networks: list[Network] = [build_classifier(shape, [9], classes=2)]
    if "generation" in settings.offers:
        networks.append(build_model(shape, {"source": 9, "target": 9}, seed=1))
    offered = {interface for interface in INTERFACES.values() if any(isinstance(one, interface) for one in networks)}
    assert offered == {INTERFACES[capability] for capability in settings.offers}
    assert settings.parts == {part for one in networks for part in one.parts}


def test_a_model_that_generates_nothing_builds_no_generator() -> None:
    with pytest.raises(ConfigError, match=r"model\.name encoder generates nothing; take seq2seq or decoder_only"):
        build_model(Encoder(), {"source": 9, "target": 9}, seed=1)


def test_a_decoder_alone_classifies_no_pairs() -> None:
    with pytest.raises(ConfigError, match="decoder_only reads one sequence, and a row has 2; take seq2seq or encoder"):
        build_classifier(DecoderOnly(), [9, 9], classes=2)


@pytest.mark.parametrize(
    ("strategy", "model", "line"),
    [
        (
            Auxiliary(head="encoder"),
            DecoderOnly(),
            "strategy.head encoder needs a model that offers encoder_output, which decoder_only does not; take decoder,"
            " or another model",
        ),
        (
            Standard(),
            Encoder(),
            "task.name translation needs a model that offers generation, which encoder does not; take seq2seq or"
            " decoder_only or pretrained",
        ),
    ],
)
def test_what_a_shipped_model_cannot_do_is_refused(strategy, model, line) -> None:
    assert [*unmet(Translation(), strategy, model)] == [line]


class Bare(ModelSettings):
    """A model that generates, and no more."""

    offers = frozenset({"generation"})
    name: Literal["bare"] = "bare"


def needs(strategy: StrategySettings) -> Iterator[str]:
    return unmet(Translation(), strategy, Bare())


@pytest.mark.parametrize(
    ("strategy", "key", "capability", "fix"),
    [
        (Auxiliary(head="encoder"), "strategy.head encoder", "encoder_output", "decoder"),
        (Recurrent(pick="gumbel"), "strategy.pick gumbel", "mixtures", "argmax or sample or top_k"),
        (
            Intelligen(recurrent=Recurrent(pick="softmax")),
            "strategy.recurrent.pick softmax",
            "mixtures",
            "argmax or sample or top_k",
        ),
    ],
)
def test_a_setting_that_needs_more_than_the_model_offers_is_reported_with_the_fix(
    strategy: StrategySettings, key: str, capability: str, fix: str
) -> None:
    (line,) = needs(strategy)
    assert line == f"{key} needs a model that offers {capability}, which bare does not; take {fix}, or another model"


@pytest.mark.parametrize(
    "strategy",
    [
        Auxiliary(),
        Recurrent(),
        Intelligen(policy=Bandit(arms=("standard", "generative")), recurrent=Recurrent(pick="softmax")),
        Intelligen(policy=Curriculum(), auxiliary=Auxiliary(head="encoder")),
    ],
)
def test_what_a_strategy_never_does_needs_nothing(strategy: StrategySettings) -> None:
    assert list(needs(strategy)) == []


class Sorts(ModelSettings):
    """A model that classifies, and no more."""

    offers = frozenset({"classification"})
    name: Literal["sorts"] = "sorts"


class Labels(TaskSettings):
    columns = SOURCE_AND_TARGET
    needs = (Need("classification"),)
    metrics = ("accuracy",)
    watched = "accuracy"
    name: Literal["labels"] = "labels"
    selection_metric: str = "valid/accuracy"


@pytest.mark.parametrize(
    ("task", "strategy", "model", "line"),
    [
        (Labels(), Standard(), Sorts(), ""),
        (Labels(), StandardMatched(), Seq2Seq(), ""),
        (Labels(), Auxiliary(head="lm"), DecoderOnly(), ""),
        (LanguageModelling(), StandardMatched(), DecoderOnly(), ""),
        (
            Translation(),
            Standard(),
            Sorts(),
            "task.name translation needs a model that offers generation, which sorts does not; take seq2seq or",
        ),
        (
            LanguageModelling(),
            Standard(),
            Seq2Seq(),
            "task.name language_modelling needs a model that offers language_modelling, which seq2seq does not; take"
            " decoder_only",
        ),
        (
            Labels(),
            Standard(),
            Bare(),
            "task.name labels needs a model that offers classification, which bare does not; take seq2seq",
        ),
        (Labels(), RDrop(), Sorts(), "strategy.name r_drop: labels writes no text: r_drop cannot train it; there are"),
        (Labels(), Auxiliary(), Sorts(), "strategy.head decoder: labels writes no text; take lm"),
        (
            Labels(),
            Auxiliary(head="lm"),
            Sorts(),
            "strategy.head lm needs a model that offers token_prediction, which sorts does not; take another strategy",
        ),
        (
            Labels(),
            Generative(),
            Seq2Seq(),
            "strategy.name generative: labels writes no text: generative cannot train it; there are standard,"
            " auxiliary",
        ),
        (
            LanguageModelling(),
            SeqGan(),
            DecoderOnly(),
            "strategy.name seqgan: language_modelling writes no text: seqgan cannot train it; there are standard",
        ),
        (
            LanguageModelling(),
            Auxiliary(),
            DecoderOnly(),
            "strategy.name auxiliary: language_modelling writes no text: auxiliary cannot train it; there are standard",
        ),
        (
            Translation(),
            Auxiliary(head="lm"),
            Seq2Seq(),
            "strategy.head lm: translation chooses no class; take decoder or encoder",
        ),
        (
            Translation(),
            Intelligen(policy=Bandit(arms=("standard", "auxiliary")), auxiliary=Auxiliary(head="lm")),
            Seq2Seq(),
            "strategy.auxiliary.head lm: translation chooses no class; take decoder or encoder",
        ),
        (
            Labels(),
            Intelligen(),
            Seq2Seq(),
            "strategy.name intelligen: labels writes no text: intelligen cannot train it; there are standard,"
            " auxiliary",
        ),
    ],
)
def test_task_strategy_and_model_fit_or_the_line_says_what_does(task, strategy, model, line) -> None:
    first = next(iter(unmet(task, strategy, model)), "")
    assert first.startswith(line)
    assert bool(first) == bool(line)


def test_a_need_of_every_setting_names_the_strategy() -> None:
    settings = named(StrategySettings, "mine", **DECLARED | {"needs": (GENERATION, Need("mixtures"))})
    (line,) = needs(settings())
    assert line == (
        "strategy.name mine needs a model that offers mixtures, which bare does not;"
        " take another strategy, or another model"
    )
