"""reproduce: what agrees and what differs in one table or document, and an exit code that says which."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import tiny_trial

from intelligen.cli.main import commands, guarded
from intelligen.state.trial_result import SELECTED, TRIAL
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def trained(tiny_store: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("trained") / "t"
    fit(tiny_trial(tiny_store[1]), Runtime(tiny_store[0], directory))
    return directory


@pytest.fixture
def runs(tiny_store: tuple[Path, str], trained: Path, tmp_path: Path) -> Path:
    """The runs directory, with the trial as `t`."""
    shutil.copytree(tiny_store[0], tmp_path / "runs")
    shutil.copytree(trained, tmp_path / "runs" / "t")
    return tmp_path / "runs"


@pytest.fixture
def call(runs: Path, capfd: pytest.CaptureFixture[str]) -> Call:
    def called(*arguments: str) -> tuple[int, str, str]:
        given = ["reproduce", *arguments, "--runs", str(runs)]
        code = guarded(lambda: commands.main(given, standalone_mode=False))
        return code, *capfd.readouterr()

    return called


def flip_a_weight(runs: Path) -> None:
    path = runs / "t" / SELECTED
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")


def give_another_seed(runs: Path) -> None:
    path = runs / "t" / TRIAL
    path.write_text(path.read_text().replace('"seed": 1', '"seed": 2'))


def test_the_same_is_said_for_people_and_for_programs(runs: Path, call: Call) -> None:
    code, out, err = call(str(runs / "t"))
    assert (code, err) == (0, "")
    assert "same     2 epochs, bit for bit" in out
    assert "more metrics" in out
    assert [line.split()[-1] for line in out.splitlines() if line.startswith(("train/loss", "weights"))] == ["same"] * 2

    code, out, err = call(str(runs / "t"), "--json")
    document = json.loads(out)
    assert (code, document["exit_code"]) == (0, 0)
    assert (document["identical"], document["exact"], document["changed"], document["epochs"]) == (True, True, [], 2)
    assert {"key": "update", "recorded": 12.0, "replayed": 12.0, "agrees": True, "epoch": None} in document[
        "comparisons"
    ]
    assert "epoch 2  update 12" in err
    # Each replay has a place of its own.
    assert [path.name for path in sorted((runs / "replays").iterdir())] == ["t-1", "t-2"]
    assert document["replay"] == str(runs / "replays" / "t-2")


def test_a_difference_ends_with_its_code_and_its_key(runs: Path, call: Call) -> None:
    flip_a_weight(runs)
    code, out, err = call(str(runs / "t"))
    assert (code, err) == (3, "")
    assert "differs  after 2 epochs: weights\n" in out


def test_a_difference_under_other_circumstances_is_another_code_and_a_warning(runs: Path, call: Call) -> None:
    give_another_seed(runs)
    code, out, err = call(str(runs / "t"), "--json")
    assert code == json.loads(out)["exit_code"] == 78
    assert err.startswith("warning: changed: settings: ")
    assert len(json.loads(out)["changed"]) == 1
    (loss,) = (one for one in json.loads(out)["comparisons"] if one["key"] == "train/loss")
    assert (loss["agrees"], loss["epoch"]) == (False, 1)


def test_what_cannot_be_replayed_is_one_line(runs: Path, call: Call) -> None:
    shutil.rmtree(runs / "prepared")
    code, out, err = call(str(runs / "t"))
    assert (code, out, len(err.splitlines())) == (69, "", 1)
    assert "its data are gone" in err
    assert not (runs / "replays").exists()


def test_no_such_sweep_is_one_line(call: Call) -> None:
    code, out, err = call("tiny", "t0000")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
