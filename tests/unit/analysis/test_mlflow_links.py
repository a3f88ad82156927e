"""What is printed to open MLflow works when it is typed, and opens on training runs."""

import shlex

import pytest

from intelligen.analysis.mlflow_links import compare_lines, interface, run_path
from intelligen.state.mlflow_run_ids import RunIds

RUNS = RunIds("4", "abc", {}, "intelligen-5a")
PATH = "/#/experiments/4/runs?viewStateShareKey=intelligen-5a&workflowType=machine_learning"


@pytest.mark.parametrize("directory", ["/a", "/it's a place", "/$HOME/`x`", "/a;b&c"])
def test_a_database_needs_a_command_that_is_quoted_for_the_shell(directory: str) -> None:
    uri = f"sqlite:///{directory}/mlflow.db"
    command, address = compare_lines(uri, RUNS)
    assert shlex.split(command) == ["mlflow", "ui", "--backend-store-uri", uri]
    assert address == f"http://127.0.0.1:5000{PATH}"


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("http://host:5000", "http://host:5000"),
        ("https://me:secret@host/below/", "https://host/below"),
    ],
)
def test_a_server_is_its_own_interface(uri: str, address: str) -> None:
    assert interface(uri) == address
    assert compare_lines(uri, RUNS) == [address + PATH]


def test_without_a_view_all_runs_are_opened_and_without_runs_the_interface() -> None:
    (address,) = compare_lines("http://h", RunIds("4", "abc"))
    assert address == "http://h/#/experiments/4/runs?workflowType=machine_learning"
    assert compare_lines("http://h", RunIds()) == ["http://h"]
    assert run_path("4", "abc") == "/#/experiments/4/runs/abc?workflowType=machine_learning"
