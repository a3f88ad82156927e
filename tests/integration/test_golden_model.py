"""A model that an earlier revision has trained and written translates to the same text, by every search without chance.

`tests/golden/model` was trained, packed (scripts/pack_model.py) and decoded to `translations.json` by revision fe77507.
It is never written again: a difference means that trained models of earlier revisions have become others.
"""

import json

import pytest
from click.testing import CliRunner
from conftest import REPOSITORY

from intelligen.cli.main import commands

MODEL = REPOSITORY / "tests" / "golden" / "model"
GOLDEN = json.loads((MODEL / "translations.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_the_golden_model_translates_to_the_golden_text(search: str) -> None:
    command = ["inference", str(MODEL / "trial"), "--search", search, "--device", "cpu"]
    lines = "".join(f"{line}\n" for line in GOLDEN["source"])
    done = CliRunner().invoke(commands, command, input=lines, catch_exceptions=False)
    assert done.exit_code == 0
    assert done.stdout.splitlines() == GOLDEN[search]
