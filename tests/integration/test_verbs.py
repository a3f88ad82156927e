"""Each verb, and its equal in Python, on one small sweep: watched, stopped, resumed elsewhere, finished, extended."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from in_this_process import run_here
from test_sweep import SWEEP, Project, require_records_agree, wait_for

import intelligen
from intelligen.cli.main import commands, guarded
from intelligen.models.matmul import offers
from intelligen.state.history import read_history
from intelligen.state.layout import LEDGER_FILE
from intelligen.state.ledger import read_ledger
from intelligen.state.trial_records import TrialState
from intelligen.sweep.search.optuna_study import STUDY_FILE
from intelligen.training.matmul_choice import recorded_matmul

pytestmark = pytest.mark.slow

SMALL = SWEEP.replace("trials_per_strategy: 3", "trials_per_strategy: 1").replace(
    "{name: asha, grace_epochs: 1, reduction_factor: 2}", "{name: none}"
)
EPOCHS = 8
Call = Callable[..., tuple[int, str, str]]


def verb(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A verb in a process of its own, in some directory."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
    command = [sys.executable, "-m", "intelligen", *arguments]
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@dataclass
class Story:
    """What was seen of the sweep on its way."""

    project: Project
    pid: int
    running: dict[str, Any]
    log: str
    stopped: dict[str, Any]
    launch_code: int
    launch_output: str
    resumed: subprocess.CompletedProcess[str]


def copy_sweep(story: Story, runs: Path) -> None:
    """The sweep and its baseline, in another place."""
    shutil.copytree(story.project.sweep, runs / "sweeps" / "tiny")
    shutil.copytree(story.project.directory / "runs" / "baselines", runs / "baselines")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Launch, look, stop; resume from another directory, to the end."""
    project = Project(tmp_path_factory.mktemp("project"), SMALL)
    experiment = project.directory / "experiment.yaml"
    # Long enough to be looked at.
    experiment.write_text(experiment.read_text().replace("epochs: 4", f"epochs: {EPOCHS}"))
    # By oneDNN, as its ledger says: the launches after it are told something else.
    launch = project.launch(INTELLIGEN_MATMUL="onednn")
    runs = str(project.directory / "runs")
    wait_for(lambda: any(r.kind == "trial" and project.history(r).exists() for r in project.trials().values()), launch)
    # In this process, which has all imports: the trial does not wait.
    running, log, stopped = (
        CliRunner().invoke(commands, [*arguments, "--runs", runs], catch_exceptions=False).stdout
        for arguments in (("status", "tiny", "--json"), ("logs", "tiny"), ("stop", "tiny", "--json"))
    )
    output, _ = launch.communicate(timeout=120)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    resumed = run_here("resume", "tiny", "--runs", runs, "--json", directory=elsewhere)
    assert not list(elsewhere.iterdir())
    return Story(
        project=project,
        pid=launch.pid,
        running=json.loads(running),
        log=log,
        stopped=json.loads(stopped),
        launch_code=launch.returncode,
        launch_output=output,
        resumed=resumed,
    )


