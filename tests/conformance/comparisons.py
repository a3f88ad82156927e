"""What conformance compares an update with: one of the same rows in another form, or one that two ranks make."""

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from intelligen.config.schema.experiment import Trial
from intelligen.data.special_tokens import PAD


def padded(batch: Any, *, columns: int = 3) -> Any:
    """The same rows, with more padding behind each text."""
    wider = {
        name: torch.nn.functional.pad(tensor, (0, columns), value=PAD)
        for name, tensor in tensors(batch).items()
        if tensor.dim() == 2 and tensor.size(1)
    }
    return replace(batch, **wider)


def reversed_rows(batch: Any) -> Any:
    """The same rows, the last one first."""
    turned = {name: tensor.flip(0) for name, tensor in tensors(batch).items()}
    return replace(batch, **turned, rows=batch.rows[::-1].copy())


def tensors(batch: Any) -> dict[str, torch.Tensor]:
    values = {one.name: getattr(batch, one.name) for one in fields(batch)}
    return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}


def run_two_ranks(trials: Iterable[Trial], store: Path, directory: Path) -> None:
    """Two gloo processes make two updates of each trial; what they came to lies in the directory then."""
    (directory / "trials.jsonl").write_text("".join(trial.model_dump_json() + "\n" for trial in trials))
    script = Path(__file__).with_name("two_ranks.py")
    processes = [
        subprocess.Popen([sys.executable, script, directory, store, str(rank)], stderr=subprocess.PIPE)
        for rank in (0, 1)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=240)
            assert process.returncode == 0, errors.decode()
    finally:
        for process in processes:
            process.kill()
