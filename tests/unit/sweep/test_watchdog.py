"""Before a trial without progress is ended, it is checked whether it waits for a disk."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from intelligen.state.failure_file import read_failure
from intelligen.state.heartbeat import WorkerProcess
from intelligen.sweep.execution.watchdog import end_worker, waits_for_disk

# A parent waits for its vfork as it does for a file server that does not answer: it can only be killed.
IN_A_CALL_THAT_DOES_NOT_RETURN = """
import ctypes, time
if ctypes.CDLL(None).vfork() == 0:
    time.sleep(120)
"""


@contextmanager
def running(code: str, *, status: str) -> Iterator[WorkerProcess]:
    with subprocess.Popen([sys.executable, "-c", code], process_group=0) as started:
        try:
            process = psutil.Process(started.pid)
            deadline = time.monotonic() + 20
            while process.status() != status and time.monotonic() < deadline:
                time.sleep(0.05)
            yield WorkerProcess("here", process.pid, process.create_time())
        finally:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="how a process waits is told by Linux")
def test_a_process_that_waits_for_a_disk_is_distinguished_from_one_that_hangs(tmp_path):
    with (
        running(IN_A_CALL_THAT_DOES_NOT_RETURN, status=psutil.STATUS_DISK_SLEEP) as stuck,
        running("import time; time.sleep(120)", status=psutil.STATUS_SLEEPING) as hangs,
    ):
        assert waits_for_disk._function(stuck)
        assert not waits_for_disk._function(hangs)
        assert not waits_for_disk._function(WorkerProcess("here", stuck.pid, 0.0))  # the number is another's now
        end_worker._function(stuck)
        assert read_failure(tmp_path) is None
        end_worker._function(hangs, str(tmp_path), "no progress for 8 s")
        assert read_failure(tmp_path) == "no progress for 8 s"
        for worker in (stuck, hangs):
            process = psutil.Process(worker.pid)
            assert process.status() == psutil.STATUS_ZOMBIE or process.wait(10) is not None
