"""A study that is lost or damaged is made anew from ledger and trials, and leads where the undisturbed one leads."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from launches import ENDS, POINTS, TWO_OBJECTIVES, Launches
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial
from searches import sweep

from intelligen.errors import StorageError
from intelligen.state.checksummed_json import seal, unseal
from intelligen.state.layout import LEDGER_FILE
from intelligen.state.stop_reason import FINISHED
from intelligen.state.trial_result import RESULT
from intelligen.sweep.search.optuna_study import STUDY_FILE, open_study
from intelligen.sweep.search.study_rebuild import ledgers_study
from intelligen.sweep.trial_lifecycle import tell_known_ends, trial_name


def flip(path: Path, index: int) -> None:
    content = bytearray(path.read_bytes())
    content[index % len(content)] ^= 1 << index % 8
    path.write_bytes(content)


def lose_the_journal(directory: Path) -> None:
    (directory / STUDY_FILE).unlink()


def lose_half_of_the_journal(directory: Path) -> None:
    lines = (directory / STUDY_FILE).read_bytes().splitlines(keepends=True)
    (directory / STUDY_FILE).write_bytes(b"".join(lines[: len(lines) // 2]))


def change_a_parameter(directory: Path) -> None:
    path = directory / STUDY_FILE
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    rates = [line for line in lines if line.get("param_name") == "finetuning.optimizer.learning_rate"]
    rates[1]["param_value_internal"] *= 1.5
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("harm", [lose_the_journal, lose_half_of_the_journal, change_a_parameter])
@pytest.mark.parametrize(
    "search",
    [
        {"sampler": "tpe"},
        {"sampler": "random"},
        {"sampler": "gp"},
        {"sampler": "nsga2"},
        {"sampler": "nsga2", "objectives": TWO_OBJECTIVES},
        {"sampler": "tpe", "objectives": TWO_OBJECTIVES},
        {"sampler": "tpe", "warm_start": POINTS},
    ],
    ids=lambda search: "-".join(map(str, [search["sampler"], *list(search)[1:]])),
)
def test_a_rebuilt_study_is_the_one_that_was_and_suggests_what_it_would_have(
    tmp_path: Path, search: dict, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    objectives = search.pop("objectives", None)
    settings = sweep(search={"seed": 3, "startup_trials": 2, **search}, budget={"trials": 9}, objectives=objectives)
    whole, lost = Launches(tmp_path / "whole", settings), Launches(tmp_path / "lost", settings)
    for one in (whole, lost):
        one.launch(*ENDS[:4], left_running=1)
    assert not caplog.records
    before = lost.study()
    harm(lost.directory)
    with lost.run() as run:
        ledgers_study(run)
    (message,) = caplog.messages
    assert f"{STUDY_FILE}: the study " in message
    assert "rebuilt from the ledger, with 5 trials" in message
    assert lost.study() == before
    assert lost.launch(*ENDS[4:], left_running=1) == whole.launch(*ENDS[4:], left_running=1)
    assert lost.study() == whole.study()
    assert len(caplog.messages) == 1


def say_it_in_former_words(path: Path) -> None:
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    fields = [unseal(line) for line in lines]
    old = [json.dumps(one).replace(f'"stop_reason": "{FINISHED}"', '"stop_reason": "ran its course"') for one in fields]
    path.write_text("".join(f"{seal(text)}\n" for text in old))


def test_a_sweep_that_says_why_trials_ended_in_former_words_keeps_its_study(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = Launches(tmp_path, sweep(search={"seed": 3, "sampler": "random"}, budget={"trials": 9}))
    one.launch(*ENDS[:4], left_running=1)
    journal = one.directory / STUDY_FILE
    for path in (one.directory / LEDGER_FILE, *one.directory.rglob(RESULT)):
        say_it_in_former_words(path)
    journal.write_text(journal.read_text().replace(f'"{FINISHED}"', '"ran its course"'))
    with one.run() as run:
        ledgers_study(run)
        assert {record.stop_reason for record in run.ledger.trials.values()} >= {FINISHED}
    assert "ran its course" in journal.read_text()
    assert not caplog.records
    assert one.launch(*ENDS[4:], left_running=1)


def test_what_a_warm_start_gave_is_rebuilt_although_its_source_has_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = tmp_path / "known.csv"
    table.write_text(
        "finetuning.optimizer.learning_rate,strategy,generative/probability.start,valid/bleu\n"
        "0.0002,standard,,7\n0.0003,generative,0.2,8\n0.0004,standard,,\n"
    )
    settings = sweep(search={"startup_trials": 2, "warm_start": {"csv": str(table)}}, budget={"trials": 6})
    whole, lost = Launches(tmp_path / "whole", settings), Launches(tmp_path / "lost", settings)
    for one in (whole, lost):
        one.launch(*ENDS[:2])
    before = lost.study()
    assert len(before) == 2 + 2
    table.unlink()
    lose_the_journal(lost.directory)
    assert lost.launch(*ENDS[3:]) == whole.launch(*ENDS[3:])
    assert "rebuilt" in caplog.text
    assert lost.study()[:4] == before


def test_a_study_of_a_database_that_lost_it_is_rebuilt_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    one = Launches(tmp_path, sweep(search={"storage": url}))
    one.launch(*ENDS[:3])
    before = one.study()
    optuna.delete_study(study_name="s-0", storage=url)
    with one.run() as run:
        ledgers_study(run)
    assert one.study() == before
    (Path(tmp_path) / "studies.db").unlink()
    with one.run() as run:
        ledgers_study(run)
    assert one.study() == before
    assert optuna.get_all_study_names(url) == ["s-0"]  # there was none to keep
    assert len(caplog.messages) == 2


def test_flipped_bits_of_the_journal_change_no_trial_and_raise_nothing(tmp_path: Path) -> None:
    one = Launches(tmp_path, sweep())
    one.launch(*ENDS[:3], left_running=1)
    before, path = [trial[:-2] for trial in one.study()], one.directory / STUDY_FILE
    whole, chance = path.read_bytes(), random.Random(1)
    for _ in range(60):
        path.write_bytes(whole)
        flip(path, chance.randrange(8 * len(whole)))
        with one.run() as run:
            tell_known_ends(
                run, ledgers_study(run), lambda strategy: None
            )  # a flip may have taken from it that a trial ended
        assert [trial[:-2] for trial in one.study()] == before  # attributes under other names are nobody's


def notes(one: Launches, trial: FrozenTrial) -> dict:
    """What optuna-dashboard keeps of a trial."""
    study = open_study(one.directory, one.settings, sweep_id="0")
    attributes = study._storage.get_study_system_attrs(study._study_id)
    return {
        name.replace(f":{trial._trial_id}:", ":ID:"): value
        for name, value in attributes.items()
        if f":{trial._trial_id}:" in name
    }


def write_into(one: Launches) -> None:
    """What somebody notes by optuna-dashboard: of the study, and of its second trial."""
    study = open_study(one.directory, one.settings, sweep_id="0")
    study.set_user_attr("reviewer", "mine")
    study.enqueue_trial({"finetuning.optimizer.learning_rate": 2e-4, "strategy": "standard"})
    trial_id, attributes = study.trials[1]._trial_id, {"note_ver": 3, "note_str:0": "look here", "note_str:1": "twice"}
    for name, value in attributes.items():
        study._storage.set_study_system_attr(study._study_id, f"dashboard:{trial_id}:{name}", value)
    study._storage.set_study_system_attr(study._study_id, f"dashboard:artifacts:{trial_id}:a1", "a file")
    study._storage.set_study_system_attr(study._study_id, "dashboard:note_str:0", "of all")


NOTED = {
    "dashboard:ID:note_ver": 3,
    "dashboard:ID:note_str:0": "look here",
    "dashboard:ID:note_str:1": "twice",
    "dashboard:artifacts:ID:a1": "a file",
}


@pytest.fixture(params=["journal", "database"])
def noted(request: pytest.FixtureRequest, tmp_path: Path) -> Launches:
    """A sweep into whose study somebody wrote; the database holds another study's trials, too."""
    url = f"sqlite:///{tmp_path}/studies.db" if request.param == "database" else None
    if url is not None:
        optuna.create_study(study_name="another", storage=url).ask()
    one = Launches(tmp_path, sweep(search={"storage": url}))
    one.launch(*ENDS[:3])
    write_into(one)
    return one


