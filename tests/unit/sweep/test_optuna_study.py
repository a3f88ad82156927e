"""The study on disk: what it is called, where it lies, and that its address keeps its secret."""

import os
import sqlite3
import warnings

import optuna
import pytest
from searches import Search, sweep

from intelligen.analysis.trial_outcome import Outcome
from intelligen.config.schema.experiment import Experiment
from intelligen.errors import ChangedError, UnavailableError
from intelligen.state.trial_records import TrialState
from intelligen.sweep.fingerprint import require_unchanged, sweep_fingerprint
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.search.dashboard_notes import run_note, write_notes
from intelligen.sweep.search.define_by_run import random_points, suggest
from intelligen.sweep.search.optuna_study import open_study, tell
from intelligen.sweep.search.samplers import sampler

SECRET = "hunter2-hunter2"  # noqa: S105 # the canary


def test_a_search_in_a_database_survives_its_launcher(tmp_path):
    url = f"sqlite:///{tmp_path}/studies.db"
    settings = sweep(search={"storage": url, "startup_trials": 2})
    whole = Search(tmp_path / "journal", sweep(search={"startup_trials": 2}))
    parts = []
    for value in (1.0, 2.0, 3.0, 2.5, 4.0, 1.5):
        whole.run_one(value)
        launch = Search(tmp_path / "database", settings)
        launch.run_one(value, state=TrialState.COMPLETE)
        parts += launch.started
    assert parts == whole.started
    study = optuna.load_study(study_name="s-0", storage=url)
    assert [trial.value for trial in study.trials] == [1.0, 2.0, 3.0, 2.5, 4.0, 1.5]
    assert not (tmp_path / "database" / "study.journal").exists()


def test_an_append_to_the_journal_that_was_cut_short_did_not_happen(tmp_path):
    study = open_study(tmp_path, sweep(), sweep_id="0")
    study.ask()
    whole = (tmp_path / "study.journal").stat().st_size
    study.ask()
    os.truncate(tmp_path / "study.journal", whole + 20)
    again = open_study(tmp_path, sweep(), sweep_id="0")
    assert len(again.trials) == 1
    assert [again.ask().number, again.ask().number] == [1, 2]
    assert len(open_study(tmp_path, sweep(), sweep_id="0").trials) == 3


def test_every_ended_trial_has_its_worth_in_the_study_also_one_that_optuna_takes_no_value_of(tmp_path):
    study = open_study(tmp_path, sweep(), sweep_id="0")
    ends = [
        Outcome(TrialState.COMPLETE, "finished", (2.0,), {1: 2.0}, {"valid/bleu": 2.0}),
        Outcome(TrialState.PRUNED, "stopped by the scheduler", curve={1: 3.0, 2: 1.0}, selected={"valid/bleu": 3.0}),
        Outcome(TrialState.FAILED, "cannot reach https://me:CANARY@host", curve={1: 9.0}),
    ]
    for outcome in ends:
        tell(study, study.ask().number, outcome)
    reopened = open_study(tmp_path, sweep(), sweep_id="0").trials
    assert [trial.user_attrs for trial in reopened] == [
        {"selected/valid/bleu": 2.0, "stop_reason": "finished"},
        {"selected/valid/bleu": 3.0, "stop_reason": "stopped by the scheduler"},
        {"stop_reason": "cannot reach https://[redacted]@host"},
    ]


@pytest.mark.parametrize("storage", ["journal", "database"])
def test_a_study_names_its_objectives_also_one_that_was_begun_without_names(tmp_path, storage):
    url = f"sqlite:///{tmp_path}/studies.db" if storage == "database" else None
    two = [{"metric": "valid/bleu", "direction": "maximize"}, {"metric": "cost/device_s", "direction": "minimize"}]
    settings = sweep(search={"storage": url}, objectives=two)
    study = open_study(tmp_path, settings, sweep_id="0")
    study._storage.set_study_system_attr(study._study_id, "study:metric_names", None)
    study.ask()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = open_study(tmp_path, settings, sweep_id="0")
    assert (again.metric_names, len(again.trials)) == (["valid/bleu", "cost/device_s"], 1)


def test_each_trial_gets_a_note_that_optuna_dashboard_shows_and_a_person_s_own_stays(tmp_path):
    study = open_study(tmp_path, sweep(), sweep_id="0")
    trials = [study.ask() for _ in range(3)]
    by_hand = f"dashboard:{trials[1]._trial_id}:note_"
    study._storage.set_study_system_attr(study._study_id, f"{by_hand}str:0", "mine")
    study._storage.set_study_system_attr(study._study_id, f"{by_hand}ver", 4)
    note = run_note("http://h/#/experiments/1/runs/abc?workflowType=machine_learning", "mlflow ui --x y")
    assert note == (
        "[The trial's run in MLflow](http://h/#/experiments/1/runs/abc?workflowType=machine_learning),"
        " once `mlflow ui --x y` runs"
    )
    for _ in range(2):
        write_notes(open_study(tmp_path, sweep(), sweep_id="0"), {"t0000": note, "t0001": note})
    reopened = open_study(tmp_path, sweep(), sweep_id="0")
    attributes = reopened._storage.get_study_system_attrs(reopened._study_id)
    assert {name: value for name, value in attributes.items() if name.startswith("dashboard:")} == {
        f"dashboard:{trials[0]._trial_id}:note_ver": 1,
        f"dashboard:{trials[0]._trial_id}:note_str:0": note,
        f"{by_hand}ver": 4,
        f"{by_hand}str:0": "mine",
    }


