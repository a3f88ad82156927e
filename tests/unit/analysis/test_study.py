"""A study is read from a sweep's files alone, and says where they do not fit together."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from small_study import EPOCHS, SENTENCES, SmallStudy

from intelligen.analysis.study import BASELINE, StudyResults, read_study
from intelligen.analysis.variant_results import why_no_scores
from intelligen.errors import StorageError
from intelligen.state.ledger import Ledger


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    files = SmallStudy(tmp_path_factory.mktemp("study") / "runs")
    return read_study(files.write(), store=files.store)


def test_systems_are_the_baseline_and_every_strategy_over_the_confirmed_seeds(study: StudyResults) -> None:
    seeds = {system.name: [member.record.seed for member in system.members] for system in study.systems}
    assert seeds == {name: [2, 3, 4] for name in (BASELINE, "standard", "standard_matched", "intelligen")}
    confirmed = [member.record.id for member in study.systems[1].members]
    assert confirmed == ["standard-s2", "standard-s3", "standard-s4"]
    assert study.systems[1].members[0].record.confirms == "t0003"


def test_the_first_comparison_is_of_test_by_the_experiments_own_search(study: StudyResults) -> None:
    assert study.primary == ("test", "beam")
    assert study.settings == (("test", "beam"), ("test", "greedy"))
    assert len(study.test_sets["test"].references) == SENTENCES
    system = study.systems[-1]
    assert {len(found.hypotheses) for setting in study.settings for found in system.of(setting).values()} == {SENTENCES}


def test_a_trial_has_its_history_its_value_and_its_cost(study: StudyResults) -> None:
    trial = next(member for member in study.searched if member.record.id == "t0011")
    assert len(trial.reports) == EPOCHS
    assert trial.value("valid/bleu") == trial.reports[-1].metrics["valid/bleu"]
    assert (trial.device_s, trial.target_tokens) == (EPOCHS * 22.0, EPOCHS * 5000)


def test_a_failed_repetition_is_no_model_but_is_known(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs", failed=("intelligen-s3",))
    study = read_study(files.write(), store=files.store)
    assert [member.record.seed for member in study.systems[-1].members] == [2, 4]
    (failed,) = (member for member in study.members if member.record.id == "intelligen-s3")
    assert failed.value("valid/bleu") is None


def test_hypotheses_that_no_test_stage_of_this_sweep_has_scored_do_not_count(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs", confirm=False)
    files.write()
    (tested,) = files.directory.glob("trials/t0003/scores/test-beam.json")
    for stray in ("trials/t0003/scores/valid-beam", "trials/t0003/scores/old-beam", "trials/t0002/scores/test-beam"):
        path = files.directory / f"{stray}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(tested.read_text())
    study = read_study(files.directory, store=files.store)
    assert study.settings == (("test", "beam"),)
    assert [member.record.id for member in study.systems[1].members] == ["t0003"]


def test_of_several_tested_trials_the_best_stands_for_its_strategy(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs", confirm=False)
    files.write()
    (tested,) = files.directory.glob("trials/t0003/scores/test-beam.json")
    other = files.directory / "trials" / "t0002" / "scores"
    other.mkdir()
    (other / tested.name).write_text(tested.read_text())
    with Ledger.open(files.directory, {}) as ledger:
        ledger.score("t0002", dict(ledger.trials["t0003"].scores))
    study = read_study(files.directory, store=files.store)
    assert [member.record.id for member in study.systems[1].members] == ["t0003"]


def test_without_confirmation_the_tested_trials_stand_for_their_strategies(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs", confirm=False)
    study = read_study(files.write(), store=files.store)
    assert [[member.record.id for member in system.members] for system in study.systems] == [
        ["baseline-1"],
        ["t0003"],
        ["t0007"],
        ["t0011"],
    ]
    assert study.confirmations == ()


@pytest.mark.parametrize("damage", ["lost sentence", "no json"])
def test_hypotheses_that_do_not_fit_are_refused_by_name(tmp_path: Path, damage: str) -> None:
    files = SmallStudy(tmp_path / "runs")
    path = files.write() / "confirm" / "intelligen-s2" / "scores" / "test-beam.json"
    record = json.loads(path.read_text())
    record["hypotheses"].pop()
    path.write_text(json.dumps(record) if damage == "lost sentence" else "{")
    with pytest.raises(StorageError) as raised:
        read_study(files.directory, store=files.store)
    assert str(path) in str(raised.value)
    assert ("29 hypotheses for 30" in str(raised.value)) is (damage == "lost sentence")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("splits", "why"),
    [({"test": {}}, "not tested yet"), ({"train": {}}, "its data have no test set"), (None, "not tested yet")],
)
def test_why_a_row_has_no_scores_is_told(splits: dict[str, object] | None, why: str, study: StudyResults) -> None:
    """The last: data whose settings do not name their splits."""
    corpus = {} if splits is None else {"splits": splits}
    own = replace(study, fingerprint={"experiment": {"data": {"corpus": corpus}}})
    assert why_no_scores(own, "standard") == why
    assert why_no_scores(own, "nobody") == "not trained yet"
