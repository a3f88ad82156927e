"""A study of several searches tells of the strategies, by how much these differ; one with a single search does not."""

import shlex
from pathlib import Path

import pytest
from small_study import QUALITY, SmallStudy

from intelligen.analysis.compared_units import Units
from intelligen.analysis.conclusion import conclusion_of
from intelligen.analysis.data_frame import trial_records
from intelligen.analysis.result_rows import primary, result_rows
from intelligen.analysis.row_verdicts import row_verdicts
from intelligen.analysis.study import StudyResults, read_study
from intelligen.analysis.system_scores import Score, score_table
from intelligen.config.load import load_sweep
from intelligen.evaluation.decision_procedure import Verdict
from intelligen.tracking.mlflow_mapping import replicate_tag

HERE = "as configured here"


def written(store: Path, **options: object) -> StudyResults:
    files = SmallStudy(store, **{"searches": 3, "seeds": 2, "more": "scheduler: {name: none}\n", **options})  # type: ignore[arg-type]
    return read_study(files.write(), store=files.store)


def row(study: StudyResults, name: str = "intelligen") -> Score:
    return next(one for one in score_table(study, study.primary) if one.system == name)


@pytest.fixture(scope="module")
def winner(tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    return written(tmp_path_factory.mktemp("winner") / "runs")


def test_a_winner_is_claimed_of_the_strategy_over_searches(winner: StudyResults) -> None:
    found = conclusion_of(winner)
    assert found.sentence.startswith("intelligen wins: it beats its own control standard_matched")
    assert "). 3 searches with 2 seeds each. It took " in found.sentence
    assert HERE not in found.sentence
    assert "Next: repeat it on other data or with another model, of which these searches say nothing." in found.sentence
    (verdict,) = row_verdicts(winner, primary(winner, result_rows(winner)))
    assert verdict.words.endswith("), over 3 searches with 2 seeds each")


def test_the_seeds_of_a_search_are_averaged_and_searches_are_the_units(winner: StudyResults) -> None:
    own = row(winner).own
    assert own is not None
    assert own.comparison is not None
    difference = own.comparison.difference
    assert (own.seeds, difference.units) == ((2, 3, 1002, 1003, 2002, 2003), 3)
    scores = {
        name: [member.decoded[winner.primary].intervals["bleu"].value for member in system.members]
        for name in ("intelligen", "standard_matched")
        for system in winner.systems
        if system.name == name
    }
    deltas = [ours - theirs for ours, theirs in zip(*scores.values(), strict=True)]
    means = [sum(deltas[number : number + 2]) / 2 for number in (0, 2, 4)]
    mean = sum(means) / 3
    assert difference.delta == pytest.approx(mean)
    assert difference.spread.between == pytest.approx(sum((one - mean) ** 2 for one in means) / 2)


def test_results_name_the_search(winner: StudyResults) -> None:
    (values,) = [one.values() for one in result_rows(winner)[:4] if one.score.system == "intelligen"]
    assert (values["seeds"], values["replicates"]) == (6, 3)
    found = {one["trial"]: one["replicate"] for one in trial_records(winner.directory)}
    assert [found[name] for name in ("r1-t0000", "r3-t0000", "baseline-1001", "intelligen-s2003")] == [1, 3, 2, 3]
    last = winner.members[-1].record
    assert replicate_tag(last, winner.fingerprint) == {"replicate": "3"}


def test_what_one_search_found_is_never_claimed_of_the_strategy(tmp_path: Path) -> None:
    """One search of three was lucky: its configuration is better in every seed, and the strategy is not shown to be."""
    alike = dict.fromkeys(QUALITY, 0.6)
    study = written(tmp_path / "runs", quality=alike, found={("intelligen", 1): 0.95})
    own = row(study).own
    assert own is not None
    assert own.verdict == Verdict.OPEN
    assert "Whether intelligen is better or worse than its own control" in conclusion_of(study).sentence
    # Its own search alone shows a difference, and says it of what it has configured.
    alone = written(tmp_path / "alone", searches=1, seeds=6, quality=alike, found={("intelligen", 1): 0.95})
    assert f"intelligen wins: {HERE}, it beats its own control" in conclusion_of(alone).sentence


def test_seeds_in_the_place_of_searches_would_claim_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alike = dict.fromkeys(QUALITY, 0.6)
    lucky = {("intelligen", 1): 0.95, ("intelligen", 2): 0.9, ("intelligen", 3): 0.55}
    study = written(tmp_path / "runs", quality=alike, found=lucky)
    decided = row(study).own
    monkeypatch.setattr(Units, "of_seeds", lambda self, seeds: None)
    wrong = row(study).own
    assert decided is not None
    assert wrong is not None
    assert (decided.verdict, wrong.verdict) == (Verdict.OPEN, Verdict.BETTER)


def test_two_searches_decide_nothing(tmp_path: Path) -> None:
    study = written(tmp_path / "runs", searches=2)
    sentence = conclusion_of(study).sentence
    assert "intelligen is not judged: it has 2 searches, and fewer than 3 decide nothing." in sentence
    command = "intelligen run FILE -o name=small-3-searches -o search.replicates=3"
    seeds = "-o experiment.seed=1004 -o search.seed=3"
    assert f"Next: plan a new study of 3 searches: {command} {seeds}." in sentence
    assert row(study).difference is None


def test_a_lost_run_of_one_search_refuses_the_comparison(tmp_path: Path) -> None:
    study = written(tmp_path / "runs", failed=("intelligen-s1003",))
    own = row(study).own
    assert own is not None
    assert own.refusal == "its run with seed 1003 has no score"


def test_what_is_not_known_takes_more_searches(tmp_path: Path) -> None:
    study = written(tmp_path / "runs", quality=dict.fromkeys(QUALITY, 0.7))
    sentence = conclusion_of(study).sentence
    assert HERE not in sentence
    assert " fits. 3 searches with 2 seeds each. Such a study finds a difference of " in sentence
    assert " BLEU takes " in sentence
    assert " searches, " in sentence


@pytest.mark.parametrize(
    "more",
    [
        {"seeds": 3},
        {"seeds": 6, "looks": "{seeds: {at_least: 3, at_most: 6}, until: resolved, difference: 2.0}"},
    ],
    ids=["fixed seeds", "looks"],
)
def test_the_command_that_follows_one_search_makes_several(tmp_path: Path, more: dict[str, object]) -> None:
    files = SmallStudy(tmp_path / "runs", **more)  # type: ignore[arg-type]
    sentence = conclusion_of(read_study(files.write(), store=files.store)).sentence
    _, _, told = sentence.partition("Next: search 3 times, to say it of the strategy: ")
    command = told.partition(". In at most ")[0]
    overrides = shlex.split(command)[4::2]
    sweep, experiment = load_sweep(tmp_path / "files" / "small.yaml", overrides)
    assert (sweep.search.replicates, sweep.name, experiment.seed > 4) == (3, "small-3-searches", True)
