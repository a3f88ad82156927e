"""Every command in README and docs is one that the command line takes, with files, keys and options that exist."""

from pathlib import Path

import pytest
from command_problems import problems_of
from pages import PAGES, commands, write_files


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader's working directory, which has nothing of the repository. DIR is a folder without a model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("INTELLIGEN_RUNS", raising=False)
    (tmp_path / "DIR").mkdir()


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_the_commands_of_a_page_can_be_typed(page: str) -> None:
    write_files(page)
    assert problems_of(commands(page)) == []


def test_a_sweep_that_a_command_names_is_known_to_the_next() -> None:
    begins = ["run", "search_spaces/quickstart.yaml", "-o", "name=other"]
    assert problems_of([begins, ["status", "other"]]) == []
    assert problems_of([["status", "other"], begins]) == ["status other: other: no sweep of the documentation"]


def test_each_command_of_a_line_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (
        "    A=1 intelligen stop x && cat y | intelligen inference x/t0001 > z  # all\n\nSee `intelligen plan FILE`.\n"
    )
    monkeypatch.setattr("pages.text_of", lambda page: page)
    assert commands(page) == [["stop", "x"], ["inference", "x/t0001"], ["plan", "FILE"]]


def test_commands_are_found_in_the_pages() -> None:
    found = {page: [words[0] for words in commands(page)] for page in PAGES}
    assert sum(map(len, found.values())) > 150
    assert {"run", "status"} <= set(found["docs/cluster.md"])  # indented, with a continued line; within a sentence


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("plan search_spaces/quickstart.yaml", None),
        ("plan search_spaces/quickstart.yml", "no such file"),
        ("plan search_spaces/quickstart.yaml -o budget.trails=3", 'did you mean "trials"'),
        ("run search_spaces/quickstart.yaml --util search", "No such option"),
        ("extend quickstart -o confirm.seed=3", 'did you mean "seeds"'),
        ("extend quickstrt --trials 3", "no sweep"),
        ("logs quickstart/t003", "no trial"),
        ("train search_spaces/quickstart.yaml", "sweep file"),
        ("test quickstart/t0003 --data a=b,c,d", "--data"),
        ("finetune experiments/embedded.yaml --strategy genrative", "genrative"),
    ],
)
def test_a_mistake_in_a_command_is_found(words: str, problem: str | None) -> None:
    found = problems_of([words.split()])
    assert found == [] if problem is None else problem in found[0]
