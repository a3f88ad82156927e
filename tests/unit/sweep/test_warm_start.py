"""A search that knows something before its first trial: earlier sweeps, tables, points."""

from pathlib import Path

import pytest
from searches import Search, sweep
from torch import nn

from intelligen.errors import ConfigError
from intelligen.state.history import History, Report
from intelligen.state.ledger import Ledger, TrialState
from intelligen.state.trial_result import Result
from intelligen.training.selected_weights import write_result

LEARNING_RATE = "finetuning.optimizer.learning_rate"
STANDARD = {LEARNING_RATE: 1e-4, "strategy": "standard"}
GENERATIVE = {LEARNING_RATE: 2e-4, "strategy": "generative", "generative/probability.start": 0.2}


def earlier_sweep(directory: Path, trials: list[tuple[dict, TrialState, float]], **settings: object) -> None:
    """A sweep as its files are when trials with these parameters have ended so."""
    with Ledger.open(directory, {"sweep": sweep(**settings).model_dump(mode="json")}) as ledger:
        for number, (params, state, bleu) in enumerate(trials):
            name = f"t{number:04d}"
            folder = directory / "trials" / name
            folder.mkdir(parents=True)
            ledger.start(
                name,
                kind="trial",
                row=params.get("strategy", "standard"),
                seed=1,
                params=params,
                config={},
                directory=f"trials/{name}",
                number=number,
            )
            History(folder).append(Report(1, 1, 1, 0, {"valid/bleu": bleu - 1, "time/epoch_s": 2.0}))
            if state is TrialState.COMPLETE:
                write_result(folder, Result("best", {"valid/bleu": bleu}, "finished"), model=nn.Linear(1, 1))
            if state is not TrialState.RUNNING:
                ledger.finish(name, state, "it ended")


def test_finished_trials_of_an_earlier_sweep_teach_the_sampler_and_cost_no_budget(tmp_path):
    outside, elsewhere = {**STANDARD, LEARNING_RATE: 0.5}, {**STANDARD, "strategy": "seqgan"}
    earlier_sweep(
        tmp_path / "before",
        [
            (STANDARD, TrialState.COMPLETE, 10.0),
            (GENERATIVE, TrialState.PRUNED, 8.0),
            (STANDARD, TrialState.FAILED, 0.0),
            (outside, TrialState.COMPLETE, 30.0),
            (elsewhere, TrialState.COMPLETE, 40.0),
            (STANDARD, TrialState.RUNNING, 9.0),
        ],
    )
    settings = sweep(search={"warm_start": {"sweep": "before"}})
    search = Search(tmp_path / "now", settings)
    known = [(t.user_attrs["warm_start"], t.state.name, t.values, t.intermediate_values) for t in search.study.trials]
    assert known == [("before/t0000", "COMPLETE", [10.0], {1: 9.0}), ("before/t0001", "PRUNED", None, {1: 7.0})]
    assert [dict(t.params) for t in search.study.trials] == [STANDARD, GENERATIVE]
    again = Search(tmp_path / "now", settings)
    assert len(again.study.trials) == 2
    started = again.run_all()
    assert [s.number for s in started] == list(range(2, 8))
    assert [s.params["strategy"] for s in started] == ["standard", "generative"] * 3
    assert again.searcher.is_over()


def test_a_kill_in_the_middle_of_the_warm_start_neither_loses_nor_repeats_a_trial(tmp_path):
    earlier_sweep(tmp_path / "before", [(STANDARD, TrialState.COMPLETE, 10.0), (GENERATIVE, TrialState.COMPLETE, 9.0)])
    settings = sweep(search={"warm_start": {"sweep": "before", "points": [STANDARD]}})
    whole = Search(tmp_path / "whole", settings)
    half = Search(tmp_path / "half", sweep())
    half.study.add_trial(whole.study.trials[0])
    again = Search(tmp_path / "half", settings)
    assert [t.params for t in again.study.trials] == [t.params for t in whole.study.trials]
    assert again.run_one().params == whole.run_one().params


def test_several_objectives_of_an_earlier_sweep_are_measured_anew(tmp_path):
    earlier_sweep(tmp_path / "before", [(STANDARD, TrialState.COMPLETE, 10.0), (STANDARD, TrialState.PRUNED, 9.0)])
    objectives = [
        {"metric": "valid/bleu", "direction": "maximize"},
        {"metric": "time/epoch_s", "direction": "minimize"},
    ]
    search = Search(tmp_path / "now", sweep(search={"warm_start": {"sweep": "before"}}, objectives=objectives))
    assert [trial.values for trial in search.study.trials] == [[10.0, 2.0]]


