"""A launch ends with its report, which MLflow gets too; a report that cannot be made changes nothing else."""

import csv
import io
import shlex
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from mlflow.entities import Run
from rich.console import Console
from small_study import SmallStudy

from intelligen.api import results
from intelligen.config.load import load_sweep
from intelligen.errors import StorageError
from intelligen.reporting.html.write_report import read_compared
from intelligen.reporting.terminal.console_reporter import ConsoleReporter
from intelligen.state.ledger import Ledger, read_ledger
from intelligen.state.mlflow_run_ids import read_run_ids
from intelligen.state.trial_records import SweepStatus
from intelligen.sweep import end_of_launch
from intelligen.sweep.complete_lines import complete_lines
from intelligen.sweep.end_of_launch import close_launch
from intelligen.sweep.fingerprint import sweep_fingerprint
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.sweep_context import SweepContext
from intelligen.tracking.mlflow_mapping import INTERNAL
from intelligen.tracking.mlflow_mirror import MlflowMirror
from intelligen.tracking.mlflow_store import open_client

EXPERIMENT = "tiny"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> SmallStudy:
    files = SmallStudy(tmp_path_factory.mktemp("launch") / "runs")
    files.write()
    return files


def end_launch(study: SmallStudy, status: SweepStatus) -> str:
    """Close a launch of the study as `run` does; returns what it printed."""
    output, code = ended_launch(study, status)
    assert code == 0
    return output


def ended_launch(study: SmallStudy, status: SweepStatus) -> tuple[str, int]:
    """The same, with the exit code."""
    sweep, experiment = study.settings()
    output = io.StringIO()
    uri = tracked_at(study)
    mirror = MlflowMirror(study.directory, tracking_uri=uri, experiment=EXPERIMENT)
    with Ledger.open(study.directory, {}) as ledger:
        launch = SweepContext(
            sweep, experiment, DataOfRows(ledger.fingerprint["prepared"]), study.store, study.directory, ledger
        )
        reporter = ConsoleReporter(Console(file=output, width=400))
        code = close_launch(launch, status, mirror, reporter, tracking_uri=uri)
    return output.getvalue(), code


def tracked_at(study: SmallStudy) -> str:
    return f"sqlite:///{study.store / 'mlflow.db'}"


def parent_run(study: SmallStudy) -> Run:
    client = open_client(tracked_at(study))
    found = client.get_experiment_by_name(EXPERIMENT)
    (run,) = client.search_runs([found.experiment_id], "tags.kind = 'sweep'")
    return run


def test_the_report_lies_beside_the_table_and_in_mlflow(study: SmallStudy) -> None:
    output = end_launch(study, SweepStatus.COMPLETE)
    page = study.directory / "report.html"
    assert f"report   {page}" in output
    artifacts = Path(unquote(urlsplit(parent_run(study).info.artifact_uri).path))
    assert (artifacts / "report.html").read_bytes() == page.read_bytes()
    runs = read_run_ids(study.directory)
    assert len(runs.trials) == len(read_ledger(study.directory)[1])
    assert all(run_id in page.read_text() for run_id in [runs.sweep, *runs.trials.values()])


