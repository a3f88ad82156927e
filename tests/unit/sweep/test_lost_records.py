"""Whichever file of a finished trial or ledger is gone or damaged, no launch goes on silently."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from launches import ENDS, Launches
from searches import sweep

from intelligen.analysis.find_sweep import find_sweep
from intelligen.analysis.status import read_status
from intelligen.analysis.study import read_study
from intelligen.config.schema.decoding import Beam, Decoding, Greedy
from intelligen.errors import StorageError
from intelligen.evaluation import Interval
from intelligen.state.checksummed_json import seal, unseal
from intelligen.state.history import HISTORY_FILE
from intelligen.state.layout import LEDGER_FILE
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_result import (
    RESULT,
    SELECTED,
    TRIAL,
    read_result,
)
from intelligen.training.scores_file import Scores, write_scores


def lose_a_directory(trial: Path) -> None:
    for path in sorted(trial.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    trial.rmdir()


def lose_the_last_epoch(trial: Path) -> None:
    path = trial / HISTORY_FILE
    path.write_text(path.read_text().splitlines(keepends=True)[0])


def exchange_a_score(trial: Path) -> None:
    path = trial / HISTORY_FILE
    first, second = map(unseal, path.read_text().splitlines())
    second["metrics"]["valid/bleu"] += 1
    path.write_text("".join(seal(json.dumps(line)) + "\n" for line in (first, second)))


def cut_the_weights(trial: Path) -> None:
    (trial / SELECTED).write_bytes((trial / SELECTED).read_bytes()[:-1])


def change_a_setting(trial: Path) -> None:
    fields = json.loads((trial / TRIAL).read_text())
    fields["training"]["optimizer"]["learning_rate"] *= 2
    (trial / TRIAL).write_text(json.dumps(fields))


def exchange_the_result(trial: Path) -> None:
    fields = unseal((trial / RESULT).read_text())
    (trial / RESULT).write_text(seal(json.dumps({**fields, "sha256": "0" * 64})))


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (lose_a_directory, f"t0000/{HISTORY_FILE}: epoch 1 of t0000 is missing"),
        (lambda trial: (trial / HISTORY_FILE).unlink(), f"t0000/{HISTORY_FILE}: epoch 1 of t0000 is missing"),
        (lose_the_last_epoch, f"t0000/{HISTORY_FILE}: epoch 2 of t0000 is missing"),
        (exchange_a_score, f"t0000/{HISTORY_FILE}: epoch 2 of t0000 has another score"),
        (lambda trial: (trial / RESULT).unlink(), f"t0000/{RESULT}: the result of t0000 is missing"),
        (exchange_the_result, f"t0000/{RESULT}: the result of t0000 is of other weights"),
        (lambda trial: (trial / SELECTED).unlink(), f"t0000/{SELECTED}: the weights of t0000 are missing"),
        (cut_the_weights, f"t0000/{SELECTED}: damaged weights: "),
        (lambda trial: (trial / TRIAL).unlink(), f"t0000/{TRIAL}: it is missing"),
        (lambda trial: (trial / TRIAL).write_text("{"), f"t0000/{TRIAL}: it is damaged"),
        (change_a_setting, f"t0000/{TRIAL}: has other settings of t0000 than the ledger"),
    ],
    ids=[
        *("directory", "history", "last epoch", "score", "result", "other result", "weights"),
        *("half the weights", "settings", "settings cut short", "a setting"),
    ],
)
def test_an_ended_trial_whose_files_are_gone_or_others_is_named(
    tmp_path: Path, harm: Callable[[Path], None], named: str
) -> None:
    one = Launches(tmp_path, sweep())
    one.launch(*ENDS[:3], left_running=1)
    harm(one.directory / "trials" / "t0000")
    with pytest.raises(StorageError) as caught:
        one.launch()
    assert named in str(caught.value)
    assert "restore it from a copy, or start again under another name" in str(caught.value)


def test_a_ledger_that_lost_its_last_lines_is_named(tmp_path: Path) -> None:
    one = Launches(tmp_path, sweep())
    one.launch(*ENDS[:2])
    path = one.directory / LEDGER_FILE
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "t0001" not in line))
    for look in (
        one.launch,
        lambda: read_status(SweepFiles(one.directory)),
        lambda: read_study(one.directory, store=tmp_path),
    ):
        with pytest.raises(StorageError, match=f"{LEDGER_FILE}: it has lost trials/t0001, which are there; restore it"):
            look()
    lose_a_directory(one.directory / "trials" / "t0001")
    with pytest.raises(StorageError, match=f"{LEDGER_FILE}: trial 1, which has ended, is missing"):
        one.launch()


def test_a_trial_that_was_begun_but_has_no_result_is_not_lost_unseen_either(tmp_path: Path) -> None:
    one = Launches(tmp_path, sweep())
    one.launch(*ENDS[:1], left_running=1)
    (one.directory / "trials" / "t0001").mkdir()
    one.launch()  # as a kill leaves it
    for folder in ("trials/t0002", "confirm/standard-s2"):
        (one.directory / folder).mkdir(parents=True)
        with pytest.raises(StorageError, match=f"it has lost {folder}"):
            one.launch()
        (one.directory / folder).rmdir()


def test_an_empty_ledger_is_refused_as_a_lost_one_is(tmp_path: Path) -> None:
    one = Launches(tmp_path, sweep())
    one.launch(*ENDS[:1])
    for harm in (lambda path: path.write_text(""), lambda path: path.write_text("{}\n"), Path.unlink):
        harm(one.directory / LEDGER_FILE)
        with pytest.raises(StorageError, match="; restore it from a copy, or start again under another name"):
            one.launch()


def score_the_first(one: Launches) -> Path:
    """As its test stage does, by its own search and by another; returns the file of its own."""
    with one.run() as run:
        directory = run.directory_of(run.ledger.trials["t0000"])
        weights = read_result(directory).sha256
        for search in (Greedy(), Beam()):
            scores = Scores(
                search=search,
                metrics={"test/bleu": 4.0},
                bleu=Interval(4.0, 3.0, 5.0),
                signatures={},
                hypotheses=("ein Affe",),
                weights=weights,
            )
            path = write_scores(directory, "test", scores, decoding=Decoding())
        run.ledger.score("t0000", {"test/bleu": 4.0, "test-greedy/bleu": 4.0, "test/moses_bleu": 4.0})
    return path


@pytest.mark.parametrize("search", ["beam", "greedy"])
def test_recorded_scores_whose_hypotheses_are_gone_or_others_are_named_with_what_decodes_them(
    tmp_path: Path, search: str
) -> None:
    one = Launches(tmp_path, sweep())
    one.launch(*ENDS[:1])
    path = score_the_first(one).with_name(f"test-{search}.json")
    one.launch()
    whole = path.read_text()
    others = seal(json.dumps(unseal(whole) | {"weights": "0" * 64}))
    for damage, named in (
        (whole.replace("Affe", "Aff"), f"{path}: damaged (its checksum does not match); "),
        (others, f"{path}: of other weights than {path.parents[1] / SELECTED}; "),
        (None, f"{path}: cannot be read: No such file or directory; "),
    ):
        path.unlink() if damage is None else path.write_text(damage)
        with pytest.raises(StorageError) as caught:
            one.launch()
        command = f"intelligen test {path.parents[1]} --split test --search {search}"
        assert str(caught.value) == f"{named}restore a copy, or decode the split again: {command}"


def test_a_lost_ledger_begins_no_other_sweep(tmp_path: Path) -> None:
    one = Launches(tmp_path, sweep())
    one.launch(*ENDS[:1])
    (one.directory / LEDGER_FILE).unlink()
    with pytest.raises(StorageError, match=f"{LEDGER_FILE}: the ledger is gone, though trials of its sweep is there"):
        one.launch()
    with pytest.raises(StorageError, match="the ledger is gone"):
        find_sweep(tmp_path, "s")
    assert not (one.directory / LEDGER_FILE).exists()