def test_optuna_dashboard_reads_the_note(tmp_path):
    dashboard = pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    study = open_study(tmp_path, sweep(), sweep_id="0")
    trials = [study.ask() for _ in range(2)]
    write_notes(study, {"t0000": "a note"})
    assert [dashboard.get_note(trial) for trial in trials] == ["a note", ""]


def test_two_sweeps_of_one_name_share_a_database_but_no_study(tmp_path):
    settings = sweep(search={"storage": f"sqlite:///{tmp_path}/studies.db"})
    first, second = (open_study(tmp_path, settings, sweep_id=sweep_id) for sweep_id in ("a", "b"))
    first.ask()
    assert second.trials == []
    with sqlite3.connect(tmp_path / "studies.db") as database:
        assert database.execute("select study_name from studies order by 1").fetchall() == [("s-a",), ("s-b",)]


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nowhere/at/all/studies.db",
        f"postgresql://user:{SECRET}@127.0.0.1:9/studies",
        f"sqlite://user:{SECRET}@[/studies.db",
    ],
    ids=["no folder", "no driver or no server", "no address"],
)
def test_a_database_that_does_not_answer_is_named_without_its_password(tmp_path, url):
    with pytest.raises(UnavailableError) as reopened:
        open_study(tmp_path, sweep(search={"storage": url}), sweep_id="0")
    assert reopened.value.exit_code == 69
    assert "search.storage: " in str(reopened.value)
    assert SECRET not in str(reopened.value)
    assert len(str(reopened.value).splitlines()) == 1


def test_the_fingerprint_keeps_no_password_and_another_one_is_no_change(tmp_path):
    experiment = Experiment(version=1, name="e")
    fingerprints = [
        sweep_fingerprint(sweep(search={"storage": f"postgresql://u:{secret}@h/db"}), experiment, data=DataOfRows("x"))
        for secret in (SECRET, "another-password")
    ]
    assert SECRET not in str(fingerprints)
    assert fingerprints[0]["sweep"]["search"]["storage"] == "postgresql://[redacted]@h/db"
    require_unchanged(fingerprints[0], fingerprints[1], tmp_path)


def test_a_sweep_begun_before_these_settings_existed_goes_on(tmp_path):
    """A ledger's fingerprint knows only the keys of its day; those that came later stand at their defaults."""
    experiment = Experiment(version=1, name="e")
    now = sweep_fingerprint(sweep(), experiment, data=DataOfRows("x"))
    then = {key: dict(value) if isinstance(value, dict) else value for key, value in now.items()}
    del then["sweep"]["objectives"]
    then["sweep"]["search"] = {key: now["sweep"]["search"][key] for key in ("sampler", "seed", "startup_trials")}
    then["sweep"]["budget"] = {key: now["sweep"]["budget"][key] for key in ("trials", "trials_per_strategy")}
    require_unchanged(then, now, tmp_path)


def test_a_table_may_move_but_not_come_in_the_middle_of_a_sweep(tmp_path):
    experiment = Experiment(version=1, name="e")
    without, here, there = (
        sweep_fingerprint(sweep(search={"warm_start": warm_start}), experiment, data=DataOfRows("x"))
        for warm_start in (None, {"csv": "/here/points.csv"}, {"csv": "/there/points.csv"})
    )
    require_unchanged(here, there, tmp_path)
    for stored, now in ((without, here), (here, without)):
        with pytest.raises(ChangedError, match=r"warm_start\.csv"):
            require_unchanged(stored, now, tmp_path)


@pytest.mark.parametrize("sampled", ["random", "tpe", "gp", "nsga2"])
def test_the_largest_seed_and_the_widest_range_are_drawn_from(sampled, tmp_path):
    most = 1_000_000 if sampled == "gp" else 2**31 - 1
    settings = sweep(
        space={"finetuning.epochs": {"int": [1, most]}, "finetuning.label_smoothing": {"uniform": [0.0, 0.1]}},
        search={"sampler": sampled, "seed": 2**32 - 1, "startup_trials": 2},
        budget={"trials": 3},
    )
    assert len(random_points(settings.space, 3, seed=settings.search.seed)) == 3
    study = open_study(tmp_path, settings, sweep_id="0")
    for number in range(3):
        study.sampler = sampler(settings.search, number)
        trial = study.ask()
        assert 1 <= suggest(trial, settings.space)["finetuning.epochs"] <= most
        study.tell(trial, 0.1 * number)
