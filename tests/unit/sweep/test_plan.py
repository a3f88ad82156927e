"""A plan shows points of the space as the search would draw them, the refused ones under their own strategy."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import tiny_data
from pretrained_models import SENTENCES, make_pretrained
from searches import sweep

from intelligen.cli.verbs.plan_doctor import plan_lines
from intelligen.config.named_experiments import initial_experiment
from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import FromPretrained
from intelligen.config.schema.experiment import Experiment, baseline_trial, finetuning_trial
from intelligen.config.schema.training import Training
from intelligen.data.preparation import prepare
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.state import layout
from intelligen.sweep.cluster.capacity import Capacity, Node
from intelligen.sweep.preflight import plan as plans
from intelligen.sweep.preflight.memory_check import MemoryCheck
from intelligen.sweep.preflight.plan import make_plan
from intelligen.sweep.row_data import PreparedRows
from intelligen.sweep.row_starts import RowStarts
from intelligen.training.timing import Bench, TimeRange


def nothing_to_time() -> Prepared:
    raise AssertionError("nothing is timed")


@pytest.mark.parametrize(
    ("entry", "names"),
    [
        ({"choice": ["standard", "generative"]}, ["standard", "generative"] * 2 + ["standard"]),
        ({"choice": {"standard": {}, "generative": {}}}, ["standard", "generative"] * 2 + ["standard"]),
        ({"const": {"name": "generative"}}, ["generative"] * 5),
    ],
    ids=["a list", "options", "a constant"],
)
def test_a_refused_point_stands_under_its_own_strategy(tmp_path: Path, entry: dict, names: list[str]) -> None:
    space = {"finetuning.epochs": {"choice": [-1, 0]}, "strategy": entry}
    settings = sweep(space=space, budget={"trials": 5})
    experiment = Experiment(version=1, name="e")
    plan = make_plan(settings, experiment, store=tmp_path, calibrate=False, prepare=nothing_to_time)
    assert [trial.strategy for trial in plan.trials] == names
    assert all("finetuning.epochs" in (trial.refused or "") for trial in plan.trials)


def test_a_baseline_on_gpus_is_not_timed_where_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(plans, "capacity_at", lambda cluster: Capacity("the cluster", (Node("a", 4, 1),)))
    settings = sweep(resources={"gpus_per_worker": 0}, baseline={"gpus_per_worker": "auto"})
    experiment = Experiment(version=1, name="e")
    plan = make_plan(settings, experiment, store=tmp_path, calibrate=True, prepare=nothing_to_time)
    assert plan.sweep.baseline.gpus == 1
    assert (plan.no_cost or "").startswith("the trials need GPUs")


def test_baselines_of_variants_that_start_from_a_pre_training_are_timed(
    tmp_path: Path, tiny_store: tuple[Path, str]
) -> None:
    prepared = open_prepared(layout.prepared(*tiny_store))
    file = tmp_path / "pretrained.yaml"
    file.write_text("version: 1\nname: pretrained\nmodel: {d_model: 16, d_ff: 16, heads: 2}\ntraining: {epochs: 1}\n")
    brief = Training(epochs=1, epoch_updates=1)
    experiment = Experiment(
        version=1,
        name="e",
        model={"d_model": 32, "d_ff": 32, "heads": 2},
        initial={"experiment": str(file)},
        training=brief,
        finetuning=brief,
    )
    of = {"base": {}, "smooth": {"training.label_smoothing": 0.2}}
    settings = sweep(
        space={},
        budget={},
        rows={"variants": {"control": "base", "of": of}},
        resources={"gpus_per_worker": 0},
        baseline={"gpus_per_worker": 0},
    )
    named = initial_experiment(experiment)
    assert named is not None
    starts = RowStarts(dict.fromkeys(of, baseline_trial(named, prepared=prepared.identity)))
    rows = PreparedRows(prepared, dict.fromkeys(of, prepared), dict.fromkeys(of, prepared), starts)
    plan = make_plan(settings, experiment, store=tmp_path, calibrate=True, prepare=lambda: rows)
    assert plan.cost is not None
    assert plan.cost.baseline_s.low > 0


def test_a_plan_warns_of_text_that_a_pre_trained_vocabulary_does_not_know(tmp_path: Path) -> None:
    make_pretrained("t5", tmp_path / "model")
    for split, rows in (("train", [*SENTENCES, *["☃"] * 10]), ("valid", SENTENCES[:4]), ("test", SENTENCES[4:8])):
        for side in ("en", "de"):
            (tmp_path / f"{split}.{side}").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    tokenizer = FromPretrained(name="pretrained", path=str(tmp_path / "model"))
    data = tiny_data(tmp_path).model_copy(update={"tokenizer": tokenizer})
    rows = PreparedRows(prepare(data, tmp_path, columns=SOURCE_AND_TARGET), {}, {}, RowStarts({}))
    brief = Training(epochs=1, epoch_updates=1)
    narrow = {"d_model": 16, "d_ff": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 1}
    experiment = Experiment(version=1, name="e", model=narrow, training=brief, finetuning=brief)
    settings = sweep(
        space={"strategy": {"choice": ["standard"]}},
        budget={"trials": 1},
        resources={"gpus_per_worker": 0},
        baseline={"gpus_per_worker": 0},
    )
    plan = make_plan(settings, experiment, store=tmp_path, calibrate=True, prepare=lambda: rows)
    warned = [line for line in plan.warnings if "vocabulary" in line]
    assert len(warned) == 2, "a line of each column"
    assert all(re.match(r"(source|target): .* does not know \d\.\d\d% of the training tokens", one) for one in warned)


def test_a_trial_whose_update_does_not_fit_is_not_timed_but_warned_of(
    tmp_path: Path, tiny_store: tuple[Path, str]
) -> None:
    prepared = open_prepared(layout.prepared(*tiny_store))
    brief = Training(epochs=1, epoch_updates=1)
    wide = {"d_model": 32, "d_ff": 2**34, "heads": 2}  # 2 TiB in each of its matrices
    experiment = Experiment(version=1, name="e", model=wide, training=brief, finetuning=brief)
    settings = sweep(
        experiment="an experiment.yaml",
        space={"strategy": {"choice": ["standard", "generative"]}},
        budget={"trials": 2},
        resources={"gpus_per_worker": 0},
        baseline={"gpus_per_worker": 0},
    )
    rows = PreparedRows(prepared, {}, {}, RowStarts({}))
    overrides = ("model.d_ff=17179869184",)
    plan = make_plan(settings, experiment, store=tmp_path, calibrate=True, prepare=lambda: rows, overrides=overrides)
    assert [trial.seconds for trial in plan.trials] == [None] * len(plan.trials)
    assert (plan.cost, plan.no_cost) == (None, "an update does not fit into the memory here")
    for strategy in ("standard", "generative"):
        (line,) = [line for line in plan.warnings if line.startswith(f"a fine-tuning with {strategy} holds more rows")]
        assert re.search(r" fit here: out of memory: [\d,]+ bytes were asked for, [\d,]+ were free; intelligen ", line)
        options = f"--strategy {strategy} -o {overrides[0]}"
        assert re.search(rf"; intelligen memory '.*an experiment.yaml' {options} shows how many do$", line)


def test_trials_that_fit_one_by_one_but_not_side_by_side_are_warned_of(
    tmp_path: Path, tiny_store: tuple[Path, str]
) -> None:
    prepared = open_prepared(layout.prepared(*tiny_store))
    experiment = Experiment(version=1, name="e", model={"d_model": 32, "d_ff": 32, "heads": 2})
    settings = sweep(
        space={"strategy": {"const": {"name": "standard"}}, "finetuning.epochs": {"choice": [1, 2]}},
        budget={"trials": 5000},
        resources={"gpus_per_worker": 0, "concurrent_trials": 5000},
    )
    memory = MemoryCheck(settings, experiment="e", shares_host=True)
    trial = finetuning_trial(experiment, prepared=prepared.identity, start="start")
    memory.require_fitting(trial, Bench(prepared, torch.device("cpu"), 1, None), settings.resources)
    (line,) = memory.warnings
    assert "5000 processes at once do not fit" in line
    assert line.endswith("; lower resources.concurrent_trials")
    assert not memory.short


@pytest.mark.parametrize(("workers", "fix"), [(1, None), (2, "; lower resources.workers")])
def test_a_trial_beside_which_nothing_runs_is_not_told_to_run_with_fewer(
    tmp_path: Path, tiny_store: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, workers: int, fix: str | None
) -> None:
    """What is free is given here, and less than this process has."""
    prepared = open_prepared(layout.prepared(*tiny_store))
    experiment = Experiment(version=1, name="e", model={"d_model": 32, "d_ff": 32, "heads": 2})
    resources = {"gpus_per_worker": 0, "concurrent_trials": 1, "workers": workers}
    settings = sweep(space={"finetuning.epochs": {"choice": [1, 2]}}, budget={"trials": 2}, resources=resources)
    monkeypatch.setattr("intelligen.sweep.preflight.memory_check.shared_available_bytes", lambda: 2**20)
    memory = MemoryCheck(settings, experiment="e", shares_host=True)
    trial = finetuning_trial(experiment, prepared=prepared.identity, start="start")
    memory.require_fitting(trial, Bench(prepared, torch.device("cpu"), 1, None), settings.resources)
    assert [line.rpartition(" here")[2] for line in memory.warnings] == ([] if fix is None else [fix])


def test_a_plan_names_own_controls_and_reckons_their_trials_as_long_as_their_strategies(tmp_path: Path) -> None:
    settings = sweep(controls="own")
    experiment = Experiment(version=1, name="e")
    plan = make_plan(settings, experiment, store=tmp_path, calibrate=False, prepare=nothing_to_time)
    assert any(line.startswith("controls    generative_matched: ") for line in plan_lines(plan))
    seconds = {"standard": TimeRange(1.0, 2.0), "generative": TimeRange(4.0, 8.0)}
    timed = tuple(replace(trial, seconds=seconds[trial.strategy]) for trial in plan.trials)
    assert plans._mean_trial(timed, settings) == TimeRange(3.0, 6.0)
    assert plans._mean_trial(timed, sweep()) == TimeRange(2.5, 5.0)