def test_the_rows_of_a_zip_are_known_by_their_values_whatever_their_numbers(tmp_path):
    then = {"pairs": {"zip": {LEARNING_RATE: [1e-3, 1e-4, 1e-5], "finetuning.epochs": [1, 2, 3]}}}
    now = {"pairs": {"zip": {LEARNING_RATE: [1e-5, 2e-5, 1e-3], "finetuning.epochs": [3, 2, 1]}}}
    trials = [({"pairs": row}, TrialState.COMPLETE, 10.0 + row) for row in range(3)]
    earlier_sweep(tmp_path / "before", trials, space=then, budget={"trials": 3})
    warm = {"warm_start": {"sweep": "before"}}
    search = Search(tmp_path / "now", sweep(space=now, search=warm, budget={"trials": 3}))
    assert [(trial.params["pairs"], trial.value) for trial in search.study.trials] == [(2, 10.0), (0, 12.0)]
    plain = {"pairs": {"choice": [0, 1, 2]}}
    earlier_sweep(tmp_path / "before-that", trials, space=plain, budget={"trials": 3})
    other = sweep(space=now, search={"warm_start": {"sweep": "before-that"}}, budget={"trials": 3})
    with pytest.raises(ConfigError, match="none of the 3 finished trials"):
        Search(tmp_path / "then", other)


@pytest.mark.parametrize(
    ("trials", "named"),
    [
        (None, "no sweep before in"),
        ([({**STANDARD, LEARNING_RATE: 0.5}, TrialState.COMPLETE, 1.0)], "none of the 1 finished trials of before"),
    ],
    ids=["no such sweep", "another space"],
)
def test_an_earlier_sweep_that_teaches_nothing_is_refused(tmp_path, trials, named):
    if trials is not None:
        earlier_sweep(tmp_path / "before", trials)
    with pytest.raises(ConfigError, match=named):
        Search(tmp_path / "now", sweep(search={"warm_start": {"sweep": "before"}}))


def test_points_run_first_in_their_order_and_count(tmp_path):
    points = [{"strategy": "generative", "generative/probability.start": 0.3}, {LEARNING_RATE: 5e-4}]
    settings = sweep(search={"warm_start": {"points": points}})
    started = []
    for _ in range(9):
        launch = Search(tmp_path, settings)
        launch.run_one()
        started += launch.started
    assert started[0].params["generative/probability.start"] == 0.3
    assert started[1].params == {LEARNING_RATE: 5e-4, "strategy": "standard"}  # whose turn it was
    assert sorted(s.params["strategy"] for s in started) == ["generative"] * 3 + ["standard"] * 3


def test_a_point_that_a_kill_left_waiting_runs_once(tmp_path):
    settings = sweep(search={"warm_start": {"points": [{LEARNING_RATE: 5e-4}]}})
    first = Search(tmp_path, settings)
    first.study.enqueue_trial({"strategy": "standard", LEARNING_RATE: 5e-4}, user_attrs={"point": 0})
    started = Search(tmp_path, settings).run_all()
    assert [s.params[LEARNING_RATE] for s in started].count(5e-4) == 1
    assert len(started) == 6


def test_points_beyond_a_strategy_s_share_do_not_run(tmp_path):
    points = [{"strategy": "standard", LEARNING_RATE: rate} for rate in (1e-5, 1e-4, 1e-3)]
    settings = sweep(search={"warm_start": {"points": points}}, budget={"trials_per_strategy": 2})
    started = Search(tmp_path, settings).run_all()
    rates = [s.params[LEARNING_RATE] for s in started if s.params["strategy"] == "standard"]
    assert rates == [1e-5, 1e-4]
    assert len(started) == 4


def test_rows_of_a_table_with_objectives_teach_and_rows_without_run(tmp_path):
    table = tmp_path / "known.csv"
    table.write_text(
        f"{LEARNING_RATE},strategy,generative/probability.start,valid/bleu\n"
        "1e-4,standard,,11.5\n"
        "2e-4,generative,0.2,\n"
        "\n"
        "3e-4,generative,0.25,12\n"
    )
    settings = sweep(search={"warm_start": {"csv": str(table)}})
    search = Search(tmp_path / "now", settings)
    assert [(dict(t.params), t.value) for t in search.study.trials] == [
        ({LEARNING_RATE: 1e-4, "strategy": "standard"}, 11.5),
        ({LEARNING_RATE: 3e-4, "strategy": "generative", "generative/probability.start": 0.25}, 12.0),
    ]
    assert search.run_one().params == GENERATIVE
    assert [t.user_attrs.get("warm_start") for t in search.study.trials] == [f"{table}:2", f"{table}:5", None]


def test_a_row_with_objectives_must_be_a_whole_point(tmp_path):
    table = tmp_path / "known.csv"
    table.write_text("strategy,valid/bleu\nstandard,11.5\n")
    with pytest.raises(ConfigError, match=rf"known\.csv:2: .*{LEARNING_RATE} is missing"):
        Search(tmp_path / "now", sweep(search={"warm_start": {"csv": str(table)}}))
