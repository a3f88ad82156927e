"""`intelligen finetune EXPERIMENT --strategy NAME` runs every strategy and control, by its name and its short name."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import TINY_EXPERIMENT, write_tiny_corpus

from intelligen.cli.main import commands
from intelligen.config.schema.strategies import ALIASES, STRATEGY_NAMES
from intelligen.state.history import HISTORY_FILE, read_history
from intelligen.state.trial_result import read_trial


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("by-name")
    (directory / "corpus").mkdir()
    write_tiny_corpus(directory / "corpus")
    (directory / "e.yaml").write_text(TINY_EXPERIMENT.replace("folder: corpus", f"folder: {directory / 'corpus'}"))
    run(directory, "train")
    return directory


def run(directory: Path, mode: str, *arguments: str) -> None:
    command = [mode, str(directory / "e.yaml"), *arguments, "--runs", str(directory / "runs"), "--device", "cpu"]
    done = CliRunner().invoke(commands, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("name", [*ALIASES, *sorted(set(STRATEGY_NAMES) - set(ALIASES.values()))])
def test_every_strategy_finetunes_the_baseline(name, directory):
    run(directory, "finetune", "--strategy", name, "-o", "finetuning.epochs=1", "-o", "finetuning.epoch_updates=3")
    full = ALIASES.get(name, name)
    (trained,) = (directory / "runs" / "finetuned").glob(f"{full}-*")
    trial = read_trial(trained)
    assert trial.strategy.name == full
    assert trial.start is not None
    (report,) = read_history(trained / HISTORY_FILE)
    assert report.metrics["train/loss"] > 0


def test_a_knob_of_the_named_strategy_can_be_given_with_it(directory):
    run(directory, "finetune", "--strategy", "rec", "-o", "strategy.passes=2", "-o", "finetuning.epochs=1")
    passes = {read_trial(path).strategy.passes for path in (directory / "runs" / "finetuned").glob("recurrent-*")}
    assert 2 in passes
