"""Verbs name a row of a sweep of variants by its id: in their documents, and where a user gives one."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from small_rows import SmallRows

from intelligen.cli.main import commands, guarded

ROWS = ["pre-0.lm-0", "pre-0.lm-0.5", "pre-20.lm-0", "pre-20.lm-0.5"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> SmallRows:
    """Four rows, each trained again with two seeds; each trial has a log."""
    small = SmallRows(tmp_path_factory.mktemp("rows") / "runs", seeds=(2, 3))
    small.write()
    for directory in (small.directory / "trials").iterdir():
        (directory / "trial.log").write_text(f"of {directory.name}\n")
    return small


def call(files: SmallRows, *arguments: str) -> int:
    given = [*arguments, "--runs", str(files.store)]
    return guarded(lambda: commands.main(given, standalone_mode=False))


def document(files: SmallRows, capfd: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert call(files, *arguments, "--json") == 0
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    return found


def test_status_and_plan_name_rows_with_their_label_and_axes(
    files: SmallRows, capfd: pytest.CaptureFixture[str]
) -> None:
    status = document(files, capfd, "status", "rows")
    plan = document(files, capfd, "plan", str(files.store.parent / "files" / "rows.yaml"), "--no-calibrate", "--local")
    place = {"row": "pre-20.lm-0", "label": "gpt-pre:20-lm:0", "axes": {"pre": "20", "lm": "0"}}
    for rows in (status["rows"], plan["trials"]):
        assert [one["row"] for one in rows] == ROWS
        assert place.items() <= rows[2].items()
        assert not any("strategy" in one for one in rows)
    assert "strategies" not in status


def test_logs_of_a_row_are_those_of_all_its_trials(files: SmallRows, capfd: pytest.CaptureFixture[str]) -> None:
    trials = document(files, capfd, "logs", "rows", "pre-20.lm-0")["trials"]
    assert [one["trial"] for one in trials] == ["t0002", "pre-20.lm-0-s2", "pre-20.lm-0-s3"]
    assert {(one["row"], one["label"]) for one in trials} == {("pre-20.lm-0", "gpt-pre:20-lm:0")}
    assert call(files, "logs", "rows/pre-20.lm-0", "-f") == 0
    out = capfd.readouterr().out
    assert ("of t0002" in out, "of t0003" in out, "t0002 complete" in out) == (True, False, True)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("pre-20.lm-1", 'did you mean "pre-20.lm-0"?'),
        ("zzz", f"no trial 'zzz' in DIRECTORY, and no row of that name; there are {', '.join(ROWS)}, t0000, "),
    ],
)
def test_a_row_that_there_is_not_is_one_line_that_says_which_there_are(
    files: SmallRows, capfd: pytest.CaptureFixture[str], named: str, said: str
) -> None:
    assert call(files, "logs", "rows", named) == 2
    (line,) = capfd.readouterr().err.replace(str(files.directory), "DIRECTORY").splitlines()
    assert said in line


def test_a_row_whose_turn_has_not_come_is_no_unknown_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    files = SmallRows(tmp_path / "runs", seeds=())
    files.write()
    ledger = files.directory / "ledger.jsonl"
    lines = ledger.read_text().splitlines(keepends=True)
    begun = next(n for n, line in enumerate(lines) if '"t0001"' in line)
    ledger.write_text("".join(lines[:begun]))
    for name in ("t0001", "t0002", "t0003"):
        shutil.rmtree(files.directory / "trials" / name)
    assert call(files, "logs", "rows", ROWS[3]) == 2
    assert f"no trial of the row {ROWS[3]} has begun yet" in capfd.readouterr().err
