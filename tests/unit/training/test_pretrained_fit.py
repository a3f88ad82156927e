"""`fit` of a pre-trained model: two ranks come to what one does, a run that was stopped to what another does."""

from functools import partial
from pathlib import Path

import pytest
import torch
from conftest import tiny_data, tiny_trial, write_tiny_corpus
from pretrained_models import make_pretrained, without_dropout
from safetensors.torch import load_file
from test_fit import comparable
from test_ranks import SUMMED, train

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import FromPretrained
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.pretrained_model import Lora, Pretrained
from intelligen.data.preparation import prepare
from intelligen.state.history import HISTORY_FILE, read_history
from intelligen.state.trial_result import SELECTED
from intelligen.training.fit import fit
from intelligen.training.local_processes import in_group
from intelligen.training.runtime import Runtime


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """Directory of a T5 with dropout, the store, and the identity of the tiny corpus in its vocabulary."""
    root = tmp_path_factory.mktemp("t5")
    (root / "corpus").mkdir()
    write_tiny_corpus(root / "corpus")
    sentences = [line for side in ("en", "de") for line in (root / "corpus" / f"train.{side}").read_text().splitlines()]
    directory = make_pretrained("t5", root / "model", sentences=sentences)
    tokenizer = FromPretrained(name="pretrained", path=str(directory))
    data = tiny_data(root / "corpus").model_copy(update={"tokenizer": tokenizer, "max_tokens": 60})
    return directory, root / "store", prepare(data, root / "store", columns=SOURCE_AND_TARGET).identity


def trial_of(directory: Path, identity: str, *, lora: Lora | None = None) -> Trial:
    trial = tiny_trial(identity, model=Pretrained(path=str(directory), lora=lora))
    return trial.model_copy(update={"training": trial.training.model_copy(update={"checkpoint_updates": 4})})


@pytest.mark.parametrize("lora", [None, Lora(rank=2, dropout=0.1)], ids=["all weights", "an adapter"])
def test_a_run_that_was_stopped_amid_an_epoch_ends_with_the_same_weights_and_history(
    lora: Lora | None, t5: tuple[Path, Path, str], tmp_path: Path
) -> None:
    directory, store, identity = t5
    trial = trial_of(directory, identity, lora=lora)

    def stop(update: int, _: int) -> None:
        if update == 9:
            raise KeyboardInterrupt

    fit(trial, Runtime(store, tmp_path / "undisturbed"))
    with pytest.raises(KeyboardInterrupt):
        fit(trial, Runtime(store, tmp_path / "stopped", updated=stop))
    fit(trial, Runtime(store, tmp_path / "stopped"))
    first, second = (load_file(tmp_path / name / SELECTED) for name in ("undisturbed", "stopped"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    undisturbed, stopped = (read_history(tmp_path / name / HISTORY_FILE) for name in ("undisturbed", "stopped"))
    assert [comparable(report) for report in undisturbed] == [comparable(report) for report in stopped]


def test_two_ranks_report_what_one_does(t5: tuple[Path, Path, str], tmp_path: Path) -> None:
    directory, store, identity = t5
    trial = trial_of(without_dropout(directory, tmp_path / "model"), identity)
    # Few updates: Adam makes steps of what rounding leaves of a gradient that is 0.
    trial = trial.model_copy(update={"training": trial.training.model_copy(update={"epochs": 4, "epoch_updates": 1})})
    train(trial, store, tmp_path / "alone")
    in_group(partial(train, trial, store, tmp_path / "together"), processes=2)
    alone, together = (read_history(tmp_path / name / HISTORY_FILE) for name in ("alone", "together"))
    assert len(alone) == len(together) == 4
    for one, two in zip(alone, together, strict=True):
        assert (one.update, one.target_tokens) == (two.update, two.target_tokens)
        assert {name: two.metrics[name] for name in SUMMED} == pytest.approx(
            {name: one.metrics[name] for name in SUMMED}, rel=1e-5
        )
