"""A training that starts from another's weights, killed at ever later writes and begun again, loses nothing."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from conftest import TINY_EXPERIMENT, write_tiny_corpus

# One interpreter forks every launch, since most of a launch's time is imports. Launch number N dies at its Nth fsync,
# and one where half of the weights are copied.
LAUNCHES = """
import os, signal, sys
import torch
from intelligen.cli.main import commands, guarded
import intelligen.training.fit, intelligen.training.initial_weights, intelligen.data.preparation

def launch(runs, dies_at):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    fsync, left = os.fsync, [dies_at]
    def dying(descriptor):
        left[0] -= 1
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        in_copy = dies_at and "/weights/." in path and not os.path.exists("cut")
        if in_copy:
            os.truncate(path, os.path.getsize(path) // 2)
            open("cut", "x").close()
        if in_copy or left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(descriptor)
    os.fsync = dying
    command = ["train", "next.yaml", "--runs", runs]
    os._exit(guarded(lambda: commands.main(command, standalone_mode=False)))

torch.set_num_threads(1)
assert launch("undisturbed", 0) == 0
code, number = -signal.SIGKILL, 0
while code == -signal.SIGKILL:
    number += 1
    code = launch("killed", number)
print("launches", number, code, file=sys.stderr)
sys.exit(code)
"""
BRIEF = TINY_EXPERIMENT.replace("epoch_updates: 20", "epoch_updates: 2")
FIRST = BRIEF.replace("name: tiny", "name: first").replace("epochs: 2", "epochs: 2\n  keep_epochs: [1]")
NEXT = BRIEF.replace("name: tiny", "name: next") + "initial: {experiment: first.yaml, epoch: 1}\n"


def weights_and_epochs(runs: Path) -> dict[str, tuple[str, list[int]]]:
    """Experiment → hash of its selected weights, and the epochs of its history."""
    found = {}
    for trial in (runs / "baselines").glob("*/trial.json"):
        digest = hashlib.sha256((trial.parent / "selected.safetensors").read_bytes()).hexdigest()
        history = (trial.parent / "history.jsonl").read_text().splitlines()
        found[json.loads(trial.read_text())["experiment"]] = digest, [json.loads(line)["epoch"] for line in history]
    return found


def test_a_training_killed_at_ever_later_writes_is_the_undisturbed_one(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    write_tiny_corpus(tmp_path / "corpus", train=100)
    (tmp_path / "first.yaml").write_text(FIRST)
    (tmp_path / "next.yaml").write_text(NEXT)
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHES], cwd=tmp_path, env=os.environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    undisturbed = weights_and_epochs(tmp_path / "undisturbed")
    assert undisturbed == weights_and_epochs(tmp_path / "killed")
    assert {name: epochs for name, (_, epochs) in undisturbed.items()} == {"first": [1, 2], "next": [1, 2]}
    assert (tmp_path / "cut").exists()
    assert [len(list((tmp_path / "killed" / "weights").glob(names))) for names in ("[!.]*", ".*")] == [1, 1]
