"""Looks at a sequential study follow from its scores alone: the same ones, whenever and however often it was killed."""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import pytest
from small_study import QUALITY, SmallStudy

from intelligen.analysis.comparisons import held_against, next_round
from intelligen.analysis.conclusion import answer, conclusion_of
from intelligen.analysis.sequential_looks import Following, Round, follow, sequential_plan
from intelligen.analysis.study import SeedModel, StudyResults, read_study
from intelligen.analysis.system_scores import score_table
from intelligen.evaluation import sequential_procedure
from intelligen.evaluation.sequential_procedure import End
from intelligen.state.trial_records import TrialState

LOOKS = "{seeds: {at_least: 3, at_most: 6}, until: resolved, difference: 2.0}"
OWN, GATE = ("intelligen", "standard_matched"), ("intelligen", "standard")
ROWS = frozenset({"standard", "standard_matched", "intelligen"})
Kept = Callable[[SeedModel], bool]


def written(store: Path, quality: dict[str, float]) -> StudyResults:
    """A study of which all seeds have been trained, those that no look asks for as well."""
    files = SmallStudy(store, seeds=6, looks=LOOKS, quality=QUALITY | quality)
    return read_study(files.write(), store=files.store)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    return written(tmp_path_factory.mktemp("winner") / "runs", {})


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    return written(tmp_path_factory.mktemp("alike") / "runs", dict.fromkeys(QUALITY, 0.7))


