"""A zip pairs the values of several settings: rows are tried whole; each mistake is reported at its own setting."""

from pathlib import Path
from typing import Any

import pytest
import refusals
from refusals import SPACE, assert_reported, refusal

from intelligen.config.load import load_sweep
from intelligen.config.schema.space_forms import Zip
from intelligen.errors import ConfigError

folder = refusals.folder

PAIRS = """\
  pairs:
    zip:
      finetuning.optimizer.learning_rate: [1e-3, 5e-4]
      finetuning.batch_tokens: [4096, 2048]
"""
# Below `pairs`, at the outside and as an option's entry; the key is that of the setting or of the zip.
BAD_ZIPS = {
    "one setting": ("    zip: {finetuning.epochs: [1, 2]}  #!\n", "", "a zip pairs at least two settings"),
    "no setting": ("    zip: {}  #!\n", "", "a zip pairs at least two settings"),
    "no mapping": ("    zip: [1, 2]  #!\n", ".zip", "must be a mapping, got a list"),
    "no list": ("    zip: {finetuning.epochs: 1, finetuning.patience: [1]}  #!\n", ".zip.finetuning.epochs", "a list"),
    "no value": ("    zip: {finetuning.epochs: [], finetuning.patience: [1]}  #!\n", ".zip.finetuning.epochs", "empty"),
    "a list that is too long": (
        "    zip:\n      finetuning.epochs: [1, 2]\n      finetuning.patience: [1, 2, 3]  #!\n",
        "",
        "zip.finetuning.patience must have as many values as finetuning.epochs (2), got 3",
    ),
    "a row twice": (
        "    zip:  #!\n      finetuning.epochs: [1, 2, 1]\n      finetuning.patience: [1, 2, 1]\n",
        "",
        "a row of the zip occurs twice",
    ),
    "unknown setting": (
        "    zip:\n      finetuning.epochs: [1, 2]\n      finetuning.patiense: [1, 2]  #!\n",
        ".zip.finetuning.patiense",
        'unknown key; did you mean "patience"?',
    ),
    "a setting of the baseline": (
        "    zip:\n      finetuning.epochs: [1, 2]\n      training.epochs: [1, 2]  #!\n",
        ".zip.training.epochs",
        "all trials start from one baseline",
    ),
    "a value in a later row": (
        "    zip:\n      finetuning.epochs: [1, 2]\n      finetuning.patience:\n        - 1\n        - 0  #!\n",
        ".zip.finetuning.patience",
        "must be above 0, got 0",
    ),
    "a value in the first row": (
        "    zip:\n      finetuning.epochs: [1, 2]\n      finetuning.patience:\n        - 0  #!\n        - 1\n",
        ".zip.finetuning.patience",
        "must be above 0, got 0",
    ),
    "an unknown option": (
        "    zip:\n      finetuning.epochs: [1, 2]\n      decoding.test:\n        - beam\n        - baem  #!\n",
        ".zip.decoding.test",
        'got "baem"; did you mean "beam"?',
    ),
}


def zipped(entries: str) -> dict[str, Any]:
    Path("sweep.yaml").write_text(SPACE + entries)
    return load_sweep(Path("sweep.yaml"))[0].model_dump(mode="json")["space"]


def test_a_zip_is_read_row_by_row() -> None:
    space = Zip(zip={"finetuning.epochs": [1, 2], "strategy.policy.weights": [{"standard": 1.0}, {"seqgan": 1.0}]})
    assert space.rows == [
        {"finetuning.epochs": 1, "strategy.policy.weights": {"standard": 1.0}},
        {"finetuning.epochs": 2, "strategy.policy.weights": {"seqgan": 1.0}},
    ]


def test_a_zip_loads_outside_and_inside_of_options(folder: Path) -> None:
    inner = "  strategy: {choice: {generative: {pair: {zip: {reward: [bleu, chrf], candidates: [8, 2]}}}}}\n"
    space = zipped(PAIRS + inner)
    assert space["pairs"] == {
        "zip": {"finetuning.optimizer.learning_rate": [0.001, 0.0005], "finetuning.batch_tokens": [4096, 2048]}
    }
    assert space["strategy"]["choice"]["generative"]["pair"]["zip"]["candidates"] == [8, 2]


@pytest.mark.parametrize(("text", "key", "reason"), BAD_ZIPS.values(), ids=BAD_ZIPS)
def test_a_mistake_is_reported_in_one_line_with_its_location(folder: Path, text: str, key: str, reason: str) -> None:
    assert_reported(Path("sweep.yaml"), f"{SPACE}  pairs:\n{text}", f"space.pairs{key}", reason)


@pytest.mark.parametrize(("text", "key", "reason"), BAD_ZIPS.values(), ids=BAD_ZIPS)
def test_a_mistake_in_an_options_zip_is_reported_likewise(folder: Path, text: str, key: str, reason: str) -> None:
    option = "".join(f"      {line}\n" for line in ["  pairs:", *text.splitlines()])
    start = f"{SPACE}  strategy:\n    choice:\n      generative:\n"
    assert_reported(Path("sweep.yaml"), start + option, f"space.strategy.choice.generative.pairs{key}", reason)


