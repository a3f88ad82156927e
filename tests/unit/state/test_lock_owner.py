"""Who holds a lock can be seen without taking it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from intelligen.state.file_lock import FileLock
from intelligen.state.lock_owner import find_lock_owner

HOLD = """
import sys
from pathlib import Path
from intelligen.state.file_lock import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_the_owner_is_named_while_it_holds_the_lock_and_not_after_its_death(tmp_path: Path) -> None:
    path = tmp_path / "ledger.lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    owner = find_lock_owner(path)
    process.kill()
    process.communicate()
    assert owner is not None
    assert (owner.pid, owner.host, owner.certain) == (process.pid, socket.gethostname(), True)
    assert find_lock_owner(path) is None


def test_looking_does_not_hinder_whoever_takes_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "ledger.lock"
    assert find_lock_owner(path) is None
    assert not path.exists()
    lock = FileLock(path)
    assert find_lock_owner(path) is not None
    lock.release()
    FileLock(path).release()


def test_a_process_that_let_go_and_lives_on_does_not_hold(tmp_path: Path) -> None:
    path = tmp_path / "ledger.lock"
    FileLock(path).release()
    assert json.loads(path.read_text())["pid"] == os.getpid()
    assert find_lock_owner(path) is None


def test_of_another_host_only_the_lock_itself_is_evidence(tmp_path: Path) -> None:
    path = tmp_path / "ledger.lock"
    path.write_text(json.dumps({"pid": os.getpid(), "host": "elsewhere"}))
    owner = find_lock_owner(path)
    assert owner is not None
    assert not owner.certain
    assert str(owner) == f"pid {os.getpid()} on host elsewhere"
