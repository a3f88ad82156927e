"""What no command has foreseen is one line with an exit code; a shortage of memory is no bug, wherever it shows."""

import errno
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from intelligen.cli.experiment_file import named_device
from intelligen.cli.main import guarded
from intelligen.errors import ConfigError

ENOMEM = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


def raising(error: Exception) -> Callable[[], object]:
    def act() -> object:
        raise error

    return act


OF_PYTHON = ((lambda: bytearray(2**62), "MemoryError"), (raising(ENOMEM), "Cannot allocate memory"))


@pytest.mark.parametrize(
    ("act", "says", "loaded"),
    [
        (lambda: torch.empty(10**15), "DefaultCPUAllocator: can't allocate memory", True),
        *(pytest.param(*shortage, True, id=f"{shortage[1]}, with torch") for shortage in OF_PYTHON),
        *(pytest.param(*shortage, False, id=f"{shortage[1]}, without torch") for shortage in OF_PYTHON),
    ],
)
def test_a_shortage_of_memory_is_named_by_every_command(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    act: Callable[[], object],
    says: str,
    loaded: bool,
) -> None:
    if not loaded:
        monkeypatch.delitem(sys.modules, "torch")
    assert guarded(act) == 69
    err = capsys.readouterr().err
    assert err.startswith("error: out of memory: ")
    assert says in err
    assert err.count("\n") == 1


def test_other_errors_of_the_system_keep_their_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raising(OSError(errno.ENOSPC, "No space left on device", "/x"))) == 74
    assert guarded(raising(PermissionError(errno.EACCES, "Permission denied", "/x"))) == 73
    assert capsys.readouterr().err == "error: /x: No space left on device\nerror: /x: Permission denied\n"


def test_a_bug_is_one_line_with_the_name_of_a_log_that_has_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raising(RuntimeError("\n-- Process 0 ended:\nTraceback: x\nKeyError: 'y'\n"))) == 1
    line = capsys.readouterr().err
    found = re.fullmatch(
        r"error: a bug in IntelliGEN: RuntimeError: -- Process 0 ended: … KeyError: 'y'; details in (.+)\n", line
    )
    assert found is not None
    log = Path(found[1])
    assert "Traceback: x" in log.read_text()
    log.unlink()


@pytest.mark.parametrize("name", ["tpu", "meta", "mps", "cuda:x", ""])
def test_a_device_on_which_nothing_is_trained_is_unknown(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^--device: unknown device .*; use auto, cpu, cuda or cuda:N$"):
        named_device(name)
