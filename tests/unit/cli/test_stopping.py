"""A request to stop is a file: the launcher obeys it once, and `stop` reports whether it did."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import REPOSITORY

from intelligen.cli.main import commands, guarded
from intelligen.config.load import load_sweep
from intelligen.state.history import HISTORY_FILE
from intelligen.state.ledger import Ledger
from intelligen.state.trial_records import SweepStatus
from intelligen.sweep.fingerprint import sweep_fingerprint
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.signals import Interrupts
from intelligen.sweep.stop_file import STOP_FILE, clear_stop_requests, interrupted_by_stop_file


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A runs directory with one sweep that has just begun."""
    sweep, experiment = load_sweep(REPOSITORY / "search_spaces" / "quickstart.yaml")
    fingerprint = sweep_fingerprint(sweep, experiment, data=DataOfRows("0123456789abcdef"))
    Ledger.open(tmp_path / "sweeps" / "quickstart", fingerprint).close()
    return tmp_path


@pytest.fixture(autouse=True)
def heeded_interrupts() -> Iterator[None]:
    """Tests may run where SIGINT is ignored, in a shell's background say."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def stop(runs: Path, *arguments: str) -> int:
    command = ["stop", "quickstart", "--runs", str(runs), *arguments]
    return guarded(lambda: commands.main(command, standalone_mode=False))


def test_a_request_interrupts_the_main_thread_once_and_is_taken_away(tmp_path: Path) -> None:
    threading.Timer(0.2, (tmp_path / STOP_FILE).touch).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), interrupted_by_stop_file(tmp_path):
        time.sleep(60)
    assert time.monotonic() - begun < 30
    assert not (tmp_path / STOP_FILE).exists()


def test_a_stop_request_for_an_earlier_launch_is_ignored(tmp_path: Path) -> None:
    (tmp_path / STOP_FILE).touch()
    clear_stop_requests(tmp_path)
    with interrupted_by_stop_file(tmp_path):
        time.sleep(1.5)


def test_a_stop_request_made_while_a_launch_begins_stops_it(tmp_path: Path) -> None:
    clear_stop_requests(tmp_path)
    (tmp_path / STOP_FILE).touch()
    with pytest.raises(KeyboardInterrupt), interrupted_by_stop_file(tmp_path):
        time.sleep(60)


def test_a_launch_in_the_background_of_a_shell_is_stopped_too(tmp_path: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    (tmp_path / STOP_FILE).touch()
    with pytest.raises(KeyboardInterrupt), Interrupts(ends_process=False), interrupted_by_stop_file(tmp_path):
        time.sleep(60)
    with Interrupts(ends_process=False) as interrupts, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert interrupts.exit_code == 143
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_whoever_does_not_stop_in_time_is_named_and_the_request_stands(runs: Path, capfd) -> None:
    with Ledger.open(runs / "sweeps" / "quickstart", {}):
        code = stop(runs, "--timeout", "0.3")
    out, err = capfd.readouterr()
    assert (code, out) == (75, "")
    assert "still runs" in err
    assert len(err.splitlines()) == 1
    assert (runs / "sweeps" / "quickstart" / STOP_FILE).exists()


def test_a_sweep_is_asked_to_stop_whatever_has_become_of_its_trials(runs: Path, capfd) -> None:
    directory = runs / "sweeps" / "quickstart"
    with Ledger.open(directory, {}) as ledger:
        where = {"directory": "trials/t0000", "number": 0}
        ledger.start("t0000", kind="trial", row="standard", seed=1, params={}, config={}, **where)
        (directory / "trials" / "t0000").mkdir(parents=True)
        (directory / "trials" / "t0000" / HISTORY_FILE).write_text("{]\n")
        assert stop(runs, "--timeout", "0.3") == 75
    assert (directory / STOP_FILE).exists()
    assert "still runs" in capfd.readouterr().err


def test_a_launcher_on_another_host_has_stopped_once_the_ledger_says_so(runs: Path, capfd) -> None:
    directory = runs / "sweeps" / "quickstart"

    def close_elsewhere() -> None:
        with Ledger.open(directory, {}) as ledger:
            ledger.close_sweep(SweepStatus.INTERRUPTED, {})
        (directory / "ledger.lock").write_text(json.dumps({"pid": 1, "host": "elsewhere"}))

    (directory / "ledger.lock").write_text(json.dumps({"pid": 1, "host": "elsewhere"}))
    assert stop(runs, "--timeout", "0") == 75
    threading.Timer(0.5, close_elsewhere).start()
    assert stop(runs, "--timeout", "30", "--json") == 0
    document = json.loads(capfd.readouterr().out)
    assert (document["ran"], document["state"]) == (True, "interrupted")