@pytest.fixture(scope="module")
def beside_standard(tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    """Its own control is bad, and `standard` as good as the strategy."""
    bad_control = {"standard": 0.85, "standard_matched": 0.2, "intelligen": 0.85}
    return written(tmp_path_factory.mktemp("gate") / "runs", bad_control)


def trained(study: StudyResults, models: Collection[tuple[str, int]]) -> StudyResults:
    """The study when of its confirmations these have been."""
    kept = [one for one in study.members if one.record.kind != "confirm" or (one.record.row, one.record.seed) in models]
    return replace(study, members=tuple(kept))


def changed(study: StudyResults, row: str, seed: int, *, failed: bool) -> StudyResults:
    """The study where one run has failed, or has not been scored."""

    def one(member: SeedModel) -> SeedModel:
        if member.record.kind != "confirm" or (member.record.row, member.record.seed) != (row, seed):
            return member
        record = replace(member.record, state=TrialState.FAILED) if failed else member.record
        return replace(member, record=record, decoded={})

    return replace(study, members=tuple(map(one, study.members)))


def looks(study: StudyResults) -> Following:
    controls = held_against(study)
    plan = sequential_plan(study.sweep, family=len(controls))
    assert plan is not None
    return follow(study, plan, controls)


def launched(study: StudyResults) -> tuple[StudyResults, list[Round]]:
    """The study as the confirmation stage comes to its end, and what it trained before each look."""
    models: set[tuple[str, int]] = set()
    rounds: list[Round] = []
    while (following := next_round(trained(study, models))) is not None:
        models |= {(row, seed) for seed in following.seeds for row in following.rows}
        rounds.append(following)
    return trained(study, models), rounds


def test_the_least_seeds_of_all_come_first_then_one_at_a_time_of_what_is_open(whole: StudyResults) -> None:
    ended, rounds = launched(whole)
    assert rounds[0] == Round((2, 3, 4), ROWS)
    assert [len(one.seeds) for one in rounds] == list(range(3, 3 + len(rounds)))
    found = looks(ended)
    assert (found.next, found.looked[OWN].end) == (None, End.DECIDED)
    assert len(rounds) < 4, "a large difference takes few seeds"


def test_decisions_do_not_depend_on_what_was_trained_beyond_them(whole: StudyResults, alike: StudyResults) -> None:
    for study in (whole, alike):
        ended, _ = launched(study)
        assert looks(ended) == looks(study)


def test_a_look_waits_for_all_its_scores_and_earlier_ones_stay_as_they_are(beside_standard: StudyResults) -> None:
    ended, rounds = launched(beside_standard)
    (first, *_, last), seed = rounds, rounds[-1].seeds[-1]
    assert len(last.seeds) > len(first.seeds)
    before = looks(changed(ended, "standard", seed, failed=False))
    assert before.next == last
    assert before == looks(changed(ended, "intelligen", seed, failed=False))
    assert before.looked[OWN] == looks(ended).looked[OWN]
    assert before.looked[GATE].seeds == seed - 2


def test_one_that_beats_its_own_control_goes_on_beside_standard(beside_standard: StudyResults) -> None:
    ended, rounds = launched(beside_standard)
    found = looks(ended)
    assert found.looked[OWN].end is End.DECIDED
    assert found.looked[GATE].seeds > found.looked[OWN].seeds
    assert rounds[-1].rows == {"standard", "intelligen"}
    sentence = answer(ended, score_table(ended, ended.primary), {}).sentence
    assert "It is not shown to beat standard too: " in sentence
    assert "It stopped early: expect a little less than " in sentence


def test_a_lost_run_ends_its_comparison_and_is_said(alike: StudyResults) -> None:
    lost = changed(alike, "standard_matched", 4, failed=True)
    found = looks(lost)
    assert found.lost == {OWN}
    assert found.next is None, "without its own control nothing goes on"
    sentence = conclusion_of(lost).sentence
    assert "intelligen is not judged: standard_matched's run with seed 4 has no score." in sentence
    assert "--failed. " in sentence


def test_what_was_begun_beside_a_lost_run_is_brought_to_its_end(alike: StudyResults) -> None:
    begun = changed(changed(alike, "standard_matched", 4, failed=True), "intelligen", 4, failed=False)
    assert looks(begun).next == Round((2, 3, 4), ROWS)


def test_what_ended_without_a_decision_says_after_how_many_seeds_and_why(alike: StudyResults) -> None:
    ended, _ = launched(alike)
    looked = looks(ended).looked[OWN]
    sentence = conclusion_of(ended).sentence
    assert "is not known: " in sentence
    if looked.end is End.FUTILE:
        words = f"It stopped at {looked.seeds} seeds, as fewer than 1 in 10 such studies would be decided by seed 6."
    else:
        words = "6 of 6 seeds."
    assert words in sentence


def test_a_study_that_was_interrupted_says_so_and_how_it_goes_on(whole: StudyResults) -> None:
    first = trained(whole, [(row, seed) for row in ROWS for seed in (2, 3, 4)])
    assert next_round(first) is not None
    sentence = conclusion_of(first).sentence
    assert "The study has not ended. Next: intelligen resume small " in sentence
    assert sentence.count("Next:") == 1


def test_who_ignores_futility_goes_on_to_the_last_look(alike: StudyResults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequential_procedure, "FUTILE_BELOW", 0.0)
    ended, rounds = launched(alike)
    assert [len(one.seeds) for one in rounds] == [3, 4, 5, 6]
    assert ". 6 of 6 seeds. " in conclusion_of(ended).sentence
    first = trained(alike, [(row, seed) for row in ROWS for seed in (2, 3, 4)])
    assert ". 3 of 6 seeds so far. The study has not ended. " in conclusion_of(first).sentence


def test_another_search_is_shown_with_the_same_seeds_and_ends_nothing(beside_standard: StudyResults) -> None:
    by_beam, by_greedy = (
        {row.system: row for row in score_table(beside_standard, ("test", search))} for search in ("beam", "greedy")
    )
    own, shown = by_beam["intelligen"].own, by_greedy["intelligen"].own
    assert own is not None
    assert shown is not None
    assert (own.seeds, own.end) == (shown.seeds, shown.end)
    assert own.comparison is not None
    assert shown.comparison is not None
    assert own.comparison.delta != shown.comparison.delta
