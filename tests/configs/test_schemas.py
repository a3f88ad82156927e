"""The JSON schemas are those of the settings, accept our files and know every key."""

import copy
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY
from jsonschema import Draft202012Validator

from intelligen.cli.main import commands, guarded
from intelligen.config.files.yaml_file import parse_document, read_document
from intelligen.config.json_schema import FILES, json_schema, schema_text
from intelligen.config.schema.strategies import STRATEGY_NAMES

FOLDERS = {"sweep": "search_spaces", "experiment": "experiments"}
SHIPPED = [
    pytest.param(kind, path, id=path.name)
    for kind, folder in FOLDERS.items()
    for path in sorted((REPOSITORY / folder).glob("**/*.yaml"))
]
EXPERIMENT = "version: 1\nname: tiny\n"
SWEEP = f"{EXPERIMENT}experiment: e.yaml\nbudget: {{trials: 2}}\n"


@functools.cache
def validator(kind: str) -> Draft202012Validator:
    return Draft202012Validator(json_schema(kind))


def refusals(kind: str, data: Any) -> list[str]:
    return [error.message for error in validator(kind).iter_errors(data)]


def mappings(data: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in the data, itself included."""
    if isinstance(data, dict):
        yield data
    for inner in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from mappings(inner)


@pytest.mark.parametrize("kind", FILES)
def test_the_stored_schema_is_up_to_date(kind: str) -> None:
    stored = (REPOSITORY / "schemas" / f"{kind}.schema.json").read_text(encoding="utf-8")
    assert stored == schema_text(kind), "stale: run python scripts/write_schemas.py"


@pytest.mark.parametrize("kind", FILES)
def test_the_command_prints_the_schema(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert guarded(lambda: commands.main(["schema", kind], standalone_mode=False)) == 0
    assert capfd.readouterr().out == schema_text(kind)


@pytest.mark.parametrize("kind", FILES)
def test_the_schema_is_one(kind: str) -> None:
    Draft202012Validator.check_schema(json_schema(kind))


@pytest.mark.parametrize(("kind", "path"), SHIPPED)
def test_a_shipped_file_is_accepted_and_names_its_schema(kind: str, path: Path) -> None:
    assert refusals(kind, read_document(path).data) == []
    first = path.read_text(encoding="utf-8").splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == REPOSITORY / "schemas" / f"{kind}.schema.json"


@pytest.mark.parametrize(("kind", "path"), SHIPPED)
def test_an_unknown_key_is_refused_in_every_mapping_of_a_shipped_file(kind: str, path: Path) -> None:
    data = read_document(path).data
    for number, _ in enumerate(mappings(data)):
        changed = copy.deepcopy(data)
        list(mappings(changed))[number]["unknown"] = 1
        assert refusals(kind, changed), list(mappings(data))[number]


@pytest.mark.parametrize("kind", FILES)
def test_every_group_of_settings_is_closed_and_explained(kind: str) -> None:
    schema = json_schema(kind)
    for group in (schema, *schema["$defs"].values()):
        if "properties" in group:
            assert group["additionalProperties"] is False
            assert group["description"]
    assert len(schema["$defs"]) > 10


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("experiment", EXPERIMENT + "training: {epochs: -1}"),
        ("experiment", EXPERIMENT + "training: {epochs: ten}"),
        ("experiment", EXPERIMENT + "strategy: {alpha: 1.0}"),
        ("experiment", EXPERIMENT + "strategy: {name: genrative}"),
        ("experiment", EXPERIMENT + "strategy: {name: standard, alpha: 1.0}"),
        ("experiment", EXPERIMENT + "training: {optimizer: {betas: [0.9]}}"),
        ("experiment", "version: 2\nname: tiny\n"),
        ("experiment", "version: 1\n"),
        ("experiment", "version: 1\nname: ../x\n"),
        ("sweep", SWEEP),
        ("sweep", SWEEP + "space: {}"),
        ("sweep", SWEEP + "space: {model.dropout: 0.1}"),
        ("sweep", SWEEP + "space: {model.dropout: {uniform: [0.1]}}"),
        ("sweep", SWEEP + "space: {model.dropout: {uniform: [0, 1], const: 1}}"),
        ("sweep", SWEEP + "space: {strategy: {choice: {r_drop: {weight: {unifrm: [0, 1]}}}}}"),
        ("sweep", SWEEP + "space: {strategy: {choice: {generative_position: {mle_weigth: {uniform: [0, 1]}}}}}"),
        ("sweep", SWEEP + "space: {strategy: {choice: {standard: {finetuning.epoch: {int: [1, 2]}}}}}"),
        ("sweep", SWEEP + "space: {strategy: {choice: {genrative_position: {}}}}"),
        ("sweep", SWEEP + "space: {strategy: {choice: {intelligen: {policy: {choice: {gap: {gian: {const: 1}}}}}}}}"),
        ("sweep", SWEEP + "space: {strategy: {choice: {intelligen: {policy.wieghts: {simplex: [standard, seqgan]}}}}}"),
        ("sweep", SWEEP + "space: {finetuning.optimizer.learning_rat: {uniform: [0, 1]}}"),
        ("sweep", SWEEP + "space: {strategy.mle_weigth: {uniform: [0, 1]}}"),
        ("sweep", SWEEP + "space: {lr: {uniform: [0, 1]}}"),
        ("sweep", SWEEP + "rows: {variants: {control: a, of: {a: {}, b: {strategy.mle_weigth: 0.5}}}}"),
        ("sweep", SWEEP + "space: {pairs: {zip: {finetuning.epochs: 1}}}"),
        ("sweep", SWEEP + "space: {model.dropout: {const: 1}}\ninclude: x.yaml"),
    ],
)
def test_what_the_loader_refuses_of_keys_types_and_words_the_schema_refuses(kind: str, text: str) -> None:
    assert refusals(kind, parse_document(text, "x.yaml").data)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("experiment", EXPERIMENT),
        ("experiment", "include: [x.yaml]"),
        ("experiment", EXPERIMENT + "strategy: {name: intelligen, auxiliary: {weight: 0.5}}"),
        ("sweep", SWEEP + "space: {model.dropout: {const: 1}}\ninclude: [x.yaml]"),
        ("sweep", SWEEP + "space: {strategy: {choice: {intelligen: {policy.stages.1.weights: {const: 1}}}}}"),
        ("sweep", SWEEP + "space: {strategy.policy.stages.0.until_share: {uniform: [0, 1]}}"),
        (
            "sweep",
            SWEEP + "space: {strategy: {choice: {generative_risk: {both: {zip: {alpha: [1], candidates: [2]}}}}}}",
        ),
        ("sweep", SWEEP + "space: {strategy: {choice: {standard: {decoding.test.size: {int: [1, 2]}}}}}"),
        ("sweep", SWEEP + "rows: {variants: {control: a, of: {a: {}, b: {data.corpus.splits.f17.file: x.tsv}}}}"),
        ("sweep", SWEEP + "space: {pairs: {zip: {finetuning.epochs: [1, 2], strategy: [standard, generative]}}}"),
        ("sweep", SWEEP + "space: {strategy: {choice: {standard: {}, intelligen: {policy: {choice: {gap: {}}}}}}}"),
    ],
)
def test_what_the_loader_accepts_the_schema_accepts(kind: str, text: str) -> None:
    assert refusals(kind, parse_document(text, "x.yaml").data) == []


def test_an_editor_explains_what_a_space_may_vary() -> None:
    offered = json_schema("sweep")["properties"]["space"]["properties"]
    assert offered["finetuning.optimizer.learning_rate"]["description"] == "Peak of the schedule."
    strategies = offered["strategy"]["properties"]["choice"]["properties"]
    assert set(strategies) == set(STRATEGY_NAMES)
    assert strategies["generative_risk"]["properties"]["candidates"]["description"].startswith("n: sampled hypotheses")
    policies = strategies["intelligen"]["properties"]["policy"]["properties"]["choice"]["properties"]
    assert "gain" in policies["gap"]["properties"]
    assert not any(key.startswith(("data", "seed", "initial")) for key in offered)


def test_what_an_editor_offers_is_checked_as_any_form() -> None:
    text = f"{SWEEP}space: {{strategy: {{choice: {{generative: {{alpha: {{unifrm: [1, 2]}}}}}}}}}}"
    assert refusals("sweep", parse_document(text, "x.yaml").data)
    assert refusals("sweep", parse_document(f"{SWEEP}space: {{strategy: generative}}", "x.yaml").data)
