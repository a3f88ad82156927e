"""The best trial of each strategy is repeated with seeds of its own, once; after that the search is over."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from searches import sweep
from small_study import QUALITY, SmallStudy

from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ChangedError
from intelligen.state.history import History, Report
from intelligen.state.ledger import Ledger, SweepStatus, TrialState, read_ledger
from intelligen.sweep.confirmation import repetitions_left
from intelligen.sweep.fingerprint import require_unchanged, sweep_fingerprint
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.stages import is_finished, require_no_late_search
from intelligen.sweep.sweep_context import SweepContext

MEASURED = {"gpu/count": 0.0, "cpu/memory_avg_mib": 1.0, "cpu/memory_peak_mib": 1.0}
TIMES = {"time/epoch_s": 1.0, "time/validation_s": 1.0}
CONFIRM = {"seeds": 2}
BUDGET = {"trials_per_strategy": 2}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path, {"sweep_id": "0"}) as ledger:
        yield ledger


def launch(ledger: Ledger, directory: Path, settings: Sweep) -> SweepContext:
    return SweepContext(
        settings, Experiment(version=1, name="e", seed=7), DataOfRows("x"), directory, directory, ledger
    )


def add(
    run: SweepContext,
    name: str,
    strategy: str,
    bleu: float,
    *,
    state: TrialState = TrialState.COMPLETE,
    **fields: object,
) -> None:
    kind = "confirm" if "confirms" in fields else "trial"
    (run.directory / name).mkdir()
    metrics = MEASURED | TIMES | {"valid/bleu": bleu}
    History(run.directory / name).append(Report(1, 1, 1, 0, metrics))
    settings = {"kind": kind, "row": strategy, "seed": 7, "params": {}, "config": {}, "directory": name}
    run.ledger.start(name, **(settings | fields))
    if state is not TrialState.RUNNING:
        run.ledger.finish(name, state, "it ended")


@pytest.fixture
def searched(tmp_path: Path, ledger: Ledger) -> SweepContext:
    """A sweep that has searched."""
    run = launch(ledger, tmp_path, sweep(confirm=CONFIRM, budget=BUDGET))
    add(run, "t0000", "standard", 20.0)
    add(run, "t0001", "generative", 21.0)
    add(run, "t0002", "standard", 25.0, state=TrialState.PRUNED)
    add(run, "t0003", "generative", 99.0, state=TrialState.FAILED)
    return run


def test_the_best_trial_by_validation_is_repeated_seed_by_seed(searched: SweepContext) -> None:
    found = [(one.id, one.of.id, one.seed) for one in repetitions_left(searched)]
    assert found == [
        ("standard-s8", "t0002", 8),
        ("generative-s8", "t0001", 8),
        ("standard-s9", "t0002", 9),
        ("generative-s9", "t0001", 9),
    ]


def test_what_has_ended_is_not_repeated_again_however_it_ended(searched: SweepContext) -> None:
    add(searched, "standard-s8", "standard", 90.0, seed=8, confirms="t0002")
    add(searched, "generative-s8", "generative", 1.0, seed=8, confirms="t0001", state=TrialState.FAILED)
    add(searched, "standard-s9", "standard", 1.0, seed=9, confirms="t0002", state=TrialState.RUNNING)
    # What a repetition came to chooses nothing.
    assert [(one.id, one.of.id) for one in repetitions_left(searched)] == [
        ("standard-s9", "t0002"),
        ("generative-s9", "t0001"),
    ]


def test_without_confirm_nothing_is_repeated(searched: SweepContext, ledger: Ledger, tmp_path: Path) -> None:
    assert repetitions_left(launch(ledger, tmp_path, sweep(budget=BUDGET))) == []


def test_a_sweep_is_finished_once_everything_is_confirmed_and_no_longer_with_more_seeds(
    searched: SweepContext, ledger: Ledger, tmp_path: Path
) -> None:
    ledger.close_sweep(SweepStatus.COMPLETE, {})
    assert not is_finished(searched)
    for seed in (8, 9):
        add(searched, f"standard-s{seed}", "standard", 1.0, seed=seed, confirms="t0002")
        add(searched, f"generative-s{seed}", "generative", 1.0, seed=seed, confirms="t0001")
    ledger.close_sweep(SweepStatus.PAUSED, {})
    assert not is_finished(searched)  # its last launch was not to do all
    ledger.close_sweep(SweepStatus.COMPLETE, {})
    assert is_finished(searched)
    assert not is_finished(launch(ledger, tmp_path, sweep(confirm={"seeds": 3}, budget=BUDGET)))


def test_a_larger_budget_comes_too_late_once_a_confirmation_has_begun(
    searched: SweepContext, ledger: Ledger, tmp_path: Path
) -> None:
    larger = launch(ledger, tmp_path, sweep(confirm=CONFIRM, budget={"trials_per_strategy": 3}))
    require_no_late_search(larger)
    add(searched, "standard-s8", "standard", 1.0, seed=8, confirms="t0002", state=TrialState.RUNNING)
    require_no_late_search(searched)
    with pytest.raises(ChangedError, match="its search has ended"):
        require_no_late_search(larger)


def test_a_confirmation_takes_no_time_of_the_search(searched: SweepContext, ledger: Ledger) -> None:
    ledger.begin_search()
    ledger.end_search("the budget is spent")
    (before,) = ledger.searches
    add(searched, "standard-s8", "standard", 1.0, seed=8, confirms="t0002")
    assert ledger.searches == [before]


def looks(at_most: int = 10, difference: float = 0.5) -> dict[str, object]:
    seeds = {"at_least": 3, "at_most": at_most}
    return {"confirm": {"seeds": seeds, "until": "resolved", "difference": difference}}


NEW_STUDY = "restore them, or start another sweep: intelligen run FILE -o name=NEW -o experiment.seed=12"


@pytest.mark.parametrize(
    ("now", "change"),
    [
        (looks(at_most=20), "sweep.confirm.seeds.at_most: 10 → 20"),
        (looks(at_most=9), "sweep.confirm.seeds.at_most: 10 → 9"),
        (looks(difference=0.3), "sweep.confirm.difference: 0.5 → 0.3"),
        ({"confirm": {"seeds": 12}}, "sweep.confirm.difference: 0.5 → None; sweep.confirm.seeds.at_least: 3 → None"),
    ],
)
def test_a_plan_of_looks_is_never_changed(tmp_path: Path, now: dict[str, object], change: str) -> None:
    stored, given = (
        sweep_fingerprint(sweep(**changes), Experiment(version=1, name="e", seed=1), data=DataOfRows("x"))
        for changes in (looks(), now)
    )
    require_unchanged(stored, stored, tmp_path)
    with pytest.raises(ChangedError) as refused:
        require_unchanged(stored, given, tmp_path)
    message = str(refused.value)
    assert change in message
    assert "looks are planned before the first run, and another plan takes other seeds" in message
    assert message.endswith(NEW_STUDY)


def test_what_a_look_asks_for_is_trained_with_its_seed_alone(tmp_path: Path) -> None:
    """Beside `standard`, whose own comparison is not decided; its other control has done its part."""
    quality = {**QUALITY, "standard": 0.85, "standard_matched": 0.2, "intelligen": 0.85}
    asked = "{seeds: {at_least: 3, at_most: 6}, until: resolved, difference: 2.0}"
    study = SmallStudy(tmp_path / "runs", looks=asked, quality=quality)
    directory = study.write()
    settings, experiment = study.settings()
    with Ledger.open(directory, read_ledger(directory)[0]) as ledger:
        run = SweepContext(settings, experiment, DataOfRows("x"), study.store, directory, ledger)
        assert run.rows.seeds == (1, 2, 3, 4)
        found = [(one.id, one.seed) for one in repetitions_left(run)]
        assert found == [("standard-s5", 5), ("intelligen-s5", 5)]
        assert not is_finished(run)


@pytest.mark.parametrize(
    ("then", "now", "message"),
    [
        ({"confirm": {"seeds": 2}}, {"confirm": {"seeds": 5}}, None),
        ({}, {"confirm": {"seeds": 3}}, None),
        ({"confirm": {"seeds": 3}}, {"confirm": {"seeds": 2}}, "sweep.confirm.seeds: 3 → 2"),
        ({"confirm": {"seeds": 3}}, {}, "sweep.confirm.seeds: 3 → None"),
        ({}, looks(), "sweep.confirm.seeds.at_least: None → 3"),
        ({}, {"test": {"searches": ("greedy",)}}, r"sweep.test.searches: None → \['greedy'\]"),
    ],
)
def test_seeds_may_be_added_and_nothing_else_changes(
    tmp_path: Path, then: dict[str, object], now: dict[str, object], message: str | None
) -> None:
    stored, given = (
        sweep_fingerprint(sweep(**changes), Experiment(version=1, name="e"), data=DataOfRows("x"))
        for changes in (then, now)
    )
    if message is None:
        require_unchanged(stored, given, tmp_path)
        return
    with pytest.raises(ChangedError, match=message):
        require_unchanged(stored, given, tmp_path)
