"""What was one row and trained several things is several strategies; what earlier versions stored stays readable."""

import json
import re
from pathlib import Path

import pytest
import refusals
from conftest import REPOSITORY
from refusals import EXPERIMENT, SPACE, assert_reported, refusal

from intelligen.config.base import canonical_json
from intelligen.config.json_schema import json_schema
from intelligen.config.load import load_experiment, load_sweep
from intelligen.config.schema.experiment import stored_trial
from intelligen.config.schema.generative_strategies import (
    Generative,
    GenerativeOffpolicy,
    GenerativePosition,
    GenerativeRisk,
    GenerativeSelfCritical,
    GenerativeTreatment,
)
from intelligen.config.schema.single_strategies import RDrop, Standard, StandardMatched

folder = refusals.folder
STORED = REPOSITORY / "tests" / "golden" / "model" / "trial" / "trial.json"
CHOICE = f"{SPACE}  strategy:\n    choice:\n"
GENERATIVE = f"{CHOICE}      generative:\n"


def with_written_lines(text: str, message: str, *, instead_of: str) -> Path:
    """The sweep with the lines of the message in place of an option."""
    head, _ = text.split(instead_of)
    path = Path("sweep.yaml")
    path.write_text(
        head + "".join(f"      {line}\n" for line in re.findall(r"`(generative_[^`]*|r_drop:[^`]*)`", message))
    )
    return path


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        (
            "        target: {choice: [risk, gold_offpolicy]}  #!\n",
            "generative_risk: {}` and `generative_offpolicy: {}`",
        ),
        (
            "        target: {choice: [risk, gold_offpolicy]}  #!\n        alpha: {uniform: [0.5, 1.0]}\n"
            "        probability.start: {const: 0.2}\n        finetuning.epochs: {int: [1, 2]}\n",
            "write `generative_risk: {alpha: {uniform: [0.5, 1.0]}, probability.start: {const: 0.2}, finetuning.epochs:"
            " {int: [1, 2]}}` and `generative_offpolicy: {probability.start: {const: 0.2}, finetuning.epochs: {int: [1,"
            " 2]}}` instead of `generative`",
        ),
        (
            "        pairs:\n          zip:\n            target: [risk, self_critical, risk]  #!\n"
            "            alpha: [0.5, 1.0, 1.0]\n            reward: [bleu, chrf, chrf]\n",
            "write `generative_risk: {pairs: {zip: {alpha: [0.5, 1.0], reward: [bleu, chrf]}}}` and"
            " `generative_self_critical: {reward: {const: chrf}}` instead",
        ),
    ],
    ids=["alone", "beside others", "in a zip"],
)
def test_a_search_that_chooses_among_targets_is_refused_with_lines_that_work(
    folder: Path, entries: str, reason: str
) -> None:
    text = GENERATIVE + entries
    assert_reported(Path("sweep.yaml"), text, "space.strategy.choice.generative.", reason)
    (message,) = refusal(Path("sweep.yaml"))
    sweep, _ = load_sweep(with_written_lines(text, message, instead_of="      generative:\n"))
    assert set(sweep.strategies()) <= {"generative_risk", "generative_offpolicy", "generative_self_critical"}
    assert len(sweep.strategies()) == 2


def test_targets_of_the_experiments_own_strategy_are_refused_likewise(folder: Path) -> None:
    (folder / "experiment.yaml").write_text(f"{EXPERIMENT}strategy: {{name: generative}}\n")
    anchor = "  strategy.mle_weight: {uniform: [0.2, 0.8]}\n"
    text = f"{SPACE}{anchor}  strategy.target: {{choice: [risk, gold_position]}}  #!\n"
    line = (
        "strategy: {choice: {generative_position: {mle_weight: {uniform: [0.2, 0.8]}}, generative_risk: {mle_weight:"
        " {uniform: [0.2, 0.8]}}}}"
    )
    assert_reported(Path("sweep.yaml"), text, "space.strategy.target", f"`{line}`")
    Path("sweep.yaml").write_text(f"{SPACE}  {line}\n")
    assert load_sweep(Path("sweep.yaml"))[0].strategies() == ("generative_position", "generative_risk")


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ("{choice: [0.0, 0.5]}", "r_drop: {weight: {const: 0.5}}"),
        ("{choice: [0.0, 0.5, 1.0]}", "r_drop: {weight: {choice: [0.5, 1.0]}}"),
        ("{uniform: [0.0, 0.5]}", "r_drop: {weight: {uniform: [0.005, 0.5]}}"),
        ("{const: 2.5}", "r_drop: {weight: {const: 2.5}}"),
    ],
)
@pytest.mark.parametrize("strategy", ["standard", "standard_matched"])
def test_r_drop_in_the_space_of_teacher_forcing_is_refused_with_a_line_that_works(
    folder: Path, strategy: str, entry: str, line: str
) -> None:
    option = f"      {strategy}:\n        r_drop: {entry}  #!\n"
    text = f"{CHOICE}{option}"
    assert_reported(Path("sweep.yaml"), text, f"space.strategy.choice.{strategy}.r_drop", f"write `{line}` beside")
    (message,) = refusal(Path("sweep.yaml"))
    sweep, _ = load_sweep(with_written_lines(text, message, instead_of=option))
    assert sweep.strategies() == ("r_drop",)