def test_the_verdict_and_its_interval_are_wherever_results_are(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs", closed=False)
    files.write()
    output = end_launch(files, SweepStatus.COMPLETE)
    row = next(row.values() for row in read_compared(files.directory, store=files.store).primary[::-1])
    assert (row["strategy"], row["verdict"]) == ("intelligen", "better")
    bounds = f"+{row['delta_low']:.2f} to +{row['delta_high']:.2f}"
    words = f"better than standard_matched: +{row['delta']:.2f} BLEU ({bounds})"
    assert f"| intelligen | {words} |" in (files.directory / "table.md").read_text()

    run = parent_run(files)
    assert run.data.tags["verdict/intelligen"] == words
    assert run.data.tags["answer"].startswith("intelligen wins: ")
    assert run.data.tags["answer"].split(" Next: ")[0] in output
    assert f"**Answer:** {run.data.tags['answer']}" in run.data.tags["mlflow.note.content"]

    frame = results("small", runs=files.store, columns="all")
    judged = {"intelligen-s2", "intelligen-s3", "intelligen-s4"}
    assert set(frame.index[frame["verdict"].notna()]) == judged
    assert frame.loc["intelligen-s2", "delta_low"] == row["delta_low"]
    artifacts = Path(unquote(urlsplit(run.info.artifact_uri).path))
    lines = (artifacts / "leaderboard.csv").read_text().splitlines()
    leaderboard = {one["trial"]: one for one in csv.DictReader(lines)}
    assert {name for name, one in leaderboard.items() if one["verdict"]} == judged
    assert float(leaderboard["intelligen-s2"]["delta_high"]) == row["delta_high"]


def test_a_newer_report_replaces_the_old_one_in_mlflow(study: SmallStudy) -> None:
    page = study.directory / "report.html"
    page.write_text("<p>newer</p>")
    before = parent_run(study)
    assert MlflowMirror(study.directory, tracking_uri=tracked_at(study), experiment=EXPERIMENT).close(timeout_s=60)
    after = parent_run(study)
    assert after.data.tags[INTERNAL + "report"] != before.data.tags[INTERNAL + "report"]
    artifacts = Path(unquote(urlsplit(after.info.artifact_uri).path))
    assert (artifacts / "report.html").read_text() == "<p>newer</p>"


def test_a_launch_ends_with_its_answer_and_a_command_to_paste(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "my runs", confirm=False, closed=False, failed=["t0001"])
    files.write()
    lines = end_launch(files, SweepStatus.COMPLETE).splitlines()
    resume = f"intelligen resume small --runs '{files.store}' --failed"
    assert lines[-2:] == ["failed   1 trial; run again what failed:", f"         {resume}"]
    *_, answer, words, command = lines[:-2]
    assert answer.startswith("answer   No strategy is ranked: nothing is confirmed with other seeds")
    assert words == "next     train the best of each strategy again with 3 other seeds:"
    assert command == f"         intelligen extend small --runs '{files.store}' -o confirm.seeds=3"
    assert "# intelligen: t0011, valid/bleu " in "\n".join(lines)
    assert "# intelligen: t0011, valid/bleu " in (files.directory / "table.md").read_text()
    artifacts = Path(unquote(urlsplit(parent_run(files).info.artifact_uri).path))
    leaderboard = (artifacts / "leaderboard.md").read_text()
    assert "# intelligen: t0011, valid/bleu " in leaderboard
    assert "| {finetuning: {" in leaderboard


def test_what_does_not_run_again_has_no_command_for_that(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs", closed=False, failed=["t0001"])
    files.write()
    assert end_launch(files, SweepStatus.COMPLETE).splitlines()[-1] == "failed   1 trial"


GRID = "space={strategy: {choice: [standard, intelligen]}}"


@pytest.mark.parametrize(
    ("confirm", "given", "more"),
    [
        (False, (), {"budget.trials_per_strategy": 8}),
        (False, ("budget.trials_per_strategy=1",), {"budget.trials_per_strategy": 8}),
        (False, ("budget={target_tokens: 1000000}",), {"budget.target_tokens": 2_000_000}),
        (False, ("budget={device_hours: 0.75}",), {"budget.device_hours": 1.5}),
        (True, ("experiment.seed=1",), {"experiment.seed": 5, "search.warm_start.sweep": "small"}),
        (True, ("search.replicates=3",), {"experiment.seed": 5, "search.warm_start": None, "search.replicates": 3}),
        (True, ("search.sampler=grid", GRID), {"experiment.seed": 5, "search.warm_start": None}),
    ],
)
def test_a_sweep_that_is_complete_says_so_and_how_to_go_on(
    tmp_path: Path, confirm: bool, given: tuple[str, ...], more: dict[str, object]
) -> None:
    files = SmallStudy(tmp_path / "my runs", confirm=confirm)
    files.write()
    file = str(tmp_path / "files" / "small.yaml")
    sweep, experiment = load_sweep(Path(file), given)
    with Ledger.open(files.directory, {}) as ledger:
        data = DataOfRows(ledger.fingerprint["prepared"])
        context = SweepContext(sweep, experiment, data, files.store, files.directory, ledger)
        first, *_, command = complete_lines(context, (file, *given))
    assert first == "complete small is complete: nothing to do"
    words = shlex.split(command)
    assert words[:3] == (["intelligen", "run", file] if confirm else ["intelligen", "extend", "small"])
    assert words[words.index("--runs") + 1] == str(files.store)
    typed = [text for option, text in pairwise(words) if option == "-o"]
    typed += [f"budget.trials_per_strategy={text}" for option, text in pairwise(words) if option.startswith("--trials")]
    sweep, experiment = load_sweep(Path(file), typed if confirm else [*given, *typed])
    assert sweep.name == ("small-more" if confirm else "small")
    found = {"experiment.seed": experiment.seed} | {
        key: attrgetter(key)(sweep) for key in more if key != "experiment.seed"
    }
    assert {key: found[key] for key in more} == more


def test_a_launch_in_which_nothing_began_names_no_table(tmp_path: Path) -> None:
    study = SmallStudy(tmp_path / "runs")
    sweep, experiment = study.settings()
    Ledger.open(study.directory, sweep_fingerprint(sweep, experiment, data=DataOfRows("0123456789abcdef"))).close()
    assert end_launch(study, SweepStatus.FAILED) == ""


def test_an_interrupted_launch_writes_none(study: SmallStudy) -> None:
    (study.directory / "report.html").unlink(missing_ok=True)
    assert "report   " not in end_launch(study, SweepStatus.INTERRUPTED)
    assert not (study.directory / "report.html").exists()


@pytest.mark.parametrize(
    ("what", "place", "name", "error", "code"),
    [
        ("answer", end_of_launch, "answer", TypeError("of ours"), 1),
        ("report", ConsoleReporter, "write_report", OSError("no room"), 74),
    ],
)
def test_scripts_see_what_of_a_complete_sweep_could_not_be_made(
    study: SmallStudy, monkeypatch: pytest.MonkeyPatch, what: str, place: object, name: str, error: Exception, code: int
) -> None:
    def fail(*given: object, **named: object) -> None:
        raise error

    monkeypatch.setattr(place, name, fail)
    output, found = ended_launch(study, SweepStatus.COMPLETE)
    assert found == code
    (line,) = (line for line in output.splitlines() if line.startswith(f"no {what}: {type(error).__name__}: {error}"))
    assert line.endswith(f"the results are complete; try again: intelligen report small --runs {study.store}")
    _, _, closing = read_ledger(study.directory)
    assert closing is not None
    assert closing.status is SweepStatus.COMPLETE


def test_a_report_that_cannot_be_made_is_one_line_and_the_sweep_stays_complete(study: SmallStudy) -> None:
    stored = study.directory / "confirm" / "standard-s2" / "scores" / "test-beam.json"
    stored.write_text("{")
    output, code = ended_launch(study, SweepStatus.COMPLETE)
    assert code == StorageError.exit_code
    (line,) = (line for line in output.splitlines() if line.startswith("no report: "))
    assert str(stored) in line
    assert "intelligen report small" in line
    _, _, closing = read_ledger(study.directory)
    assert closing is not None
    assert closing.status is SweepStatus.COMPLETE
    assert (study.directory / "table.md").exists()
