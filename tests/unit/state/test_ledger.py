"""The ledger survives kills, refuses a second writer, and says where it is damaged."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from intelligen.errors import BusyError, CannotCreateError, StorageError
from intelligen.state.checksummed_json import seal, unseal
from intelligen.state.layout import LEDGER_FILE
from intelligen.state.ledger import Ledger, SweepStatus, TrialState, read_ledger

FINGERPRINT = {"sweep_id": "s1", "sweep": {"name": "quick"}}


def start(ledger: Ledger, trial_id: str) -> None:
    ledger.start(
        trial_id,
        kind="trial",
        row="generative",
        seed=1,
        params={"lr": 1e-3},
        config={"model": {"heads": 2}},
        directory=f"trials/{trial_id}",
        number=0,
    )


def write_three(directory: Path) -> Path:
    with Ledger.open(directory, FINGERPRINT) as ledger:
        start(ledger, "t0001")
        ledger.finish("t0001", TrialState.PRUNED, "asha")
        start(ledger, "t0002")
    return directory / LEDGER_FILE


def test_every_call_is_on_disk_before_it_returns(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, FINGERPRINT) as ledger:
        for trial_id in ("t0002", "t0001"):
            start(ledger, trial_id)
            assert read_ledger(tmp_path)[1] == ledger.trials
        ledger.finish("t0002", TrialState.FAILED, "nan loss")
        ledger.score("t0001", {"test/bleu": 31.5})
        ledger.close_sweep(SweepStatus.COMPLETE, {"table_markdown": "| a |", "best": 2.0})
        fingerprint, trials, closing = read_ledger(tmp_path)
        assert (trials, closing) == (ledger.trials, ledger.closing)
    assert fingerprint == FINGERPRINT
    assert list(trials) == ["t0002", "t0001"]
    assert (trials["t0002"].state, trials["t0002"].stop_reason) == (TrialState.FAILED, "nan loss")
    assert trials["t0001"].scores == {"test/bleu": 31.5}
    assert closing is not None
    assert closing.summary["best"] == 2.0


def test_an_existing_ledger_keeps_its_own_fingerprint(tmp_path: Path) -> None:
    write_three(tmp_path)
    with Ledger.open(tmp_path, {"sweep_id": "another"}) as ledger:
        assert ledger.fingerprint == FINGERPRINT


def test_another_attempt_keeps_the_beginning_and_clears_the_end(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, FINGERPRINT) as ledger:
        start(ledger, "t0001")
        started_ms = ledger.trials["t0001"].started_ms
        ledger.finish("t0001", TrialState.FAILED, "crash")
        record = ledger.restart("t0001")
    assert (record.attempts, record.state, record.stop_reason, record.ended_ms) == (2, TrialState.RUNNING, None, None)
    assert record.started_ms == started_ms


def test_a_recorded_score_is_kept(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, FINGERPRINT) as ledger:
        start(ledger, "t0001")
        ledger.score("t0001", {"test/bleu": 30.0})
        record = ledger.score("t0001", {"test/bleu": 29.0, "test_ood/bleu": 12.0})
    assert record.scores == {"test/bleu": 30.0, "test_ood/bleu": 12.0}


def test_a_correction_replaces_what_was_recorded(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, FINGERPRINT) as ledger:
        start(ledger, "t0001")
        ledger.score("t0001", {"test/bleu": 30.0, "test/bleu_high": 131.0})
        record = ledger.correct("t0001", {"test/bleu_high": 99.0})
    assert record.scores == read_ledger(tmp_path)[1]["t0001"].scores == {"test/bleu": 30.0, "test/bleu_high": 99.0}


def test_whatever_happens_after_the_closing_reopens_the_sweep(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, FINGERPRINT) as ledger:
        start(ledger, "t0001")
        ledger.close_sweep(SweepStatus.INTERRUPTED, {})
    with Ledger.open(tmp_path, FINGERPRINT) as ledger:
        assert ledger.closing is not None
        ledger.restart("t0001")
        assert ledger.closing is None


@pytest.mark.parametrize("cut", [1, 20])
def test_a_line_cut_short_is_dropped_and_overwritten(tmp_path: Path, cut: int) -> None:
    path = write_three(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    assert list(read_ledger(tmp_path)[1]) == ["t0001"]
    with Ledger.open(tmp_path, FINGERPRINT) as ledger:
        ledger.restart("t0001")
    assert b'"id": "t0001", "crc": "' in path.read_bytes().splitlines()[-1]
    _, trials, _ = read_ledger(tmp_path)
    assert [record.attempts for record in trials.values()] == [2]


@pytest.mark.parametrize("line", [b"{]", b"\xff\xfe", b'{"seq": 1}', b"[]", b""])
def test_damage_in_the_middle_names_file_and_line(tmp_path: Path, line: bytes) -> None:
    path = write_three(tmp_path)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], line, *lines[2:]]))
    for read in (lambda: read_ledger(tmp_path), lambda: Ledger.open(tmp_path, FINGERPRINT)):
        with pytest.raises(StorageError, match=rf"{path}:2: damaged"):
            read()


def test_a_missing_line_is_damage(tmp_path: Path) -> None:
    path = write_three(tmp_path)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:2], *lines[3:]]))
    with pytest.raises(StorageError, match="sequence number 3 where 2 belongs"):
        read_ledger(tmp_path)


def test_no_flipped_bit_is_taken_for_what_was_written(tmp_path: Path) -> None:
    path = write_three(tmp_path)
    written, whole = path.read_bytes(), read_ledger(tmp_path)
    for index in range(len(written) - 1):  # without the last newline, whose line would count as cut short
        path.write_bytes(written[:index] + bytes([written[index] ^ 1 << index % 8]) + written[index + 1 :])
        with suppress(StorageError):
            assert read_ledger(tmp_path) == whole


def test_lines_that_a_version_without_checksums_wrote_are_read_and_go_on(tmp_path: Path) -> None:
    path = write_three(tmp_path)
    whole = read_ledger(tmp_path)
    path.write_text("".join(json.dumps(unseal(line)) + "\n" for line in path.read_text().splitlines()))
    assert read_ledger(tmp_path) == whole
    with Ledger.open(tmp_path, FINGERPRINT) as ledger:
        ledger.restart("t0001")
    assert read_ledger(tmp_path)[1]["t0001"].attempts == 2


def test_a_clock_set_back_changes_neither_order_nor_durations(tmp_path: Path) -> None:
    path = write_three(tmp_path)
    entries = [unseal(line) for line in path.read_text().splitlines()]
    for entry in entries[2:]:
        entry["time_ms"] -= 3_600_000
    path.write_text("".join(seal(json.dumps(entry)) + "\n" for entry in entries))
    _, trials, _ = read_ledger(tmp_path)
    assert list(trials) == ["t0001", "t0002"]
    assert trials["t0001"].ended_ms == trials["t0001"].started_ms


def test_a_second_process_learns_who_holds_the_sweep(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from intelligen.state.ledger import Ledger\n"
        "ledger = Ledger.open(pathlib.Path(sys.argv[1]), {})\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        with pytest.raises(BusyError, match=rf"held by pid {owner.pid} on host {os.uname().nodename}"):
            Ledger.open(tmp_path, FINGERPRINT)
        owner.kill()
    Ledger.open(tmp_path, FINGERPRINT).close()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotCreateError, match="file/sweep"):
        Ledger.open(tmp_path / "file" / "sweep", FINGERPRINT)


def test_a_full_disk_leaves_the_ledger_whole(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, FINGERPRINT) as ledger:
        start(ledger, "t0001")
        before = (tmp_path / LEDGER_FILE).read_bytes()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        # Python ignores SIGXFSZ, so a write across the limit is cut short, then fails.
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))
        try:
            with pytest.raises(StorageError, match=r"ledger.jsonl: cannot be written: .* it needs \d+ bytes"):
                start(ledger, "t0002")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (tmp_path / LEDGER_FILE).read_bytes() == before
        start(ledger, "t0002")
    assert list(read_ledger(tmp_path)[1]) == ["t0001", "t0002"]


def test_kill_9_at_any_time_loses_nothing_that_was_written(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from intelligen.state.ledger import Ledger\n"
        "ledger = Ledger.open(pathlib.Path(sys.argv[1]), {'sweep_id': 's'})\n"
        "while True:\n"
        "    name = f't{len(ledger.trials):05d}'\n"
        "    ledger.start(name, kind='trial', row='standard', seed=1, params={}, config={'x': 'y' * 5000},"
        " directory=name)\n"
        "    print(name, flush=True)\n"
    )
    chance = random.Random(1)
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as driver:
            assert driver.stdout is not None
            said = [driver.stdout.readline()]
            time.sleep(chance.uniform(0.0, 0.05))
            driver.send_signal(signal.SIGKILL)
            said += driver.stdout.readlines()
        with Ledger.open(tmp_path, {}) as ledger:
            trials = list(ledger.trials)
        assert trials == [f"t{number:05d}" for number in range(len(trials))]
        assert said[-1].strip() in trials
