"""report, compare and export: files for people, one document for programs, one line for what is wrong."""

import ast
import csv
import io
import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import REPOSITORY
from small_study import SmallStudy

from intelligen.api import compare as compare_from_python
from intelligen.api import report as report_from_python
from intelligen.api import results
from intelligen.cli.main import commands, guarded
from intelligen.state.ledger import Ledger
from intelligen.sweep.fingerprint import sweep_fingerprint
from intelligen.sweep.row_data import DataOfRows


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("reports") / "runs"
    SmallStudy(runs).write()
    SmallStudy(runs, name="plain", confirm=False).write()
    return runs


def call(runs: Path, *words: str) -> Result:
    return CliRunner().invoke(commands, [*words, "--runs", str(runs)], catch_exceptions=False)


def test_report_says_the_answer_and_where_the_page_is(runs: Path) -> None:
    lines = call(runs, "report", "small").output.splitlines()
    page = runs / "sweeps" / "small" / "report.html"
    shared, last = lines[: lines.index(f"report   {page}")], lines[lines.index(f"report   {page}") + 1 :]
    assert last[0].startswith("answer   intelligen wins: ")
    assert last[1] == "         In at most 5 of 100 such studies is any claim of better, worse or equivalent wrong."
    assert last[2].startswith(
        "         With 4 trials of a strategy, some of them stopped early by asha after a noisy validation"
    )
    assert last[3:] == [
        "next     search 3 times, to say it of the strategy:",
        "         intelligen run FILE -o name=small-3-searches -o experiment.seed=5 -o search.seed=2"
        " -o search.replicates=3",
    ]
    assert (
        shared[0]
        == "data     in two splits: 8 of the 30 rows of valid are in train too, and 8 of its inputs (7 different ones)"
    )
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert all(text.count(line.removeprefix("data     ")) >= 1 for line in shared)


