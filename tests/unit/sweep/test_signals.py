"""The first signal stops a launch in good order, a second one ends it at once, and Ray's processes hear of neither."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from intelligen.sweep.signals import AGAIN, processes_apart

# Waits, is interrupted, says so, and takes a while for its end.
LAUNCH = """
import signal, sys, time
from intelligen.sweep.signals import Interrupts
disposition, end_s = sys.argv[1:]
signal.signal(signal.SIGHUP, signal.SIG_IGN if disposition == "nohup" else signal.SIG_DFL)
with Interrupts(ends_process=disposition != "notebook") as interrupts:
    try:
        print("waits", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("stops", flush=True)
        time.sleep(float(end_s))
        print("written down", flush=True)
sys.exit(interrupts.exit_code)
"""


# A library's handler leaves the process; it comes while the library is at work, or later.
LIBRARY = """
import signal, sys, time
from intelligen.sweep.signals import Interrupts, keeping_handlers
with Interrupts(ends_process=True) as interrupts:
    try:
        with keeping_handlers():
            signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
            if sys.argv[1] == "at work":
                print("waits", flush=True)
                time.sleep(60)
        print("waits", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("stops", flush=True)
sys.exit(interrupts.exit_code)
"""


def launched(disposition: str = "shell", end_s: float = 0.0, *, program: str = LAUNCH) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, disposition, str(end_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    require_said(process, "waits")
    return process


def require_said(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == f"{line}\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_the_first_signal_stops_it_in_good_order_and_the_code_says_which_it_was(number, code):
    launch = launched()
    os.killpg(launch.pid, number)
    assert launch.communicate(timeout=60)[0] == "stops\nwritten down\n"
    assert launch.returncode == code


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_it_at_once_and_leaves_no_traceback(number, code):
    launch = launched(end_s=600)
    os.killpg(launch.pid, signal.SIGINT)
    require_said(launch, "stops")
    time.sleep(1.5)
    os.killpg(launch.pid, number)
    assert launch.communicate(timeout=60)[0] == AGAIN
    assert launch.returncode == code


def test_one_request_may_come_twice_as_from_timeout(tmp_path: Path) -> None:
    launch = launched(end_s=2)
    for _ in range(3):
        launch.send_signal(signal.SIGTERM)
        time.sleep(0.1)
    assert launch.communicate(timeout=60)[0] == "stops\nwritten down\n"
    assert launch.returncode == 143


@pytest.mark.parametrize("library", ["at work", "left"])
def test_a_library_whose_handler_leaves_the_process_does_not_end_a_launch_so(library: str) -> None:
    launch = launched(library, program=LIBRARY)
    launch.send_signal(signal.SIGTERM)
    assert launch.communicate(timeout=60)[0] == "stops\n"
    assert launch.returncode == 143


def test_from_python_a_second_signal_raises_again_and_the_process_lives(tmp_path: Path) -> None:
    launch = launched("notebook", end_s=600)
    launch.send_signal(signal.SIGINT)
    require_said(launch, "stops")
    time.sleep(1.5)
    launch.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in launch.communicate(timeout=60)[0]


def test_whoever_starts_it_by_nohup_may_close_the_terminal() -> None:
    launch = launched("nohup")
    os.killpg(launch.pid, signal.SIGHUP)
    time.sleep(1)
    assert launch.poll() is None
    os.killpg(launch.pid, signal.SIGTERM)
    assert launch.communicate(timeout=60)[0] == "stops\nwritten down\n"


def test_a_terminal_that_goes_away_stops_it_and_what_it_still_says_goes_nowhere() -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", LAUNCH, "shell", "0"])  # noqa: S606
    while b"waits" not in os.read(terminal, 100):
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 129


def test_processes_that_ray_starts_are_in_no_group_of_ours() -> None:
    def session_of_a_child() -> int:
        # As Ray does, for a function to be called in the child.
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, preexec_fn=int) as child:
            return os.getsid(child.pid)

    with processes_apart():
        assert session_of_a_child() != os.getsid(0)
    assert session_of_a_child() == os.getsid(0)