def require_notes(one: Launches) -> optuna.Study:
    study = open_study(one.directory, one.settings, sweep_id="0")
    assert notes(one, study.trials[1]) == NOTED
    assert [notes(one, study.trials[number]) for number in (0, 2)] == [{}, {}]
    assert study.user_attrs["reviewer"] == "mine"
    attributes = study._storage.get_study_system_attrs(study._study_id)
    assert attributes["dashboard:note_str:0"] == "of all"
    return study


def test_only_what_runs_again_changes_in_the_study_and_no_line_calls_it_damaged(
    noted: Launches, caplog: pytest.LogCaptureFixture
) -> None:
    before = open_study(noted.directory, noted.settings, sweep_id="0").trials
    with noted.run() as run:
        run.ledger.restart("t0002")
        ledgers_study(run)
        ledgers_study(run)
    assert caplog.messages == []
    study = require_notes(noted)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "PRUNED", "RUNNING", "WAITING"]
    for then, now in zip(before, study.trials, strict=True):
        then._trial_id = now._trial_id
        if now.number != 2:
            assert now == then  # to the second at which it ended
    again = study.trials[2]
    assert (again.params, again.intermediate_values, again.values) == (before[2].params, {}, None)
    assert "stop_reason" not in again.user_attrs


def rebuilt(one: Launches, number: int) -> None:
    """After a trial has begun of which only the ledger knows."""
    params = open_study(one.directory, one.settings, sweep_id="0").trials[0].params
    facts = {"kind": "trial", "row": "standard", "seed": 1, "params": params, "config": {}, "number": number}
    with one.run() as run:
        run.ledger.start(trial_name(number), directory=f"trials/{trial_name(number)}", **facts)
        ledgers_study(run)


