"""The settings of a best trial are lines of an experiment file, and such a file trains the same trial."""

from pathlib import Path
from typing import Any

import pytest
from conftest import TINY_EXPERIMENT
from small_rows import SmallRows
from small_study import SmallStudy

from intelligen.analysis.best_settings import SweepSettings
from intelligen.config.base import recorded
from intelligen.config.experiment_lines import settings_lines, settings_words, trial_settings
from intelligen.config.load import apply_settings, load_experiment, load_sweep, row_experiments
from intelligen.config.schema.experiment import finetuning_trial, training_trial
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import TrialRecord

MIXED = {"strategy.policy.weights": {"auxiliary": 0.5, "recurrent": 0.25, "generative": 0.25}}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> SmallStudy:
    files = SmallStudy(tmp_path_factory.mktemp("settings") / "runs", confirm=False)
    files.write()
    return files


@pytest.mark.parametrize("trial", ["t0003", "t0007", "t0011"])
def test_pasted_lines_are_the_experiment_that_trains_the_trial_again(study: SmallStudy, trial: str) -> None:
    files = SweepFiles(study.directory)
    record, of = files.trial(trial), SweepSettings.read(files)
    lines = list(of.best(record, label=record.row, score="valid/bleu 1.00").lines())
    assert lines[0] == f"# {record.row}: {trial}, valid/bleu 1.00"
    named = Path(of.sweep.experiment)
    pasted = named.with_name(f"{trial}.yaml")
    assert f"`include: [{named.name}]`" in of.how_to_use
    pasted.write_text("\n".join([f"include: [{named.name}]", *lines]) + "\n")

    experiment = load_experiment(pasted)
    again = finetuning_trial(experiment, prepared=record.config["prepared"], start=record.config["start"])
    assert again.model_dump(mode="json") == record.config


@pytest.mark.parametrize(
    ("file", "given", "changes"),
    [
        ("", ("finetuning.optimizer.weight_decay=0.2",), {"finetuning.optimizer.learning_rate": 4e-4}),
        ("", ("finetuning.schedule.name=cosine",), {"finetuning.schedule.warmup_updates": 3}),
        ("", ("finetuning.epochs=7",), {"finetuning.epochs": 4}),
        ("strategy: {name: standard_matched, updates_ratio: 2.0}", (), {"strategy.updates_ratio": 4.0}),
        ("strategy: {name: standard_matched, updates_ratio: 2.0}", ("strategy.updates_ratio=4.0",), {}),
        ("strategy: {name: standard_matched, updates_ratio: 2.0}", (), {"strategy.name": "standard"}),
        ("strategy: {name: intelligen, policy: {name: static, weights: {auxiliary: 1.0}}}", (), MIXED),
        ("", (), {"seed": 1001}),
        ("", ("seed=5",), {"seed": 1005}),
    ],
)
def test_pasted_lines_train_the_same_trial(
    tmp_path: Path, file: str, given: tuple[str, ...], changes: dict[str, Any]
) -> None:
    path, pasted = tmp_path / "experiment.yaml", tmp_path / "pasted.yaml"
    path.write_text(f"{TINY_EXPERIMENT}{file}\n")
    experiment = load_experiment(path, given)
    trial = finetuning_trial(apply_settings(experiment, changes), prepared="0123456789abcdef", start="x")
    launched = [f"experiment.{one}" for one in given]
    found = trial_settings(trial.model_dump(mode="json"), recorded(experiment), given=launched)
    pasted.write_text("\n".join([f"include: [{path.name}]", *settings_lines(found)]))
    assert finetuning_trial(load_experiment(pasted), prepared="0123456789abcdef", start="x") == trial


def test_what_the_launch_changed_is_among_them(study: SmallStudy) -> None:
    files = SweepFiles(study.directory)
    given = ("experiment.training.epochs=7", "budget.trials=3")
    found = trial_settings(files.trial("t0003").config, files.ledger()[0]["experiment"], given=given)
    assert found["training"] == {"epochs": 7}
    assert "budget" not in found
    of = SweepSettings(files.launch().sweep, files.ledger()[0]["experiment"], given)
    assert "epochs" not in of.words(files.trial("t0003"))
    assert "learning_rate" in of.words(files.trial("t0003"))


def test_a_variants_own_settings_are_among_them(tmp_path: Path) -> None:
    rows = SmallRows(tmp_path / "runs", seeds=())
    files = SweepFiles(rows.write())
    record = files.trial("t0002")
    found = SweepSettings.read(files).of(record)
    (row,) = (one for one in files.launch().sweep.variants() if one.id == record.row)
    for key, value in row.settings.items():
        inner = found
        for part in key.split("."):
            inner = inner[part]
        assert inner == value, key


VARIANTS = """
version: 1
name: variants
question: Which is better?
experiment: experiment.yaml
stages: [train]
rows: {variants: {control: base, of: {base: {}, slow: {training.optimizer.learning_rate: 0.001}, own: OWN}}}
objective: {metric: valid/bleu, direction: maximize}
"""
GENERATIVE = "strategy: {name: generative, mle_weight: 0.3}"


@pytest.mark.parametrize("file", ["", GENERATIVE])
@pytest.mark.parametrize(
    "given",
    [
        (),
        ("experiment.strategy.name=generative",),
        ("experiment.strategy.name=standard",),
        ("experiment.strategy.name=generative", "experiment.strategy.mle_weight=0.4"),
        ("experiment.strategy={name: generative, mle_weight: 0.4}",),
    ],
)
@pytest.mark.parametrize("row", ["base", "slow", "own"])
def test_pasted_lines_of_a_variant_train_it_by_the_strategy_of_the_launch(
    tmp_path: Path, file: str, given: tuple[str, ...], row: str
) -> None:
    (tmp_path / "experiment.yaml").write_text(f"{TINY_EXPERIMENT}{file}\n")
    path = tmp_path / "sweep.yaml"
    path.write_text(VARIANTS.replace("OWN", "{strategy: {name: generative, mle_weight: 0.2}}"))
    sweep, experiment = load_sweep(path, given)
    trial = training_trial(row_experiments(sweep, experiment)[row], prepared="0123456789abcdef")
    record = TrialRecord("t0000", "trial", row, 1, {}, trial.model_dump(mode="json"), "", 0, 0)
    pasted = tmp_path / "pasted.yaml"
    lines = settings_lines(SweepSettings(sweep, recorded(experiment), given).of(record))
    pasted.write_text("\n".join(["include: [experiment.yaml]", *lines]))
    assert training_trial(load_experiment(pasted), prepared="0123456789abcdef") == trial
    assert given or row == "own" or not any(line.startswith("strategy") for line in lines)


def test_few_words_and_one_line_per_group() -> None:
    settings = {
        "finetuning": {"optimizer": {"learning_rate": 0.00042345}},
        "strategy": {"name": "generative_position", "probability": {"start": 0.25}, "note": "no", "path": "a: b"},
    }
    assert settings_words(settings) == 'learning_rate 0.000423, probability.start 0.25, note "no", path "a: b"'
    assert settings_lines(settings) == [
        "finetuning: {optimizer: {learning_rate: 0.00042345}}",
        'strategy: {name: generative_position, probability: {start: 0.25}, note: "no", path: "a: b"}',
    ]
