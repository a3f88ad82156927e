"""The next step of a study: its command loads when it is typed, and repeats no seed that is used up."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from small_study import SmallStudy

from intelligen.analysis.comparisons import HeldAgainst
from intelligen.analysis.conclusion import answer
from intelligen.analysis.next_step import NextStep, Step
from intelligen.analysis.sequential_looks import sequential_plan
from intelligen.analysis.study import SeedModel, StudyResults
from intelligen.config.load import load_sweep
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.sweep import Sweep
from intelligen.evaluation.study_power import Power, Prior
from intelligen.state.mlflow_run_ids import RunIds
from intelligen.state.trial_records import Kind, TrialRecord, TrialState
from intelligen.sweep.fingerprint import sweep_fingerprint
from intelligen.sweep.preflight.planned_power import power_lines
from intelligen.sweep.row_data import DataOfRows
from intelligen.tasks import build_task

OWN = HeldAgainst("standard_matched", (2, 3, 4), None, "", (2, 3, 4))
LOOKS = "confirm={seeds: {at_least: 3, at_most: 6}, until: resolved, difference: 1.0}"
WARM = "search.warm_start={points: [{finetuning.optimizer.learning_rate: 0.001}]}"


def trained(row: str, seed: int, *, kind: Kind = "trial", state: TrialState = TrialState.COMPLETE) -> SeedModel:
    record = TrialRecord(f"{row}-{seed}", kind, row, seed, {}, {}, "x", None, 0, state)
    return SeedModel(record, (), None, {})


def study_of(tmp_path: Path, overrides: Sequence[str], members: Sequence[SeedModel] = ()) -> StudyResults:
    """A study that was launched with these overrides."""
    SmallStudy(tmp_path / "runs").settings()
    file = tmp_path / "files" / "small.yaml"
    sweep, experiment = load_sweep(file, overrides)
    return StudyResults(
        directory=tmp_path / "runs" / "sweeps" / "small",
        sweep=sweep,
        fingerprint=sweep_fingerprint(sweep, experiment, data=DataOfRows("0123456789abcdef")),
        members=tuple(members or (trained("intelligen", 1), trained("intelligen", 4, kind="confirm"))),
        test_sets={},
        data=None,
        tracking_uri=None,
        runs=RunIds(),
        given=(str(file), *overrides),
        environment="",
    )


def typed(step: Step, study: StudyResults, *, store: Path) -> tuple[Sweep, Experiment]:
    """What the command launches; its planned power is computed too."""
    program, verb, file, *words = shlex.split(step.command)
    assert (program, verb, file, set(words[::2])) == ("intelligen", "run", study.given[0], {"-o"})
    sweep, experiment = load_sweep(Path(file), words[1::2])
    assert [*power_lines(sweep, experiment, store=store)]
    return sweep, experiment


def to_find_less(study: StudyResults, *, sd: float = 0.4) -> Step | None:
    metric = build_task(load_sweep(Path(study.given[0]))[1].task).ranking
    power = Power(Prior(sd, 100.0), family=1, seeds=3, sequential=sequential_plan(study.sweep, family=1))
    return NextStep(study).to_find_less(power, metric)


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        (WARM, "search.seed=7"),
        (LOOKS, "confirm.prior={sweep: earlier}"),
        ("confirm.prior={sd: 0.5}",),
        ("confirm.prior={sweep: earlier}",),
        ("confirm={seeds: 3, prior: {sweep: earlier}}",),
    ],
)
def test_searches_that_follow_a_gain_repeat_no_seed(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    study = study_of(tmp_path, overrides)
    sweep, experiment = typed(NextStep(study).after_gain(OWN), study, store=tmp_path / "runs")
    assert (sweep.search.replicates, sweep.search.seed, experiment.seed) == (3, study.sweep.search.seed + 1, 5)
    assert sweep.confirm is not None
    assert sweep.confirm.prior is None, "how much seeds differ says nothing of searches"


@pytest.mark.parametrize(
    ("overrides", "search_seed"),
    [((), 2), ((LOOKS,), 2), (("search.replicates=3",), 4), ((f"search.seed={2**32 - 1}",), 0)],
)
def test_a_study_that_finds_less_repeats_no_seed(tmp_path: Path, overrides: tuple[str, ...], search_seed: int) -> None:
    study = study_of(tmp_path, overrides)
    step = to_find_less(study)
    assert step is not None
    sweep, experiment = typed(step, study, store=tmp_path / "runs")
    assert (sweep.search.seed, experiment.seed) == (search_seed, 5)


def test_a_study_that_finds_very_little_is_followed_by_one_that_finds_half_of_it(tmp_path: Path) -> None:
    study = study_of(tmp_path, ())
    step = to_find_less(study, sd=0.03)
    assert step is not None
    assert step.words.startswith("to find 0.05 BLEU, plan a new study of ")
    _, experiment = typed(step, study, store=tmp_path / "runs")
    assert experiment.seed == 5


@pytest.mark.parametrize("overrides", [(), ("search.replicates=3",)])
def test_no_study_is_named_that_takes_more_than_a_sweep_can_have(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    assert to_find_less(study_of(tmp_path, ("confirm.margin=0.5", *overrides)), sd=2.0) is None


def test_more_searches_after_too_few_repeat_no_seed(tmp_path: Path) -> None:
    members = [trained(row, 1003, kind="confirm") for row in ("intelligen", "standard_matched")]
    study = study_of(tmp_path, ("search.replicates=2",), members)
    sweep, experiment = typed(NextStep(study).after_refusal("intelligen", OWN), study, store=tmp_path / "runs")
    assert (sweep.search.replicates, sweep.search.seed, experiment.seed) == (3, 3, 1004)


@pytest.mark.parametrize(
    ("failed", "again"),
    [
        (trained("intelligen", 1001, state=TrialState.FAILED), True),
        (trained("standard_matched", 1001, state=TrialState.FAILED), True),
        (trained("standard_matched", 1002, kind="confirm", state=TrialState.FAILED), True),
        (trained("standard", 1001, state=TrialState.FAILED), False),
    ],
)
def test_failed_trials_of_a_row_or_its_control_run_again(tmp_path: Path, failed: SeedModel, again: bool) -> None:
    """Also those of a search: where all of a row have failed in one, nothing of it is confirmed."""
    members = [trained(row, 2, kind="confirm") for row in ("intelligen", "standard_matched")]
    study = study_of(tmp_path, ("search.replicates=3",), [*members, failed])
    step = NextStep(study).after_refusal("intelligen", replace(OWN, due=(2, 3, 4, 1002, 1003, 1004)))
    assert step.command.split()[1:3] == ["resume", "small"]
    assert step.command.endswith(" --failed") == again


def test_a_population_is_not_sent_to_seeds_that_its_sweep_cannot_have(tmp_path: Path) -> None:
    space = (
        "space={finetuning.optimizer.learning_rate: {log_uniform: [1.0e-4, 2.0e-3]}, strategy: {choice: [standard]}}"
    )
    population = ("confirm=null", "scheduler={name: pbt}", "search.sampler=random", space)
    found = answer(study_of(tmp_path, population, [trained("standard", 1)]), [], {})
    assert [step.command for step in found.steps] == [""]
    assert found.sentences[-1].startswith("Next: search with another scheduler and `confirm`, as another sweep: ")
