"""Checkpoints: whole or absent, verified before they are read."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from intelligen.errors import DataError, StorageError
from intelligen.training.checkpoint import WEIGHTS, Checkpoints, average_weights, load_weights, save_weights


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(1)
    return nn.Linear(3, 2)


def save(directory: Path, model: nn.Module, *updates: int) -> Checkpoints:
    checkpoints = Checkpoints(directory)
    for update in updates:
        checkpoints.save(update, model=model, training={"moment": torch.ones(2)}, meta={"epoch": update})
    return checkpoints


def test_the_latest_checkpoint_comes_back(tmp_path, model):
    latest = save(tmp_path, model, 5, 10).latest()
    assert latest is not None
    assert (latest.update, latest.meta) == (10, {"epoch": 10})
    assert torch.equal(latest.training_state()["moment"], torch.ones(2))
    other = nn.Linear(3, 2)
    load_weights(other, latest.path / WEIGHTS)
    assert torch.equal(other.weight, model.weight)


@pytest.mark.parametrize("name", ["model.safetensors", "training.pt", "meta.json", "MANIFEST.json"])
@pytest.mark.parametrize("damage", ["bit", "truncation", "absence"])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(tmp_path, model, name, damage):
    checkpoints = save(tmp_path, model, 5, 10)
    file = tmp_path / "checkpoints" / "0000000010" / name
    content = bytearray(file.read_bytes())
    if damage == "bit":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif damage == "truncation":
        file.write_bytes(content[: len(content) // 2])
    else:
        file.unlink()
    with pytest.warns(UserWarning, match="damaged checkpoint set aside"):
        latest = checkpoints.latest()
    assert latest is not None
    assert latest.update == 5
    assert (tmp_path / "checkpoints" / "damaged-0000000010").exists()


def test_when_no_checkpoint_is_whole_nothing_restarts_in_silence(tmp_path, model):
    checkpoints = save(tmp_path, model, 5)
    (tmp_path / "checkpoints" / "0000000005" / "MANIFEST.json").unlink()
    with pytest.warns(UserWarning, match="damaged"), pytest.raises(DataError, match="no checkpoint is whole"):
        checkpoints.latest()
    with pytest.raises(DataError, match="no checkpoint is whole"):
        checkpoints.latest()


def test_a_partial_write_does_not_count(tmp_path, model):
    checkpoints = save(tmp_path, model, 5)
    (tmp_path / "checkpoints" / ".0000000010.partial").mkdir()
    latest = checkpoints.latest()
    assert latest is not None
    assert latest.update == 5


def test_only_what_is_needed_is_kept(tmp_path, model):
    checkpoints = save(tmp_path, model, 5, 10, 15, 20)
    checkpoints.keep_only({5, 20})
    kept = sorted(int(path.name) for path in (tmp_path / "checkpoints").iterdir())
    assert kept == [5, 15, 20], "needed, and the one before the newest should that be damaged"


def test_a_full_disk_leaves_the_earlier_checkpoint_and_says_what_to_do(tmp_path, model):
    save(tmp_path, model, 5)
    script = (
        "import resource, signal, sys; from pathlib import Path; from torch import nn\n"
        "from intelligen.training.checkpoint import Checkpoints\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "Checkpoints(Path(sys.argv[1])).save(10, model=nn.Linear(300, 200), training={}, meta={})"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False)
    assert "StorageError" in done.stderr
    assert "earlier checkpoints are intact: make room" in done.stderr
    latest = Checkpoints(tmp_path).latest()
    assert latest is not None
    assert latest.update == 5


def test_weights_of_another_model_are_refused(tmp_path, model):
    save_weights(model, tmp_path / "w.safetensors")
    with pytest.raises(StorageError, match="cannot load"):
        load_weights(nn.Linear(3, 2, bias=False), tmp_path / "w.safetensors")
    with pytest.raises(StorageError, match="cannot load"):
        load_weights(nn.Linear(4, 2), tmp_path / "w.safetensors")


class Planted:
    """What a pickle would run as it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_code_that_somebody_planted_in_a_checkpoint_is_refused_and_not_run(tmp_path, model):
    mark = tmp_path / "ran"
    Checkpoints(tmp_path).save(5, model=model, training={"moment": Planted(mark)}, meta={})
    latest = Checkpoints(tmp_path).latest()
    assert latest is not None, "its checksums are right: whoever can plant it can hash it"
    with pytest.raises(StorageError, match=r"training\.pt: .* nothing of it was run"):
        latest.training_state()
    assert not mark.exists()


def test_the_average_is_the_mean_of_the_weights(tmp_path, model):
    save_weights(model, tmp_path / "a.safetensors")
    with torch.no_grad():
        model.weight.add_(2.0)
    save_weights(model, tmp_path / "b.safetensors")
    mean = average_weights([tmp_path / "a.safetensors", tmp_path / "b.safetensors"])
    torch.testing.assert_close(mean["weight"], model.weight - 1.0)