@pytest.mark.parametrize(
    "strategy",
    ["name: standard\n  r_drop: 0.5", "name: standard_matched\n  r_drop: 0.5"],
)
def test_r_drop_in_an_experiment_is_refused_with_the_strategy_to_write(folder: Path, strategy: str) -> None:
    line = "strategy: {name: r_drop, weight: 0.5}"
    assert_reported(Path("experiment.yaml"), f"{EXPERIMENT}strategy:\n  {strategy}  #!\n", "strategy.r_drop", line)
    Path("experiment.yaml").write_text(f"{EXPERIMENT}{line}\n")
    assert load_experiment(Path("experiment.yaml")).strategy == RDrop(weight=0.5)


def test_a_mixture_has_no_r_drop(folder: Path) -> None:
    text = f"{EXPERIMENT}strategy:\n  name: intelligen\n  standard:\n    r_drop: 0.5  #!\n"
    assert_reported(Path("experiment.yaml"), text, "strategy.standard.r_drop", "no mixture has R-Drop; remove it")


def test_one_target_is_one_treatment_and_an_unfinished_sweep_goes_on_with_it(folder: Path) -> None:
    option = "        target: {const: risk}\n        alpha: {uniform: [0.5, 1.0]}\n"
    Path("sweep.yaml").write_text(f"{GENERATIVE}{option}      standard:\n        r_drop: {{const: 0.0}}\n")
    assert load_sweep(Path("sweep.yaml"))[0].strategies() == ("generative", "standard")


@pytest.mark.parametrize(
    ("earlier", "named"),
    [
        ({"temperature": 0.5, "alpha": 2.0}, GenerativePosition(temperature=0.5, mle_weight=0.3)),
        ({"target": "risk", "candidates": 8}, GenerativeRisk(candidates=8, temperature=1.0, mle_weight=0.3)),
        (
            {"target": "self_critical", "reward": "bleu", "temperature": 0.5, "max_length": 9},
            GenerativeSelfCritical(reward="bleu", temperature=0.5, max_length=9, mle_weight=0.3),
        ),
        ({"target": "gold_offpolicy", "min_importance": 0.2}, GenerativeOffpolicy(min_importance=0.2, mle_weight=0.3)),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value.name,
)
def test_a_target_is_the_strategy_that_it_names(earlier: dict[str, object], named: GenerativeTreatment) -> None:
    assert Generative.model_validate({"mle_weight": 0.3, **earlier}).treatment() == named


@pytest.mark.parametrize("settings", [Standard(), StandardMatched()])
def test_plain_teacher_forcing_is_written_as_it_was(settings: Standard | StandardMatched) -> None:
    assert json.loads(canonical_json(settings))["r_drop"] == 0.0


def test_a_trial_that_an_earlier_version_trained_with_r_drop_is_found_again() -> None:
    """As revision 0fead3a calls it."""
    stored = json.loads(STORED.read_text()) | {"strategy": {"name": "standard", "r_drop": 0.5}}
    trial = stored_trial(json.dumps(stored))
    assert trial.strategy == Standard(r_drop=0.5)
    assert trial.identity == "cf77ea5e429d1c3c"


def test_no_schema_offers_r_drop_as_a_setting_of_teacher_forcing() -> None:
    definitions = json_schema("experiment")["$defs"]
    assert "r_drop" not in definitions["Standard"]["properties"].keys() | definitions["StandardMatched"]["properties"]
    options = json_schema("sweep")["properties"]["space"]["properties"]["strategy"]["properties"]["choice"][
        "properties"
    ]
    assert "r_drop" not in options["standard"]["properties"]
    assert "weight" in options["r_drop"]["properties"]