def test_a_row_is_tried_as_a_whole(folder: Path) -> None:
    valid = "  strategy: {choice: {generative: {pair: {zip: {probability.shape: [linear, constant],"
    assert zipped(f"{valid} probability.end: [0.2, null]}}}}}}}}}}\n")
    # An end of its own would be tried beside a constant schedule as well.
    refused = f"{SPACE}{valid} probability.end: [0.2, 0.3]}}}}}}}}}}  #!\n"
    assert_reported(Path("sweep.yaml"), refused, "space.strategy.choice.generative.pair", "cannot end elsewhere")


def test_every_wrong_setting_of_a_zip_has_its_own_line(folder: Path) -> None:
    Path("sweep.yaml").write_text(
        f"{SPACE}  pairs:\n    zip:\n      finetuning.epochs: [1, 0]\n      finetuning.patience: [0, 1]\n"
    )
    assert [message.split(": ")[:2] for message in refusal(Path("sweep.yaml"))] == [
        ["sweep.yaml:9", "space.pairs.zip.finetuning.patience"],
        ["sweep.yaml:8", "space.pairs.zip.finetuning.epochs"],
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("finetuning.batch_tokens", "is a setting; give the zip another name"),
        ("model", "is a setting"),
        ("a/b", "the name of a zip has at most 64 of"),
        ("x y", "the name of a zip has at most 64 of"),
    ],
)
def test_a_zip_has_a_name_of_its_own(folder: Path, name: str, reason: str) -> None:
    text = f"{SPACE}  {name}:  #!\n    zip: {{finetuning.epochs: [1, 2], finetuning.patience: [1, 2]}}\n"
    assert_reported(Path("sweep.yaml"), text, f"space.{name}: ", reason)


def test_a_name_that_is_a_setting_of_the_option_is_refused(folder: Path) -> None:
    # A schedule at `probability` draws under that very name.
    entries = "probability.shape: {zip: {reward: [bleu, chrf], candidates: [8, 2]}}"
    text = f"{SPACE}  strategy: {{choice: {{generative: {{{entries}}}}}}}  #!\n"
    assert_reported(Path("sweep.yaml"), text, "generative.probability.shape: ", "is a setting")


@pytest.mark.parametrize(
    ("entries", "key", "reason"),
    [
        pytest.param(
            f"{PAIRS}  finetuning.batch_tokens: {{choice: [1024]}}  #!\n",
            "space.finetuning.batch_tokens",
            "finetuning.batch_tokens varies twice",
            id="beside it",
        ),
        pytest.param(
            f"{PAIRS}  strategy: {{choice: {{standard: {{finetuning.batch_tokens: {{choice: [1024]}}}}}}}}  #!\n",
            "space.strategy.choice.standard.finetuning.batch_tokens",
            "varies twice",
            id="in an option",
        ),
        pytest.param(
            "  strategy: {choice: {generative: {p: {zip: {alpha: [1, 2], strategy.alpha: [1, 2]}}}}}  #!\n",
            "generative.p.zip.strategy.alpha",
            "strategy.alpha varies twice",
            id="in itself",
        ),
        pytest.param(
            "  decoding.validation: {choice: {beam: {p: {zip: {size: [1, 2], length_penalty: [0, 1]}}}}}\n"
            "  decoding.test: {choice: {beam: {p: {zip: {size: [1, 2], length_penalty: [0, 1]}}}}}  #!\n",
            "decoding.test.choice.beam.p.zip.size",
            "beam/p names decoding.validation.size already; give the zip another name",
            id="name",
        ),
        pytest.param(
            "  strategy:\n    choice:\n      generative:\n"
            "        probability: {schedule: {shape: constant, start: [0, 1]}}\n"
            "        p: {zip: {alpha: [1, 2], probability.start: [0, 1]}}  #!\n",
            "generative.p.zip.probability.start",
            "varies already as a part of strategy.probability",
            id="part of a schedule",
        ),
    ],
)
def test_what_a_zip_sets_varies_nowhere_else(folder: Path, entries: str, key: str, reason: str) -> None:
    Path("sweep.yaml").write_text(SPACE + entries)
    line = (SPACE + entries)[: (SPACE + entries).index("#!")].count("\n") + 1
    message = refusal(Path("sweep.yaml"))[0]
    assert message.startswith(f"sweep.yaml:{line}: ")
    assert key in message
    assert reason in message


def test_overrides_reach_a_zip_and_its_values(folder: Path) -> None:
    Path("sweep.yaml").write_text(SPACE + PAIRS)
    overrides = [
        "space.pairs.zip.finetuning.batch_tokens=[512, 256]",
        "space.pairs.zip.finetuning.batch_tokens.1=128",
        "space.others={zip: {finetuning.epochs: [1, 2], finetuning.patience: [2, 3]}}",
    ]
    space = load_sweep(Path("sweep.yaml"), overrides)[0].space
    assert [row["finetuning.batch_tokens"] for row in space["pairs"].rows] == [512, 128]
    assert space["others"].rows[1] == {"finetuning.epochs": 2, "finetuning.patience": 3}
    wrong = "space.pairs.zip.finetuning.batch_tokens=[512]"
    with pytest.raises(ConfigError, match="must have as many values as") as caught:
        load_sweep(Path("sweep.yaml"), [wrong])
    assert str(caught.value).startswith(f"-o {wrong}: space.pairs: zip.finetuning.batch_tokens must")
