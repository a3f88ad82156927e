"""What a trial could not run with is refused before anything starts. The table's `#!` stands on the offending line."""

from pathlib import Path

import pytest
import refusals
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from refusals import SPACE, SWEEP, assert_reported, json_values, messages_of

from intelligen.config.load import load_sweep
from intelligen.errors import ConfigError

folder = refusals.folder

BAD_SPACES = {
    "unknown setting": (
        "  finetuning.optimizer.learning_rat: {log_uniform: [1e-5, 1e-3]}  #!\n",
        "finetuning.optimizer.learning_rat",
        'unknown key; did you mean "learning_rate"?',
    ),
    "unknown group": ("  finetunning.epochs: {int: [1, 2]}  #!\n", "finetunning.epochs", 'did you mean "finetuning"?'),
    "other shape": ("  model.heads: {choice: [2, 4]}  #!\n", "model.heads", "all trials start from one baseline"),
    "other data": ("  data.max_tokens: {choice: [8]}  #!\n", "data.max_tokens", "all trials start from one baseline"),
    "other baseline": (
        "  training.epochs: {choice: [8]}  #!\n",
        "training.epochs",
        "all trials start from one baseline",
    ),
    "other seed": ("  seed: {int: [1, 2]}  #!\n", "seed", "all trials start from one baseline"),
    "high end": ("  model.dropout: {uniform: [0.1, 1.5]}  #!\n", "model.dropout", "must be below 1, got 1.5"),
    "low end": (
        "  finetuning.optimizer.learning_rate: {uniform: [-0.1, 0.1]}  #!\n",
        "finetuning.optimizer.learning_rate",
        "must be above 0, got -0.1",
    ),
    "end on its own line": (
        "  model.dropout:\n    uniform:\n      - 0.1\n      - 1.5  #!\n",
        "model.dropout",
        "must be below 1, got 1.5",
    ),
    "wrong constant": ("  finetuning.precision: {const: fp8}  #!\n", "finetuning.precision", 'got "fp8"'),
    "a constant where another is varied": (
        "  strategy: {const: {name: generative, alpha: 0}}  #!\n",
        "strategy",
        "must be above 0, got 0",
    ),
    "wrong value of a list": (
        "  finetuning.schedule.name:\n    choice:\n      - cosine\n      - cosin  #!\n",
        "finetuning.schedule.name",
        'got "cosin"; did you mean "cosine"?',
    ),
    "unknown strategy": (
        "  strategy:\n    choice:\n      standard: {}\n      genrative: {}  #!\n",
        "strategy",
        'got "genrative"; did you mean "generative_position"?',
    ),
    "unknown first strategy": ("  strategy: {choice: {standrad: {}}}  #!\n", "strategy", 'did you mean "standard"?'),
    "unknown strategy in a list": (
        "  strategy: {choice: [standard, x]}  #!\n",
        "strategy",
        'must be one of "standard"',
    ),
    "unknown parameter of an option": (
        "  strategy:\n    choice:\n      standard: {}\n      generative:\n"
        "        probability.strat: {uniform: [0.1, 0.2]}  #!\n",
        "strategy.choice.generative.probability.strat",
        'unknown key; did you mean "start"?',
    ),
    "parameter of the other option": (
        "  strategy:\n    choice:\n      generative: {}\n      standard:\n        alpha: {uniform: [0.1, 0.2]}  #!\n",
        "strategy.choice.standard.alpha",
        'unknown key of "standard"; it belongs to "generative_risk" and "generative"',
    ),
    "parameter of one option for all": (
        "  strategy:\n    choice:\n      generative: {}\n      standard: {}  #!\n"
        "  strategy.alpha: {uniform: [0.1, 0.2]}\n",
        "strategy",
        'strategy.alpha: unknown key of "standard"',
    ),
    "end of an option's parameter": (
        "  strategy:\n    choice:\n      standard: {}\n      generative:\n        candidates: {int: [1, 4]}  #!\n",
        "strategy.choice.generative.candidates",
        "must be at least 2, got 1",
    ),
    "absolute key in an option": (
        "  strategy:\n    choice:\n      standard:\n        finetuning.epochs: {int: [0, 4]}  #!\n",
        "strategy.choice.standard.finetuning.epochs",
        "finetuning.epochs must be at least 1: a strategy that trains nothing is its baseline",
    ),
    "forbidden key in an option": (
        "  strategy:\n    choice:\n      standard:\n        training.epochs: {int: [1, 4]}  #!\n",
        "strategy.choice.standard.training.epochs",
        "all trials start from one baseline",
    ),
    "varied for all and in an option": (
        "  finetuning.epochs: {const: 2}\n  strategy:\n    choice:\n      standard:\n"
        "        finetuning.epochs: {int: [1, 4]}  #!\n",
        "strategy.choice.standard.finetuning.epochs",
        "finetuning.epochs varies twice",
    ),
    "varied twice in an option": (
        "  strategy:\n    choice:\n      generative:\n"
        "        alpha: {uniform: [0.5, 1.0]}\n        strategy.alpha: {uniform: [0.5, 1.0]}  #!\n",
        "strategy.choice.generative.strategy.alpha",
        "strategy.alpha varies twice",
    ),
    "options of a plain setting": (
        "  finetuning.optimizer.name: {choice: {adam: {}, adamw: {}}}  #!\n",
        "finetuning.optimizer.name",
        "write a list of values",
    ),
    "varied in options of two choices": (
        "  strategy: {choice: {standard: {finetuning.epochs: {int: [1, 2]}}}}\n"
        "  decoding.test: {choice: {beam: {finetuning.epochs: {int: [1, 4]}}}}  #!\n",
        "decoding.test.choice.beam.finetuning.epochs",
        "finetuning.epochs varies twice",
    ),
    "one name for two parameters": (
        "  decoding.validation: {choice: {beam: {size: {int: [1, 2]}}}}\n"
        "  decoding.test: {choice: {beam: {size: {int: [1, 4]}}}}  #!\n",
        "decoding.test.choice.beam.size",
        "beam/size names decoding.validation.size already; write the complete key decoding.test.size",
    ),
    "settings that exclude each other": (
        "  strategy:\n    choice:\n      generative:\n        probability.end: {uniform: [0.2, 0.5]}  #!\n",
        "strategy.choice.generative.probability.end",
        "a constant schedule cannot end elsewhere",
    ),
}