def test_report_for_programs(runs: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    document = json.loads(call(runs, "report", "plain", "--json", "--output", str(page)).output)
    assert (document["format"], document["name"], document["ranked"], document["report"]) == (
        1,
        "plain",
        False,
        str(page),
    )
    assert document["refusals"][0].startswith("nothing is confirmed")
    assert [step["command"] for step in document["next"]] == [
        f"intelligen extend plain --runs {runs} -o confirm.seeds=3"
    ]
    assert document["data"][0].startswith("in two splits: 8 of the 30 rows of valid are in train too")
    assert [row["strategy"] for row in document["rows"]] == ["baseline", "standard", "standard_matched", "intelligen"]
    assert (document["rows"][1]["p_value"], document["rows"][1]["verdict"]) == (None, None)
    assert page.exists()


def test_export_writes_what_is_named_and_all_forms_agree(runs: Path, tmp_path: Path) -> None:
    files = {form: tmp_path / f"table.{form}" for form in ("csv", "latex", "markdown")}
    words = [word for form, path in files.items() for word in (f"--{form}", str(path))]
    document = json.loads(call(runs, "export", "small", *words, "--json").output)
    read = list(csv.DictReader(io.StringIO(files["csv"].read_text())))
    assert len(read) == len(document["rows"]) == 8
    assert [float(row["bleu"]) for row in read] == [row["bleu"] for row in document["rows"]]
    for row in document["rows"]:
        for form in ("latex", "markdown"):
            assert f"{row['bleu']:.2f} [{row['bleu_low']:.2f}, {row['bleu_high']:.2f}]" in files[form].read_text()


def test_export_of_trials_has_each_with_its_parameters_and_scores(runs: Path, tmp_path: Path) -> None:
    call(runs, "export", "small", "--trials", str(tmp_path / "trials.csv"))
    read = list(csv.DictReader(io.StringIO((tmp_path / "trials.csv").read_text())))
    frame = results("small", runs=runs, columns="all")
    assert [row["trial"] for row in read] == list(frame.index)
    assert list(read[0]) == ["trial", *frame.columns]
    for name in ("valid/bleu", "test/bleu", "param/finetuning.optimizer.learning_rate"):
        assert [float(row[name] or "nan") for row in read] == pytest.approx(list(frame[name]), nan_ok=True, abs=0)


def test_a_dash_is_standard_output_and_nothing_else_goes_there(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = call(runs, "export", "small", "--csv", "-", "--latex", "small.tex")
    assert len(list(csv.DictReader(io.StringIO(shown.stdout)))) == 8
    assert shown.stderr == "written  small.tex\n"
    assert [path.name for path in tmp_path.iterdir()] == ["small.tex"]


def test_compare_puts_sweeps_beside_each_other(runs: Path, tmp_path: Path) -> None:
    page = tmp_path / "both.html"
    shown = call(runs, "compare", "small", "plain", "--output", str(page))
    assert shown.exit_code == 0
    assert {"baseline", "standard", "standard_matched", "intelligen"} <= set(shown.output.split())
    assert "small · plain" in page.read_text()
    document = json.loads(call(runs, "compare", "small", "plain", "--output", str(page), "--json").output)
    assert [sweep["name"] for sweep in document["sweeps"]] == ["small", "plain"]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("export", "small"), "no output given: use --csv FILE"),
        (("export", "small", "--csv", "-", "--json"), "only one format can go to standard output"),
        (("compare", "small"), "name at least two sweeps"),
        (("report", "smal"), "no sweep 'smal'"),
        (("report", "small", "--output", "/nowhere/page.html"), "/nowhere/page.html: cannot be written"),
    ],
)
def test_what_is_wrong_is_one_line(
    runs: Path, words: tuple[str, ...], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = guarded(lambda: commands.main([*words, "--runs", str(runs)], standalone_mode=False))
    error = capsys.readouterr().err
    assert code == (73 if "/nowhere" in what else 2)
    assert what in error
    assert error.count("\n") == 1


def test_the_same_from_python(runs: Path) -> None:
    assert report_from_python("small", runs=runs) == runs / "sweeps" / "small" / "report.html"
    frame = compare_from_python(["small", "plain"], runs=runs)
    assert frame.index.names == ["sweep", "strategy", "test_set", "search"]
    assert (
        frame.loc[("small", "intelligen", "test", "beam"), "bleu"]
        > frame.loc[("small", "standard", "test", "beam"), "bleu"]
    )


@pytest.mark.parametrize("page", ["docs/how-to/python.md", "docs/commands.md"])
def test_what_a_page_does_with_the_results_counts_no_baseline_as_a_strategy(page: str, runs: Path) -> None:
    (block,) = re.findall(r"```python\n(from intelligen import .*?)```", (REPOSITORY / page).read_text(), re.DOTALL)
    lines = ast.parse(block).body
    begin = next(number for number, line in enumerate(lines) if ast.unparse(line).startswith("frame = results("))
    end = next(number for number in range(begin, len(lines)) if isinstance(lines[number], ast.Expr))
    frame = results("small", runs=runs)
    # What counted them would be nothing else.
    frame.loc[frame["kind"] == "baseline", ["valid/bleu", "device_s"]] = 1e9
    names: dict[str, object] = {"results": lambda name: frame, "print": lambda shown: shown}
    exec(compile(ast.Module(lines[begin:end], []), page, "exec"), names)  # noqa: S102 # our own page
    shown = eval(compile(ast.Expression(lines[end].value), page, "eval"), names)  # noqa: S307 # likewise
    assert set(shown.index) == {"standard", "standard_matched", "intelligen"}
    assert shown.to_numpy().max() < 1e9


def test_what_is_no_plain_file_is_written_into_and_not_replaced(runs: Path, tmp_path: Path) -> None:
    link, target = tmp_path / "link.csv", tmp_path / "elsewhere.csv"
    link.symlink_to(target)
    call(runs, "export", "small", "--csv", str(link))
    assert link.is_symlink()
    assert target.read_text().startswith("strategy,")
    link.unlink()
    os.mkfifo(link)
    reader = os.open(link, os.O_RDONLY | os.O_NONBLOCK)
    call(runs, "export", "small", "--csv", str(link))
    assert os.read(reader, 9) == b"strategy,"
    os.close(reader)
    assert link.is_fifo()


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A runs directory with a sweep whose baseline is being trained."""
    study = SmallStudy(tmp_path / "runs", confirm=False)
    sweep, experiment = study.settings()
    with Ledger.open(study.directory, sweep_fingerprint(sweep, experiment, data=DataOfRows("0123456789abcdef"))):
        pass
    return study.store


@pytest.mark.parametrize("form", ["csv", "latex", "markdown"])
def test_a_table_of_nothing_is_not_written(
    begun: Path, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "table"
    words = ["export", "small", f"--{form}", str(path), "--runs", str(begun)]
    assert guarded(lambda: commands.main(words, standalone_mode=False)) == 69
    assert capsys.readouterr().err == "error: export: nothing is scored yet (0 of 12 trials have ended)\n"
    assert not path.exists()


def test_the_report_of_a_sweep_that_has_not_ended_says_so_first(begun: Path) -> None:
    lines = call(begun, "report", "small").output.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("answer"))
    assert lines[first] == "answer   The sweep was killed: 0 of 12 trials have ended."
    assert lines[-2:] == ["next     go on:", f"         intelligen resume small --runs {begun}"]
    with Ledger.open(begun / "sweeps" / "small", {}):
        running = call(begun, "report", "small").output.splitlines()
    assert running[first] == "answer   The sweep is still running: 0 of 12 trials have ended."
    assert running[-1] == f"next     intelligen watch small --runs {begun}"