@pytest.fixture
def call(story: Story, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """A verb in this process, in the sweep's working directory."""
    monkeypatch.chdir(story.project.directory)
    for name in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI", "INTELLIGEN_RUNS"):
        monkeypatch.delenv(name, raising=False)

    def called(*arguments: str) -> tuple[int, str, str]:
        code = guarded(lambda: commands.main(list(arguments), standalone_mode=False))
        return code, *capfd.readouterr()

    return called


def test_a_running_sweep_says_who_runs_it_and_what_is_under_way(story: Story) -> None:
    running = story.running
    assert running["state"] == "running"
    assert (running["holder"]["pid"], running["holder"]["certain"]) == (story.pid, True)
    assert running["budget_trials"] == 2
    assert [trial["trial"] for trial in running["under_way"]] == ["t0000"]
    assert 1 <= running["under_way"][0]["epoch"] <= running["under_way"][0]["epochs"] == EPOCHS


def test_stop_ends_the_launcher_as_an_interrupt_does_and_leaves_nothing_running(story: Story) -> None:
    assert story.launch_code == 130, story.launch_output
    assert "intelligen resume tiny" in story.launch_output
    assert story.stopped["ran"] is True
    assert (story.stopped["state"], story.stopped["holder"]) == ("interrupted", None)
    assert not (story.project.sweep / "stop").exists()


def test_a_resumed_sweep_needs_nothing_but_its_directory_and_repeats_nothing(story: Story) -> None:
    assert story.resumed.returncode == 0, story.resumed.stderr
    document = json.loads(story.resumed.stdout)
    assert (document["state"], document["exit_code"]) == ("complete", 0)
    trials = story.project.trials()
    assert all(record.state is TrialState.COMPLETE for record in trials.values())
    computed = {recorded_matmul(record.within(story.project.sweep)) for record in trials.values()}
    assert computed == {"onednn" if offers("onednn") else "mkl"}
    require_records_agree(story.project)


def test_stopping_a_sweep_that_does_not_run_is_no_error(call: Call) -> None:
    code, out, _ = call("stop", "tiny")
    assert (code, "is not running" in out) == (0, True)


def test_status_shows_the_best_and_the_spend_of_each_strategy(story: Story, call: Call) -> None:
    code, out, _ = call("status", "tiny", "--json")
    document = json.loads(out)
    assert (code, document["format"], document["state"], document["eta"]) == (0, 1, "complete", None)
    assert document["trials"] == {"running": 0, "resting": 0, "complete": 2, "pruned": 0, "failed": 0}
    by_name = {one["strategy"]: one for one in document["strategies"]}
    assert list(by_name) == ["baseline", "standard", "generative"]
    for record in story.project.trials().values():
        one = by_name["baseline" if record.kind == "baseline" else record.row]
        reports = read_history(story.project.history(record))
        assert one["best"]["trial"] == record.id
        assert one["best"]["value"] == max(report.metrics["valid/bleu"] for report in reports)
        assert one["device_s"] == pytest.approx(sum(report.metrics["cost/device_s"] for report in reports))
        assert one["target_tokens"] == reports[-1].target_tokens

    assert call("status", "sweep.yaml", "--json")[1] == out
    assert call("watch", "tiny", "--json")[1] == out
    for arguments in (("status", "tiny"), ("watch", "tiny", "--once")):
        code, out, _ = call(*arguments)
        assert code == 0
        for said in (
            "tiny: complete; 2 of 2 trials ended (2 complete)",
            "Does it resume?",
            "generative",
            "target tokens",
        ):
            assert said in out


def test_without_a_name_all_sweeps_are_listed_and_a_damaged_one_hides_no_other(
    story: Story, call: Call, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    copy_sweep(story, runs)
    (runs / "sweeps" / "torn").mkdir()
    (runs / "sweeps" / "torn" / LEDGER_FILE).write_text("{\n")
    for name in ("status", "watch", "logs"):
        code, out, err = call(name, "--runs", str(runs))
        assert (code, "tiny" in out, "ledger.jsonl:1" in err) == (0, True, True)
    code, out, _ = call("status", "--runs", str(runs), "--json")
    document = json.loads(out)
    assert [sweep["name"] for sweep in document["sweeps"]] == ["tiny"]
    assert [sweep["name"] for sweep in document["unreadable"]] == ["torn"]
    code, out, _ = call("status", "--runs", str(tmp_path))
    assert (code, "intelligen run FILE" in out) == (0, True)


def test_a_trial_is_replayed_without_ray_and_is_the_same_bit_for_bit(story: Story, call: Call) -> None:
    code, out, err = call("reproduce", "tiny/t0000", "--json")  # which was stopped, and resumed by another launch
    document = json.loads(out)
    assert (code, document["exact"], document["changed"], document["epochs"]) == (0, True, [], EPOCHS), err
    agreeing = {one["key"] for one in document["comparisons"] if one["agrees"]}
    assert agreeing >= {"train/loss", "valid/bleu", "weights", "hypotheses/test-beam"}
    replay = intelligen.reproduce("tiny", "baseline-1", runs=story.project.directory / "runs")
    assert (replay.identical, replay.recorded.changes) == (True, ())
    code, _, err = call("reproduce", "tiny")
    assert (code, "tiny/baseline-1, tiny/t0000" in err) == (2, True)
    code, _, err = call("reproduce", "tiny", "t0009")
    assert (code, "no trial 't0009'" in err) == (2, True)


@pytest.mark.parametrize("name", ["status", "watch", "logs", "stop", "resume", "extend"])
def test_an_unknown_sweep_is_one_line_with_the_nearest_known_one(call: Call, name: str) -> None:
    arguments = ["--trials", "3"] if name == "extend" else []
    code, out, err = call(name, "tinny", *arguments)
    assert (code, out) == (2, "")
    assert 'did you mean "tiny"?' in err
    assert len(err.splitlines()) == 1


def test_logs_hold_every_attempt_and_every_epoch(story: Story, call: Call) -> None:
    assert "==> t0000 standard:" in story.log
    assert "starts on host" in story.log
    for record in story.project.trials().values():
        code, out, _ = call("logs", "tiny", record.id, "--json")
        (trial,) = json.loads(out)["trials"]
        (log,) = trial["logs"]
        told = "\n".join(log["lines"])
        assert len(set(log["lines"])) == len(log["lines"])
        assert (code, trial["trial"], trial["state"]) == (0, record.id, "complete")
        assert told.count("starts on host") == record.attempts
        for epoch in range(1, len(read_history(story.project.history(record))) + 1):
            assert f"epoch {epoch}  update" in told
        assert "ends: finished" in log["lines"][-1]
    assert record.attempts + story.project.trials()["t0000"].attempts >= 3  # the stop made one of them try again


def test_logs_can_be_cut_and_followed_to_the_end(call: Call) -> None:
    code, out, _ = call("logs", "tiny", "t0001", "-n", "1", "-f")
    heading, *settings, last, ending = out.splitlines()
    assert code == 0
    assert heading.startswith("==> t0001 ")
    assert settings[-1].startswith("    strategy: {name: ")
    assert "ends: finished" in last
    assert ending == "t0001 complete: finished"
    code, _, err = call("logs", "tiny", "t9")
    assert (code, "no trial 't9'" in err) == (2, True)
    assert call("logs", "tiny", "-f", "--json")[0] == 2


def test_results_are_a_row_per_trial(story: Story) -> None:
    frame = intelligen.results("tiny", runs=story.project.directory / "runs", columns="all")
    trials = story.project.trials()
    assert list(frame.index) == list(trials)
    assert list(frame["state"]) == ["complete"] * 3
    assert frame.loc["t0000", "test/bleu"] == trials["t0000"].scores["test/bleu"]
    best = frame.groupby("strategy")["valid/bleu"].max()
    assert set(best.index) == {"baseline", "standard", "generative"}
    rate = "finetuning.optimizer.learning_rate"
    assert frame.loc["t0001", f"param/{rate}"] == trials["t0001"].params[rate]
    assert frame.loc["baseline-1":, "device_s"].gt(0).all()


def test_completion_knows_verbs_and_sweeps(story: Story) -> None:
    for shell in ("bash", "zsh", "fish"):
        done = verb(story.project.directory, "completion", shell)
        assert (done.returncode, f"_INTELLIGEN_COMPLETE={shell}_complete" in done.stdout) == (0, True)
    typed = {"COMP_WORDS": "intelligen status t", "COMP_CWORD": "2", "_INTELLIGEN_COMPLETE": "bash_complete"}
    code = "import sys; from intelligen.cli.main import main; sys.argv[0] = 'intelligen'; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=story.project.directory,
        env=os.environ | typed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["plain,tiny"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say by how much"),
        (["--trials", "9"], "is in trials_per_strategy"),
        (["-o", "budget.trails=9"], 'did you mean "trials"'),
    ],
)
def test_a_budget_that_says_nothing_is_refused(call: Call, arguments: list[str], said: str) -> None:
    code, out, err = call("extend", "tiny", *arguments)
    assert (code, out, said in err) == (2, "", True), err


def test_what_may_not_change_is_refused_key_by_key(call: Call) -> None:
    code, _, err = call("resume", "tiny", "-o", "search.seed=7")
    assert code == 78
    assert "sweep.search.seed: 1 → 7" in err


def test_an_extended_sweep_keeps_its_trials_and_runs_more(story: Story, call: Call) -> None:
    before = story.project.trials()
    (story.project.sweep / STUDY_FILE).unlink()
    more, place = ("extend", "tiny", "--trials-per-strategy", "2"), story.project.directory
    done = verb(place, *more)  # pytest keeps the warnings of its own process
    assert done.returncode == 0, done.stderr
    assert "holds 0 of 2 trials; it was rebuilt from the ledger, with 2 trials" in done.stderr
    after = story.project.trials()
    assert len(after) == 1 + 4
    assert {name: after[name] for name in before} == before
    assert json.loads(call("status", "tiny", "--json")[1])["budget_trials"] == 4
    require_records_agree(story.project)

    ledger = (story.project.sweep / LEDGER_FILE).read_bytes()
    again = run_here(*more, directory=place)
    assert again.returncode == 0, again.stderr
    assert (story.project.sweep / LEDGER_FILE).read_bytes() == ledger
    for fewer in (["--trials-per-strategy", "1"], ["-o", "budget.trials_per_strategy=1"]):
        code, _, err = call("extend", "tiny", *fewer)
        assert (code, "has budget.trials_per_strategy 2 already; give more than that, not 1" in err) == (2, True), err


def test_a_killed_launcher_is_seen_as_such(story: Story, call: Call, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    copy_sweep(story, runs)
    ledger = runs / "sweeps" / "tiny" / LEDGER_FILE
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text("".join(lines[:3]))  # up to the baseline's start
    shutil.rmtree(ledger.parent / "trials")
    assert read_ledger(ledger.parent)[2] is None
    document = json.loads(call("status", "tiny", "--runs", str(runs), "--json")[1])
    assert (document["state"], document["holder"]) == ("killed", None)
