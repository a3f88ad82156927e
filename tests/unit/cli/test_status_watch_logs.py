"""Looking at a sweep whose files are damaged ends in one line, and hides no other sweep."""

import json
import os
from pathlib import Path

import pytest
from conftest import REPOSITORY

from intelligen.analysis.status import read_status
from intelligen.cli.main import commands, guarded
from intelligen.config.load import load_sweep
from intelligen.state.heartbeat import heartbeat
from intelligen.state.history import HISTORY_FILE, History, Report
from intelligen.state.layout import LAUNCH_FILE
from intelligen.state.ledger import Ledger
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import TrialState
from intelligen.state.trial_result import RESULT
from intelligen.sweep.fingerprint import sweep_fingerprint
from intelligen.sweep.row_data import DataOfRows

METRICS = {"valid/bleu": 10.0, "time/epoch_s": 1.0, "time/validation_s": 1.0}


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    """The directory of the one trial of the one sweep below `tmp_path`."""
    sweep, experiment = load_sweep(REPOSITORY / "search_spaces" / "quickstart.yaml")
    fingerprint = sweep_fingerprint(sweep, experiment, data=DataOfRows("0123456789abcdef"))
    directory = tmp_path / "sweeps" / "quickstart"
    with Ledger.open(directory, fingerprint) as ledger:
        where = {"directory": "trials/t0000", "number": 0}
        ledger.start("t0000", kind="trial", row="standard", seed=1, params={}, config={}, **where)
        ledger.finish("t0000", TrialState.PRUNED, "stopped")
    folder = directory / "trials" / "t0000"
    folder.mkdir(parents=True)
    History(folder).append(Report(1, 10, 100, 0, METRICS))
    return folder


def status(runs: Path, *arguments: str) -> int:
    return guarded(lambda: commands.main(["status", *arguments, "--runs", str(runs)], standalone_mode=False))


@pytest.mark.parametrize(("file", "where"), [(HISTORY_FILE, f"{HISTORY_FILE}:2"), (RESULT, RESULT)])
def test_a_damaged_file_of_a_trial_is_one_line_and_input_output_s_code(tmp_path, trial, capfd, file, where):
    with (trial / file).open("a") as damaged:
        damaged.write("{]\n")
    assert status(tmp_path, "quickstart") == 74
    out, err = capfd.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert f"t0000/{where}: damaged" in err
    assert status(tmp_path, "--json") == 0
    (unreadable,) = json.loads(capfd.readouterr().out)["unreadable"]
    assert unreadable["name"] == "quickstart"


def test_a_look_reads_only_what_has_changed(tmp_path, trial):
    files = SweepFiles(tmp_path / "sweeps" / "quickstart")
    result = {"selected": "best", "metrics": {"valid/bleu": 21.5}, "stop_reason": "finished"}
    path = trial / RESULT
    path.write_text(json.dumps(result))
    before = path.stat()
    assert best(files) == 21.5
    # Of the same length and age: as far as can be seen without reading it, nothing has changed.
    path.write_text(json.dumps({**result, "metrics": {"valid/bleu": 99.5}}))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert best(files) == 21.5
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000_000))
    assert best(files) == 99.5


def best(files: SweepFiles) -> float:
    (strategy,) = read_status(files).strategies
    assert strategy.best is not None
    return strategy.best.value


@pytest.mark.parametrize(
    "text", ["{}", "[]", '"x"', "3", '{"sweep": {}}', '{"sweep": {}, "tracking_uri": 3}', "{]", "\xff"]
)
def test_a_damaged_memory_of_the_last_launch_is_one_line_and_input_output_s_code(tmp_path, trial, capfd, text):
    (tmp_path / "sweeps" / "quickstart" / LAUNCH_FILE).write_bytes(text.encode("latin-1"))
    assert status(tmp_path, "quickstart") == 74
    out, err = capfd.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert f"{LAUNCH_FILE}: damaged" in err
    assert "delete it and run the sweep's file again" in err


def test_a_baseline_under_way_is_no_strategy(tmp_path, trial, capfd):
    with Ledger.open(tmp_path / "sweeps" / "quickstart", {}) as ledger:
        config = {"training": {"epochs": 4}}
        where = {"directory": "baselines/1", "number": None}
        ledger.start("baseline-1", kind="baseline", row="standard", seed=1, params={}, config=config, **where)
        assert status(tmp_path, "quickstart", "--json") == 0
    (one,) = json.loads(capfd.readouterr().out)["under_way"]
    assert (one["trial"], one["strategy"]) == ("baseline-1", "baseline")


def test_trials_of_a_larger_budget_that_the_sweep_had_count(tmp_path, trial, capfd):
    with Ledger.open(tmp_path / "sweeps" / "quickstart", {}) as ledger:
        for number in range(1, 10):
            where = {"directory": f"trials/t{number:04d}", "number": number}
            ledger.start(f"t{number:04d}", kind="trial", row="standard", seed=1, params={}, config={}, **where)
            ledger.finish(f"t{number:04d}", TrialState.PRUNED, "stopped")
    assert status(tmp_path, "quickstart") == 0
    assert "10 of 10 trials ended" in capfd.readouterr().out


def test_a_member_of_a_population_that_nothing_works_on_is_paused(tmp_path, trial, capfd):
    directory = tmp_path / "sweeps" / "quickstart"
    with Ledger.open(directory, {}) as ledger:
        for number, turn_epochs in ((1, 2), (2, 2), (3, 0)):
            name = f"t{number:04d}"
            where = {"directory": f"trials/{name}", "number": number, "turn_epochs": turn_epochs}
            config = {"training": {"epochs": 4}}
            ledger.start(name, kind="trial", row="standard", seed=1, params={}, config=config, **where)
            (directory / "trials" / name).mkdir()
        with heartbeat(directory / "trials" / "t0001", rank=0):
            assert status(tmp_path, "quickstart", "--json") == 0
            document = json.loads(capfd.readouterr().out)
            assert document["trials"] == {"running": 2, "resting": 1, "complete": 0, "pruned": 1, "failed": 0}
            assert document["strategies"][0]["trials"] == document["trials"]
            assert [(one["trial"], one["resting"]) for one in document["under_way"]] == [
                ("t0001", False),
                ("t0002", True),
                ("t0003", False),
            ]
            assert status(tmp_path, "quickstart") == 0
    out = capfd.readouterr().out
    assert "1 of 8 trials ended (2 running, 1 resting, 1 pruned)" in out
    assert [line.split()[-1] for line in out.splitlines() if line.startswith("t0002")] == ["paused"]


def test_a_trial_whose_workers_start_says_that_it_has_no_log_yet(tmp_path, trial, capfd):
    with Ledger.open(tmp_path / "sweeps" / "quickstart", {}) as ledger:
        where = {"directory": "trials/t0001", "number": 1}
        ledger.start("t0001", kind="trial", row="standard", seed=1, params={}, config={}, **where)
        commands.main(["logs", "quickstart", "t0001", "--runs", str(tmp_path)], standalone_mode=False)
    assert capfd.readouterr().out.startswith("t0001: no log yet: its workers are starting (")
