"""A strategy that the command line names, and whose usual settings the task has no use for, is refused with a fix."""

import re
from pathlib import Path

import pytest

from intelligen.cli.experiment_file import ExperimentFile
from intelligen.errors import ConfigError

EXPERIMENT = """
version: 1
name: reviews
task: {name: classification}
data:
  corpus:
    name: files
    folder: .
    splits: {train: {file: a.jsonl}, valid: {file: b.jsonl}, test: {file: c.jsonl}}
  max_tokens: 62
model: {name: decoder_only, max_positions: 64}
"""


@pytest.mark.parametrize(("strategy", "overrides"), [("auxiliary", ()), ("aux", ("strategy.weight=0.5",))])
def test_the_fix_of_a_strategy_s_setting_works_when_it_is_typed(
    tmp_path: Path, strategy: str, overrides: tuple[str, ...]
) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(EXPERIMENT)
    with pytest.raises(ConfigError) as refused:
        ExperimentFile(path, overrides, tmp_path, strategy).settings()
    (fix,) = re.findall(r"-o (strategy\.head=\w+)", str(refused.value))
    settings = ExperimentFile(path, (*overrides, fix), tmp_path, strategy).settings()
    assert (settings.strategy.name, settings.strategy.head) == ("auxiliary", "lm")


def test_a_strategy_that_no_setting_makes_fit_is_refused_with_those_that_fit(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(EXPERIMENT)
    with pytest.raises(ConfigError, match=r"there are standard, auxiliary$"):
        ExperimentFile(path, (), tmp_path, "generative").settings()
