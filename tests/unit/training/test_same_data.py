"""A trial goes on with, and is tested on, the data that it was trained on, whatever prepares its corpus again."""

import json
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from conftest import tiny_data, tiny_trial, write_tiny_corpus

from intelligen.config.schema.budget import Budget
from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import Data
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.space_forms import Const
from intelligen.config.schema.split_forms import PairTable
from intelligen.config.schema.sweep import Sweep
from intelligen.data.preparation import prepare
from intelligen.errors import ChangedError
from intelligen.state.history import Report
from intelligen.state.ledger import Ledger
from intelligen.sweep.preflight.verify_files import require_data
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.sweep_context import SweepContext
from intelligen.tracking.packed_model import pack
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime
from intelligen.training.trained_model import TrainedModel

OTHER = r"was trained on other data than .*/prepared/[0-9a-f]{16} holds now"


def data_with_line_breaks(folder: Path) -> Data:
    folder.mkdir()
    write_tiny_corpus(folder)
    sides = [(folder / f"train.{side}").read_text().splitlines() for side in ("en", "de")]
    pairs = [{"source": f"{source}\u2028{source}", "target": target} for source, target in zip(*sides, strict=True)]
    (folder / "train.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    data = tiny_data(folder)
    splits = {**data.corpus.splits, "train": PairTable(file="train.jsonl")}  # type: ignore[union-attr]
    return data.model_copy(update={"corpus": data.corpus.model_copy(update={"splits": splits})})


def interrupt(report: Report) -> None:
    raise KeyboardInterrupt


def test_data_that_are_prepared_to_something_else_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_with_line_breaks(tmp_path / "corpus")
    with monkeypatch.context() as first_release:
        first_release.setattr("intelligen.data.text_lines.one_line", lambda text, notes: text)
        first = prepare(data, tmp_path, columns=SOURCE_AND_TARGET)
    trial = tiny_trial(first.identity)
    directory = tmp_path / "sweeps" / "s" / "t0000"
    with suppress(KeyboardInterrupt):
        fit(trial, Runtime(tmp_path, directory, report=interrupt))
    settings = Sweep(version=1, name="s", experiment="e.yaml", space={"seed": Const(const=1)}, budget=Budget(trials=1))
    with Ledger.open(directory.parent, {"sweep_id": "0"}) as ledger:
        ledger.start(
            "t0000",
            kind="trial",
            row="standard",
            seed=1,
            params={},
            config={"prepared": first.identity},
            directory="t0000",
            number=0,
        )
        run = SweepContext(
            settings, Experiment(version=1, name="e"), DataOfRows(first.identity), tmp_path, directory.parent, ledger
        )
        require_data(run, [first])
        shutil.rmtree(first.directory)
        again = prepare(data, tmp_path, columns=SOURCE_AND_TARGET)
        assert again.identity == first.identity  # it follows from settings and corpus
        with pytest.raises(ChangedError, match=OTHER):
            require_data(run, [again])
    with pytest.raises(ChangedError, match=OTHER):
        fit(trial, Runtime(tmp_path, directory))
    with pytest.raises(ChangedError, match=OTHER):
        TrainedModel.load(directory, store=tmp_path, device=torch.device("cpu"))
    with pytest.raises(ChangedError, match=OTHER):
        pack(directory, store=tmp_path, target=tmp_path / "packed")