def test_what_people_wrote_into_a_study_stands_in_the_one_that_is_rebuilt_too(noted: Launches) -> None:
    rebuilt(noted, 3)
    states = [trial.state.name for trial in require_notes(noted).trials]
    assert states == ["COMPLETE", "PRUNED", "FAIL", "RUNNING"]


def test_every_study_that_is_replaced_is_kept_and_named(noted: Launches, caplog: pytest.LogCaptureFixture) -> None:
    url = noted.settings.search.storage
    held = []
    for number in (3, 4):
        held.append([len(noted.study()), *noted.study()[:3]])
        rebuilt(noted, number)
    names = [message.rpartition("; what was there is kept as ")[2] for message in caplog.messages]
    base = STUDY_FILE if url is None else "s-0"
    assert names == [f"{base}.replaced-1", f"{base}.replaced-2"]
    for name, (trials, *first) in zip(names, held, strict=True):
        if url is None:
            storage: Any = JournalStorage(JournalFileBackend(str(noted.directory / name)))
            kept = optuna.load_study(study_name="s", storage=storage)
        else:
            kept = optuna.load_study(study_name=name, storage=url)
        assert [(t.state, t.values, t.params) for t in kept.trials[:3]] == [trial[:3] for trial in first]
        assert len(kept.trials) == trials
    if url is not None:
        assert set(optuna.get_all_study_names(url)) == {"another", "s-0", *names}


def test_a_trial_that_was_refused_has_no_files_and_is_rebuilt_with_its_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = Launches(tmp_path, sweep())
    one.refused = {1}
    one.launch(*ENDS[:2])
    before = one.study()
    assert [state.name for state, *_ in before] == ["COMPLETE", "FAIL", "PRUNED"]
    one.launch()
    assert not caplog.records
    lose_the_journal(one.directory)
    one.launch()
    assert one.study() == before


def test_a_ledger_without_attributes_rebuilds_what_it_can_and_refuses_the_rest(tmp_path: Path) -> None:
    for sampler in ("tpe", "nsga2"):
        one = Launches(tmp_path / sampler, sweep(search={"sampler": sampler}))
        one.launch(*ENDS[:2])
        before, path = one.study(), one.directory / LEDGER_FILE
        entries = [unseal(line) for line in path.read_text().splitlines()]
        for entry in entries:
            entry.pop("evidence", None)
            entry.get("trial", {}).pop("attributes", None)
        path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        one.launch()
        assert one.study() == before
        lose_the_journal(one.directory)
        if sampler == "tpe":
            one.launch()
            assert one.study() == before
        else:
            with pytest.raises(StorageError, match="too old to rebuild the study from"):
                one.launch()
