"""A launch request for a sweep that goes on keeps to where its last launch tracked to."""

from pathlib import Path

import pytest
from conftest import REPOSITORY

from intelligen.cli.main import commands
from intelligen.config.load import load_sweep
from intelligen.errors import ConfigError, StorageError
from intelligen.state.launch_file import write_launch
from intelligen.state.layout import LAUNCH_FILE
from intelligen.state.ledger import Ledger
from intelligen.sweep.fingerprint import sweep_fingerprint
from intelligen.sweep.launch_request import request_of_directory
from intelligen.sweep.row_data import DataOfRows

VARIABLE = "MLFLOW_TRACKING_URI"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A sweep that was launched once, and did nothing."""
    sweep, experiment = load_sweep(REPOSITORY / "search_spaces" / "quickstart.yaml")
    directory = tmp_path / "sweeps" / "quickstart"
    Ledger.open(directory, sweep_fingerprint(sweep, experiment, data=DataOfRows("0123456789abcdef"))).close()
    return directory


def launched_at(directory: Path, uri: str) -> None:
    sweep, _ = load_sweep(REPOSITORY / "search_spaces" / "quickstart.yaml")
    write_launch(directory, sweep, tracking_uri=uri)


def tracked_at(directory: Path, *, given: str | None = None) -> str:
    return request_of_directory(directory, (), tracking_uri=given).tracking_uri


@pytest.mark.parametrize("verb", ["resume", "extend", "promote"])
def test_the_environment_is_no_option_of_a_verb_that_goes_on(monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    monkeypatch.setenv(VARIABLE, "http://elsewhere:5000")
    command = commands.commands[verb]
    assert command.make_context(verb, ["quickstart"]).params["tracking_uri"] is None
    given = command.make_context(verb, ["quickstart", "--tracking-uri", "http://here:5000"])
    assert given.params["tracking_uri"] == "http://here:5000"


def test_the_last_launch_counts_before_the_environment(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launched_at(directory, "sqlite:////there/mlflow.db")
    monkeypatch.setenv(VARIABLE, "http://elsewhere:5000")
    assert tracked_at(directory) == "sqlite:////there/mlflow.db"
    assert tracked_at(directory, given="http://here:5000") == "http://here:5000"


def test_the_environment_knows_the_secret_of_the_same_address(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launched_at(directory, "http://me:CANARY@there:5000")
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ConfigError, match=f"give --tracking-uri, or set {VARIABLE} to the same address"):
        tracked_at(directory)
    monkeypatch.setenv(VARIABLE, "http://me:CANARY@elsewhere:5000")
    with pytest.raises(ConfigError, match="held a secret"):
        tracked_at(directory)
    monkeypatch.setenv(VARIABLE, "http://me:CANARY@there:5000")
    assert tracked_at(directory) == "http://me:CANARY@there:5000"


def test_what_run_was_given_is_kept_without_secrets_and_a_resumed_sweep_keeps_it(directory: Path) -> None:
    launched_at(directory, "sqlite:////there/mlflow.db")
    assert request_of_directory(directory, (), tracking_uri=None).given == ()
    sweep, _ = load_sweep(REPOSITORY / "search_spaces" / "quickstart.yaml")
    given = ("quickstart.yaml", "search.storage=postgresql://me:CANARY@there/optuna")
    write_launch(directory, sweep, tracking_uri="sqlite:////there/mlflow.db", given=given)
    file, override = request_of_directory(directory, (), tracking_uri=None).given
    assert (file, "CANARY" in override) == ("quickstart.yaml", False)
    assert override.startswith("search.storage=postgresql://")


def test_what_a_sweep_is_extended_by_belongs_to_the_command_that_runs_it_again(directory: Path) -> None:
    launched_at(directory, "sqlite:////there/mlflow.db")
    sweep, _ = load_sweep(REPOSITORY / "search_spaces" / "quickstart.yaml")
    given = ("quickstart.yaml", "budget.trials_per_strategy=1", "search.seed=2")
    write_launch(directory, sweep, tracking_uri="sqlite:////there/mlflow.db", given=given)
    extended = request_of_directory(directory, ("budget.trials_per_strategy=6",), tracking_uri=None)
    assert extended.given == ("quickstart.yaml", "search.seed=2", "budget.trials_per_strategy=6")


def test_a_lost_memory_of_the_last_launch_is_named_once_a_trial_has_begun(directory: Path) -> None:
    launched_at(directory, "sqlite:////there/mlflow.db")
    (directory / LAUNCH_FILE).unlink()
    tracked_at(directory)
    with Ledger.open(directory, {}) as ledger:
        ledger.start("t0000", kind="trial", row="standard", seed=1, params={}, config={}, directory="trials/t0000")
    with pytest.raises(StorageError, match=rf"{LAUNCH_FILE}: missing; run the sweep's file again: intelligen run FILE"):
        tracked_at(directory)


def test_where_no_launch_is_remembered_the_environment_counts(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "http://here:5000")
    assert tracked_at(directory) == "http://here:5000"
    monkeypatch.delenv(VARIABLE)
    assert tracked_at(directory).endswith("/mlflow.db")