# Below `strategy: {choice: {intelligen: …}}`; the key is that of the entry.
BAD_MIXTURES = {
    "unknown strategy": (
        "policy.weights",
        "{simplex: [standard, generatve]}",
        'mixing weights of an unknown strategy: must be one of "standard", "auxiliary", "recurrent", "generative", '
        '"seqgan", got "generatve"; did you mean "generative"?',
    ),
    "control": ("policy.weights", "{simplex: [standard, seqgan_random]}", "mixing weights of an unknown strategy"),
    "one part": ("policy.weights", "{simplex: [standard]}", "needs at least two parts"),
    "no part": ("policy.weights", "{simplex: []}", "needs at least two parts"),
    "part twice": ("policy.weights", "{simplex: [standard, seqgan, standard]}", "occurs twice"),
    "part that is no text": ("policy.weights", "{simplex: [standard, 1]}", 'must be text, got 1; write "1"'),
    "no list": ("policy.weights", "{simplex: standard}", 'must be a list, got "standard"'),
    "simplex of one weight": ("policy.weights.standard", "{simplex: [standard, seqgan]}", "this setting has none"),
    "simplex of a policy": ("policy", "{simplex: [standard, seqgan]}", "this setting has none"),
    "simplex of a schedule": ("generative.probability", "{simplex: [start, end]}", "this setting has none"),
    "simplex of a near key": ("policy.wieghts", "{simplex: [standard, seqgan]}", 'did you mean "weights"?'),
    "vertex against a rule": (
        "policy",
        "{choice: {gap: {weights: {simplex: [generative, standard]}}}}",
        "standard takes what the gap leaves",
    ),
    "policy without weights": (
        "policy",
        "{choice: {bandit: {weights: {simplex: [generative, standard]}}}}",
        'weights: unknown key of "bandit"; it belongs to "static" and "gap"',
    ),
    "stage beyond the last": (
        "policy",
        "{choice: {curriculum: {stages.3.weights: {simplex: [generative, standard]}}}}",
        "numbered from 0, and this number is too large",
    ),
    "two gates": (
        "policy",
        "{choice: {curriculum: {stages.1.until_epochs_without_gain: {int: [1, 3]}}}}",
        "stage 2 needs one gate",
    ),
}
BAD_SCHEDULES = {
    "unknown shape": ("{shape: [linear, cosin], start: 0.5, end: 0.1}", 'got "cosin"; did you mean "cosine"?'),
    "no shape in the list": ("{shape: [], start: 0.5}", "shape must not be empty"),
    "no shape": ("{start: 0.5}", "shape: required, but missing"),
    "shape twice": ("{shape: [linear, linear], start: 0.5, end: 0.1}", "an entry that occurs twice"),
    "no start": ("{shape: linear, end: 0.5}", "start: required, but missing"),
    "no end": ("{shape: [constant, linear], start: 0.5}", "shape linear goes from start to `end`: add it"),
    "end without a way": ("{shape: constant, start: 0.5, end: 0.1}", "end has no effect"),
    "low > high": ("{shape: constant, start: [0.5, 0.1]}", "start must be one number, or [low, high]"),
    "one end of a range": ("{shape: linear, start: 0.1, end: [0.5]}", "end must be one number, or [low, high]"),
    "text for a number": ("{shape: constant, start: high}", 'start: must be a number or a list, got "high"'),
    "start beyond 1": ("{shape: constant, start: [0.5, 1.5]}", "probability: start: must be at most 1, got 1.5"),
    "start below 0": ("{shape: constant, start: [-0.5, 0.5]}", "probability: start: must be at least 0, got -0.5"),
    "end of one shape beyond 1": (
        "{shape: [constant, cosine], start: 0.5, end: [0.5, 2]}",
        "probability: end: must be at most 1, got 2",
    ),
    "no k": ("{shape: [linear, exponential], start: 0.5, end: 0.1}", "shape exponential needs k: add it"),
    "k without use": ("{shape: linear, start: 0.5, end: 0.1, k: 0.9}", "k belongs to shape exponential or inverse_sig"),
    "k for two shapes": (
        "{shape: [exponential, inverse_sigmoid], start: 0.5, end: 0.1, k: [0.9, 2.0]}",
        "shape exponential and inverse_sigmoid cannot be combined, because no k is valid for both",
    ),
    "k of exponential from 1 on": (
        "{shape: [linear, exponential], start: 0.5, end: 0.1, k: [0.9, 1.0]}",
        "k must be below 1, got 1.0",
    ),
    "k of inverse sigmoid below 1": (
        "{shape: inverse_sigmoid, start: 0.5, end: 0.1, k: [0.5, 10]}",
        "needs k of at least 1, got 0.5",
    ),
    "k of 0": ("{shape: exponential, start: 0.5, end: 0.1, k: [0, 0.5]}", "k: must be above 0, got 0"),
    "unknown key": ("{shape: constant, start: 0.5, stop: 0.1}", "stop: unknown key; known here: shape, start, end, k"),
    "no mapping": ("linear", 'must be a mapping, got "linear"'),
}


