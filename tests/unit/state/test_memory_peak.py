"""A process that is killed leaves its peak in its trial's directory; one that ends leaves nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from intelligen.state.memory_peak import PEAK_FILE, keeping_peak, read_peak
from intelligen.state.process_memory import peak_bytes, total_bytes

MIB = 2**20
GROWS = f"""
import sys, time
from pathlib import Path
from intelligen.state.memory_peak import keeping_peak
with keeping_peak(Path(sys.argv[1])):
    taken = bytearray({200 * MIB})
    time.sleep(60)
"""


def test_a_killed_process_has_left_what_it_took_and_what_there_was(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", GROWS, str(tmp_path)])
    deadline = time.monotonic() + 60
    while ((peak := read_peak(tmp_path)) is None or peak.peak_bytes < 200 * MIB) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    found = read_peak(tmp_path)
    assert found is not None
    assert 200 * MIB <= found.peak_bytes < 400 * MIB
    assert found.total_bytes == total_bytes()
    assert str(found) == f"0.2 GiB or more of {total_bytes() / 2**30:.1f} GiB"


def test_a_process_that_ends_leaves_nothing(tmp_path: Path) -> None:
    with keeping_peak(tmp_path):
        found = read_peak(tmp_path)
        assert found is not None
        assert 0 < found.peak_bytes <= peak_bytes()
    assert read_peak(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", '{"peak_bytes": 1', "[]", "{}", '{"peak_bytes": null, "total_bytes": 1}'])
def test_a_file_that_is_not_whole_says_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / PEAK_FILE).write_text(content)
    assert read_peak(tmp_path) is None
