"""`scripts/gpu_check.py` with its stand-ins, in a process of its own: torch counts devices at its first backward."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from conftest import REPOSITORY

SCRIPT = REPOSITORY / "scripts" / "gpu_check.py"
QUICK = (
    "uuid",
    "overflow",
    "cache",
    "graphs",
    "segments",
    "updates-without-waiting",
    "rollouts-without-waiting",
    "benchmark",
)
NEEDS_A_GPU = {"uuid", "benchmark"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=500)


def states(path: Path) -> dict[str, str]:
    return {one["name"]: one["state"] for one in json.loads(path.read_text())["checks"]}


def expected(names: Sequence[str]) -> dict[str, str]:
    return {name: "skipped" if name in NEEDS_A_GPU else "passed" for name in names}


def test_no_update_without_a_rollout_waits_for_a_gpu_and_rollouts_seldom_do(tmp_path):
    done = run("--device", "cpu", "--json", str(tmp_path / "found.json"), "--only", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert states(tmp_path / "found.json") == expected(QUICK)
    lines = done.stdout.splitlines()
    assert [line.split()[1].rstrip(":") for line in lines] == [*QUICK]
    assert lines[0].startswith("skipped uuid: no GPU")


@pytest.mark.slow
@pytest.mark.extended
def test_every_stand_in_passes(tmp_path):
    done = run("--device", "cpu", "--json", str(tmp_path / "found.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    found = states(tmp_path / "found.json")
    assert found == expected([*found])
    assert len(found) == 15


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_named(monkeypatch, capsys):
    import gpu_check

    assert gpu_check.main([]) == 69
    assert capsys.readouterr().err == "no GPU that torch can use; --device cpu runs the stand-ins\n"


def test_a_check_that_fails_ends_no_other_and_the_process_with_one(monkeypatch, capsys):
    import gpu_check

    def fails(_work: object) -> str:
        raise ValueError("bad number")

    monkeypatch.setattr(gpu_check, "CHECKS", {"first": fails, "second": lambda _work: "well"})
    monkeypatch.setattr(gpu_check, "register", lambda: None)
    monkeypatch.setattr(gpu_check.Work, "begin", lambda *_: None)
    assert gpu_check.main(["--device", "cpu"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("failed  first: ValueError: bad number (")
    assert second.startswith("passed  second: well (")