@pytest.mark.parametrize(("text", "key", "reason"), BAD_SPACES.values(), ids=BAD_SPACES)
def test_a_mistake_is_reported_in_one_line_with_its_location(folder: Path, text: str, key: str, reason: str) -> None:
    assert_reported(Path("sweep.yaml"), f"{SPACE}{text}", f"space.{key}", reason)


@pytest.mark.parametrize(("key", "form", "reason"), BAD_MIXTURES.values(), ids=BAD_MIXTURES)
def test_a_mistake_in_a_mixture_is_reported_in_one_line(folder: Path, key: str, form: str, reason: str) -> None:
    text = f"{SPACE}  strategy:\n    choice:\n      intelligen:\n        {key}: {form}  #!\n"
    assert_reported(Path("sweep.yaml"), text, f"space.strategy.choice.intelligen.{key}", reason)


@pytest.mark.parametrize(("ranges", "reason"), BAD_SCHEDULES.values(), ids=BAD_SCHEDULES)
def test_a_mistake_in_a_schedule_is_reported_in_one_line(folder: Path, ranges: str, reason: str) -> None:
    text = f"{SPACE}  strategy: {{choice: {{generative: {{probability: {{schedule: {ranges}}}}}}}}}  #!\n"
    assert_reported(Path("sweep.yaml"), text, "space.strategy.choice.generative.probability", reason)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("finetuning.schedule", "this setting is constant"),
        ("strategy.probability.start", "this setting is constant"),
        ("strategy.probabilty", 'did you mean "probability"?'),
    ],
)
def test_a_schedule_needs_a_probability_that_moves(folder: Path, key: str, reason: str) -> None:
    Path("experiment.yaml").write_text("version: 1\nname: tiny\nstrategy: {name: generative}\n")
    text = f"{SPACE}  {key}: {{schedule: {{shape: constant, start: 0.5}}}}  #!\n"
    assert_reported(Path("sweep.yaml"), text, f"space.{key}", reason)


def test_the_number_that_is_wrong_in_a_schedule_is_reported_at_its_own_line(folder: Path) -> None:
    text = (
        f"{SPACE}  strategy:\n    choice:\n      generative:\n        probability:\n          schedule:\n"
        "            shape: [linear, cosine]\n            start: [0.1, 0.5]\n            end: [-1, 0.2]  #!\n"
    )
    assert_reported(Path("sweep.yaml"), text, "space.strategy.choice.generative.probability", "end: must be at least 0")


@pytest.mark.parametrize(
    ("whole", "part"),
    [
        ("policy.weights: {simplex: [standard, seqgan]}", "policy.weights.standard: {const: 0.5}"),
        (
            "generative.probability: {schedule: {shape: constant, start: 0.1}}",
            "generative.probability.k: {int: [1, 2]}",
        ),
    ],
)
@pytest.mark.parametrize("whole_first", [True, False])
def test_a_part_of_what_varies_as_a_whole_cannot_vary_too(
    folder: Path, whole: str, part: str, whole_first: bool
) -> None:
    first, second = (whole, part) if whole_first else (part, whole)
    text = f"{SPACE}  strategy:\n    choice:\n      intelligen:\n        {first}\n        {second}  #!\n"
    assert_reported(Path("sweep.yaml"), text, second.partition(":")[0], "varies already as a part of strategy.")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from(
        ["strategy", "strategy.policy.stages.1.weights", "finetuning", "model.dropout", "decoding.test.size", "x..y"]
    ),
    value=json_values,
)
def test_no_search_space_raises_anything_but_a_reported_mistake(folder: Path, key: str, value: object) -> None:
    Path("sweep.yaml").write_text(SWEEP + yaml.safe_dump({"space": {key: value}}))
    try:
        load_sweep(Path("sweep.yaml"))
    except ConfigError as error:
        messages_of(error)
