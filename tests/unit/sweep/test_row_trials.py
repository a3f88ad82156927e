"""A row's trials have its settings, its data, its baseline and its initial weights, seed by seed."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from searches import sweep

from intelligen.config.load import row_experiments
from intelligen.config.named_experiments import initial_experiment
from intelligen.config.schema.experiment import Experiment, Trial, baseline_trial
from intelligen.config.schema.initial import InitialWeights
from intelligen.config.schema.strategies import Strategy
from intelligen.errors import ChangedError
from intelligen.state.ledger import Ledger
from intelligen.sweep.fingerprint import require_unchanged, sweep_fingerprint
from intelligen.sweep.preflight.verify_files import require_data
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.row_starts import RowStarts
from intelligen.sweep.row_trials import RowTrials
from intelligen.sweep.sweep_context import SweepContext

PRETRAINED = """version: 1
name: pretrained
training: {epochs: 2, keep_epochs: [1, 2]}
"""
VARIANTS = {
    "control": "base",
    "of": {"base": {}, "wide": {"model.d_model": 512}, "smooth": {"finetuning.label_smoothing": 0.3}},
}


def rows(experiment: Experiment | None = None, **changes: object) -> RowTrials:
    settings, experiment = sweep(space={}, budget={}, **changes), experiment or Experiment(version=1, name="e")
    data = dict.fromkeys([row.id for row in settings.variants()], "shared") | {"wide": "other"}
    found = DataOfRows("shared", data, starts(row_experiments(settings, experiment)))
    return RowTrials(settings, experiment, found, weights)


def starts(experiments: Mapping[str, Experiment]) -> RowStarts:
    """As a launch finds them, but for data that were prepared."""
    named = {row: initial_experiment(one) for row, one in experiments.items()}
    return RowStarts({row: baseline_trial(one, prepared="its") for row, one in named.items() if one is not None})


def weights(experiment: Experiment, prepared: str, pretraining: Trial) -> InitialWeights:
    """Another hash for each seed and epoch."""
    assert experiment.initial is not None
    name = f"{pretraining.seed}{experiment.initial.epoch}"
    return InitialWeights(weights=name.rjust(64, "0"), part="all", freeze=False, origin=prepared)


def test_variants_that_share_a_baseline_have_one() -> None:
    found = rows(rows={"variants": VARIANTS})
    assert list(found.baselines) == ["baseline-base-1", "baseline-wide-1"]
    assert [start.row for start in found.baselines.values()] == ["baseline-base", "baseline-wide"]
    starts = {row: found.trial({"row": row}).start for row in VARIANTS["of"]}
    assert starts["base"] == starts["smooth"] == found.baselines["baseline-base-1"].trial.identity
    assert starts["wide"] == found.baselines["baseline-wide-1"].trial.identity


def test_a_baseline_starts_from_the_pre_training_of_its_row_and_a_trial_from_that_baseline(file: Path) -> None:
    of = {"base": {}, "started": {"initial.experiment": str(file), "initial.epoch": 1}}
    found = rows(rows={"variants": {"control": "base", "of": of}})
    baselines = {name: start.trial for name, start in found.baselines.items()}
    assert list(baselines) == ["baseline-base-1", "baseline-started-1"]
    plain, started = baselines.values()
    assert plain.initial is None
    assert started.initial is not None
    assert started.initial.weights.endswith("11")
    assert [found.trial({"row": row}).start for row in of] == [plain.identity, started.identity]


def test_a_trial_has_the_settings_and_the_data_of_its_row() -> None:
    trial = rows(rows={"variants": VARIANTS}).trial({"row": "wide", "finetuning.epochs": 2})
    assert (trial.model.d_model, trial.prepared, trial.training.epochs) == (512, "other", 2)


def test_without_a_baseline_a_trial_is_the_experiment_s_own_training() -> None:
    experiment = Experiment(version=1, name="e", strategy={"name": "generative"})
    found = rows(experiment, rows={"variants": VARIANTS}, stages=["train"])
    trial = found.trial({"row": "base"})
    assert found.baselines == {}
    assert (trial.start, trial.strategy.name, trial.training) == (None, "generative", experiment.training)


def test_strategies_keep_one_baseline_a_seed() -> None:
    settings = sweep(confirm={"seeds": 2})
    found = RowTrials(settings, Experiment(version=1, name="e"), DataOfRows("x"), weights)
    assert list(found.baselines) == ["baseline-1", "baseline-2", "baseline-3"]
    assert {start.row for start in found.baselines.values()} == {None}
    assert found.row_of({"strategy.name": "standard"}) is None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "pretrained.yaml"
    file.write_text(PRETRAINED)
    return file


@pytest.fixture
def pretrained(file: Path) -> RowTrials:
    later = {str(epoch): {"initial.experiment": str(file), "initial.epoch": epoch} for epoch in (1, 2)}
    axes = {"control": {"pre": "0"}, "of": {"pre": {"0": {}, **later}}}
    return rows(rows={"axes": axes}, stages=["train"], confirm={"seeds": 2})


def test_rows_that_share_a_pre_training_train_it_once_for_each_seed(pretrained: RowTrials) -> None:
    assert list(pretrained.pretrainings) == ["pretrained-1", "pretrained-2", "pretrained-3"]
    assert {start.trial.prepared for start in pretrained.pretrainings.values()} == {"its"}
    assert {start.row for start in pretrained.pretrainings.values()} == {"pretrained"}


def test_an_edited_pre_training_is_another_sweep(pretrained: RowTrials, tmp_path: Path) -> None:
    def fingerprint() -> dict[str, object]:
        data = replace(pretrained.data, starts=starts(pretrained.experiments))
        return sweep_fingerprint(pretrained.sweep, pretrained.experiment, data=data)

    before = fingerprint()
    require_unchanged(before, fingerprint(), tmp_path)
    (tmp_path / "pretrained.yaml").write_text(PRETRAINED.replace("epochs: 2", "epochs: 3"))
    with pytest.raises(ChangedError, match=r"pretraining\.pre-1\.training\.epochs: 2 → 3"):
        require_unchanged(before, fingerprint(), tmp_path)


def test_a_row_that_is_renamed_added_or_taken_away_is_named(tmp_path: Path) -> None:
    def fingerprint(*names: str) -> dict[str, object]:
        of = {"base": {}} | {name: {"model.d_ff": 2 ** (place + 4)} for place, name in enumerate(names)}
        found = rows(rows={"variants": {"control": "base", "of": of}})
        return sweep_fingerprint(found.sweep, found.experiment, data=found.data)

    before = fingerprint("wide", "deep")
    require_unchanged(before, fingerprint("wide", "deep"), tmp_path)
    for names, what in {
        ("broad", "deep"): "without wide, with broad;",
        ("wide",): "without deep;",
        ("wide", "deep", "slow"): "with slow;",
        ("wide", *"abcdefg"): "without deep, with a, b, c, d, e and 2 more;",
    }.items():
        with pytest.raises(ChangedError, match=f"started with other rows.* the file is now {what} restore them, or"):
            require_unchanged(before, fingerprint(*names), tmp_path)


def test_a_row_starts_from_its_epoch_and_its_repetition_from_that_of_the_other_seed(pretrained: RowTrials) -> None:
    trial = pretrained.trial({"row": "pre-2"})
    again = pretrained.repeated(trial, row="pre-2", seed=3)
    assert trial.initial is not None
    assert again.initial is not None
    assert (trial.initial.weights[-2:], again.initial.weights[-2:], again.seed) == ("12", "32", 3)
    assert trial.identity != again.identity
    assert pretrained.trial({"row": "pre-0"}).initial is None


def test_a_pre_training_never_has_the_name_of_a_baseline(file: Path) -> None:
    file.write_text(PRETRAINED.replace("name: pretrained", "name: baseline"))
    experiment = Experiment(version=1, name="e", initial={"experiment": str(file), "epoch": 1})
    found = RowTrials(sweep(), experiment, DataOfRows("shared", starts=starts({"": experiment})), weights)
    assert not found.pretrainings.keys() & found.baselines.keys()
    # However a name is made distinct, the row is the experiment.
    assert [start.row for start in found.pretrainings.values()] == ["baseline"]


def test_baselines_that_start_from_a_pre_training_may_be_launched_before_it_is_trained(file: Path) -> None:
    experiment = Experiment(version=1, name="e", initial={"experiment": str(file)})
    data = DataOfRows("shared", starts=starts({"": experiment}))
    with Ledger.open(file.parent / "sweeps" / "s", {"sweep_id": "0"}) as ledger:
        launch = SweepContext(sweep(), experiment, data, file.parent, file.parent / "sweeps" / "s", ledger)
        require_data(launch, [])
        assert list(launch.rows.pretrainings) == ["pretrained-1"]


def test_the_strategy_of_a_row_may_be_written_in_any_form() -> None:
    of = {"base": {}, "name": {"strategy": "recurrent"}, "whole": {"strategy": {"name": "generative", "candidates": 3}}}
    found = rows(rows={"variants": {"control": "base", "of": of}})
    strategies: list[Strategy] = [found.trial({"row": row}).strategy for row in of]
    assert [one.name for one in strategies] == ["standard", "recurrent", "generative"]
