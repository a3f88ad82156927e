"""Each of several searches suggests, spends, ends and is confirmed as the only search of a sweep would be."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from launches import ENDS, Launches
from searches import sweep

from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.replicates import replicates
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ChangedError
from intelligen.state.history import History, Report
from intelligen.state.ledger import Ledger, SweepStatus, TrialState
from intelligen.sweep.confirmation import repetitions_left
from intelligen.sweep.fingerprint import require_unchanged, sweep_fingerprint
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.search.optuna_study import STUDY_FILE
from intelligen.sweep.stages import is_finished, require_no_late_search
from intelligen.sweep.sweep_context import SweepContext
from intelligen.sweep.trial_lifecycle import account_of, ended_trials, reopen_failed

CONFIRM = {"seeds": 2}
MEASURED = {"gpu/count": 0.0, "cpu/memory_avg_mib": 1.0, "cpu/memory_peak_mib": 1.0, "cost/device_s": 3600.0}
TIMES = {"time/epoch_s": 1.0, "time/validation_s": 1.0}


def several(count: int = 3, **search: object) -> dict[str, object]:
    return {"search": {"replicates": count, **search}, "confirm": CONFIRM}


def test_searches_have_seeds_of_their_own_and_the_first_those_of_the_file() -> None:
    found = replicates(3, seed=7, search_seed=5)
    assert [(one.number, one.seed, one.search_seed) for one in found] == [(1, 7, 5), (2, 1007, 6), (3, 2007, 7)]
    assert [[one.number for one in found if seed in one] for seed in (7, 107, 1007, 1107, 2008)] == [
        *([1], [1], [2], [2], [3])
    ]


def test_all_of_them_are_counted() -> None:
    settings = sweep(**several(3), budget={"trials_per_strategy": 8})
    assert (settings.total_trials(), settings.trials_of("standard")) == (48, 8)
    assert (settings.total_repetitions(), settings.least_repetitions()) == (12, 12)
    assert settings.confirmation_seeds(7) == (8, 9, 1008, 1009, 2008, 2009)
    alone = settings.of_one_search()
    assert (alone.total_trials(), alone.total_repetitions(), alone.search.seed) == (16, 4, settings.search.seed)


def test_one_of_them_suggests_what_a_sweep_with_that_search_alone_does_although_it_is_killed(tmp_path: Path) -> None:
    settings = sweep(**several(seed=5, startup_trials=2))
    alone = Launches(tmp_path / "alone", sweep(search={"seed": 6, "startup_trials": 2}, confirm=CONFIRM))
    first, second = (Launches(tmp_path / "several", settings, search=number) for number in (0, 1))
    first.launch(*ENDS)
    started = [*second.launch(*ENDS[:3], left_running=1), *second.launch(*ENDS[3:])]
    wanted = alone.launch(*ENDS)
    assert [one.params for one in started[:3] + started[4:]] == [one.params for one in wanted]
    assert started[3].params == started[4].params
    assert second.study() == alone.study()
    assert first.study() != second.study()
    with second.run() as run:
        assert {name: one.seed for name, one in run.trials.items()} == {
            **{f"r1-t000{number}": 1 for number in range(6)},
            **{f"r2-t000{number}": 1001 for number in range(6)},
        }
        assert list(run.searches[1].trials) == [f"r2-t000{number}" for number in range(6)]
        assert [one.trial_id for one in ended_trials(run.searches[0])] == [f"r1-t000{number}" for number in range(6)]
        starts = {one.config["start"] for one in run.trials.values()}
        assert starts == {run.rows.baseline(seed, None).identity for seed in (1, 1001)}


def test_a_lost_study_of_one_of_them_is_made_anew_from_its_own_trials(tmp_path: Path) -> None:
    searches = [Launches(tmp_path, sweep(**several(2)), search=number) for number in (0, 1)]
    for one in searches:
        one.launch(*ENDS[:3])
    before = [one.study() for one in searches]
    (searches[1].directory / STUDY_FILE.replace(".", "-r2.")).unlink()
    searches[1].launch()
    assert [one.study() for one in searches] == before


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path, {"sweep_id": "0"}) as ledger:
        yield ledger


def launch(ledger: Ledger, directory: Path, settings: Sweep) -> SweepContext:
    experiment = Experiment(version=1, name="e", seed=7)
    return SweepContext(settings, experiment, DataOfRows("x"), directory, directory, ledger)


def add(run: SweepContext, name: str, row: str, bleu: float, **fields: object) -> None:
    (run.directory / name).mkdir()
    History(run.directory / name).append(Report(1, 1, 1, 0, MEASURED | TIMES | {"valid/bleu": bleu}))
    state = fields.pop("state", TrialState.COMPLETE)
    kind = "confirm" if "confirms" in fields else "trial"
    settings = {"kind": kind, "row": row, "params": {}, "config": {}, "directory": name}
    run.ledger.start(name, **(settings | fields))
    assert isinstance(state, TrialState)
    run.ledger.finish(name, state, "it ended")


@pytest.fixture
def searched(tmp_path: Path, ledger: Ledger) -> SweepContext:
    """A sweep of two searches, whose second one has two of four trials."""
    run = launch(ledger, tmp_path, sweep(**several(2), budget={"trials_per_strategy": 2}))
    for number, (row, bleu) in enumerate([("standard", 20.0), ("generative", 21.0), ("standard", 25.0)]):
        add(run, f"r1-t000{number}", row, bleu, seed=7)
    add(run, "r1-t0003", "generative", 99.0, seed=7, state=TrialState.FAILED)
    add(run, "r2-t0000", "standard", 40.0, seed=1007)
    add(run, "r2-t0001", "generative", 41.0, seed=1007)
    return run


def test_the_best_of_each_search_is_repeated_with_that_searchs_seeds(searched: SweepContext) -> None:
    found = [(one.id, one.of.id) for one in repetitions_left(searched)]
    assert found == [
        ("standard-s8", "r1-t0002"),
        ("generative-s8", "r1-t0001"),
        ("standard-s9", "r1-t0002"),
        ("generative-s9", "r1-t0001"),
        ("standard-s1008", "r2-t0000"),
        ("generative-s1008", "r2-t0001"),
        ("standard-s1009", "r2-t0000"),
        ("generative-s1009", "r2-t0001"),
    ]
    assert searched.rows.seeds == (7, 1007, 8, 9, 1008, 1009)


def test_more_seeds_may_be_added_to_each(searched: SweepContext, ledger: Ledger, tmp_path: Path) -> None:
    settings = {**several(2), "confirm": {"seeds": 3}, "budget": {"trials_per_strategy": 2}}
    more = launch(ledger, tmp_path, sweep(**settings))
    known = {one.id for one in repetitions_left(searched)}
    assert {one.id for one in repetitions_left(more)} - known == {
        f"{row}-s{seed}" for row in ("standard", "generative") for seed in (10, 1010)
    }


def test_each_has_the_whole_budget(searched: SweepContext, ledger: Ledger, tmp_path: Path) -> None:
    spends = launch(ledger, tmp_path, sweep(**several(2), budget={"device_hours_per_strategy": 2}))
    first, second = (account_of(one, searching=False) for one in spends.searches)
    assert [first.spent(row) is None for row in ("standard", "generative")] == [False, False]
    assert [second.spent(row) is None for row in ("standard", "generative")] == [True, True]


def test_hours_of_searching_count_for_the_search_that_took_them(searched: SweepContext, ledger: Ledger) -> None:
    for one in searched.searches:
        assert one.replicate is not None
        ledger.begin_search(one.replicate.number)
        ledger.end_search("the budget is spent")
    assert [span.replicate for span in ledger.searches] == [1, 2]
    assert [account_of(one, searching=False).wall_s() >= 0 for one in searched.searches] == [True, True]


def test_a_fixed_ratio_ends_its_own_search_alone(searched: SweepContext, ledger: Ledger, tmp_path: Path) -> None:
    ledger.fix_updates_ratio("generative_matched", 2.5, trial_id="r1-t0001")
    assert [one.updates_ratios for one in searched.searches] == [{"generative_matched": 2.5}, {}]
    require_no_late_search(searched)
    ledger.fix_updates_ratio("generative_matched", 3.5, trial_id="r2-t0001")
    assert searched.searches[1].updates_ratios == {"generative_matched": 3.5}
    with pytest.raises(ChangedError, match="the ratios of its controls are fixed"):
        require_no_late_search(searched)


def test_a_sweep_is_finished_once_all_searches_are_and_are_confirmed(searched: SweepContext, ledger: Ledger) -> None:
    for seed in (8, 9, 1008, 1009):
        best = {"standard": "r1-t0002", "generative": "r1-t0001"}
        for row, trial in best.items() if seed < 1000 else (("standard", "r2-t0000"), ("generative", "r2-t0001")):
            add(searched, f"{row}-s{seed}", row, 1.0, seed=seed, confirms=trial)
    ledger.close_sweep(SweepStatus.COMPLETE, {})
    assert not is_finished(searched)
    add(searched, "r2-t0002", "standard", 1.0, seed=1007)
    add(searched, "r2-t0003", "generative", 1.0, seed=1007)
    ledger.close_sweep(SweepStatus.COMPLETE, {})
    assert is_finished(searched)


def test_a_failed_trial_runs_again_unless_its_own_search_is_being_confirmed(searched: SweepContext) -> None:
    add(searched, "r2-t0002", "generative", 1.0, seed=1007, state=TrialState.FAILED)
    add(searched, "generative-s8", "generative", 1.0, seed=8, confirms="r1-t0001")
    assert reopen_failed(searched) == (["r2-t0002"], {})


@pytest.mark.parametrize(("then", "now"), [(3, 5), (3, 2), (1, 3)])
def test_the_number_of_searches_is_never_changed(tmp_path: Path, then: int, now: int) -> None:
    stored, given = (
        sweep_fingerprint(sweep(**several(count)), Experiment(version=1, name="e", seed=1), data=DataOfRows("x"))
        for count in (then, now)
    )
    require_unchanged(stored, stored, tmp_path)
    with pytest.raises(ChangedError, match="the number of searches is planned before the first run") as refused:
        require_unchanged(stored, given, tmp_path)
    assert str(refused.value).endswith(f"-o experiment.seed={1000 * (then - 1) + 4}")


def test_a_sweep_with_one_search_is_that_search(tmp_path: Path, ledger: Ledger) -> None:
    run = launch(ledger, tmp_path, sweep(confirm=CONFIRM))
    assert run.searches == (run,)
    assert "replicates" not in sweep_fingerprint(run.sweep, run.experiment, data=run.data)["sweep"]["search"]
