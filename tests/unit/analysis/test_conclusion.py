"""The conclusion ranks what is comparable, refuses what is not, and claims no more than was shown."""

import json
from pathlib import Path

import pytest
from small_study import QUALITY, SmallStudy

from intelligen.analysis.conclusion import Conclusion
from intelligen.reporting.html.comparison_page import Compared
from intelligen.reporting.html.write_report import read_compared, study_page
from intelligen.state.memory_bounds import MemoryBound, MemoryBounds


def compared_study(files: SmallStudy) -> Compared:
    return read_compared(files.write(), store=files.store)


def answer(files: SmallStudy) -> Conclusion:
    return compared_study(files).answer


def test_the_winner_is_named_with_difference_interval_p_value_seeds_and_cost(tmp_path: Path) -> None:
    compared = compared_study(SmallStudy(tmp_path / "runs"))
    row = next(row.values() for row in compared.primary if row.score.system == "intelligen")
    sentence = compared.answer.sentence
    assert sentence.startswith("intelligen wins: ")
    assert f"{row['delta']:+.2f} BLEU against standard" in sentence
    assert f"95 % interval {row['delta_low']:.2f} to {row['delta_high']:.2f}" in sentence
    assert f"p = {row['p_holm']:.3f} after Holm over 2 comparisons, 3 seeds" in sentence
    assert f"{row['device_hours']:.3g} device-hours" in sentence
    assert "× 2.00" in sentence
    assert "; against standard_matched +" in sentence
    assert sentence.endswith("so it is more than that.")
    assert compared.answer.refusals == ()


def test_a_gain_that_a_control_has_too_is_not_called_more(tmp_path: Path) -> None:
    alike = {**QUALITY, "standard": 0.4, "standard_matched": 0.8, "intelligen": 0.88}
    sentence = answer(SmallStudy(tmp_path / "runs", quality=alike)).sentence
    assert sentence.startswith("intelligen wins: ")
    assert "uncorrected), so the gain may be due to what that controls for" in sentence
    assert "standard_matched (+" in sentence
    assert "no test was made" not in sentence


def test_no_difference_is_claimed_where_none_is_shown(tmp_path: Path) -> None:
    same = dict.fromkeys(QUALITY, 0.7)
    sentence = answer(SmallStudy(tmp_path / "runs", quality=same)).sentence
    assert sentence.startswith("No difference can be claimed: ")
    assert "wins" not in sentence


def test_a_strategy_that_is_worse_is_said_to_be(tmp_path: Path) -> None:
    worse = {**QUALITY, "standard": 0.95, "standard_matched": 0.95, "intelligen": 0.4}
    sentence = answer(SmallStudy(tmp_path / "runs", quality=worse)).sentence
    assert sentence.startswith("No strategy is shown to be better than standard; worse is intelligen (-")


def test_a_control_that_wins_is_called_one(tmp_path: Path) -> None:
    longer = {**QUALITY, "standard_matched": 0.95, "intelligen": 0.6}
    sentence = answer(SmallStudy(tmp_path / "runs", quality=longer)).sentence
    assert sentence.startswith("standard_matched wins: ")
    assert "it is a control" in sentence


def test_a_sweep_without_confirmation_is_not_ranked(tmp_path: Path) -> None:
    compared = compared_study(SmallStudy(tmp_path / "runs", confirm=False))
    assert compared.answer.sentence.startswith("No strategy is ranked: nothing is confirmed")
    assert "`confirm`" in compared.answer.sentence
    assert {row.score.difference for row in compared.primary} == {None}


@pytest.mark.parametrize("missing", ["standard", "standard_matched"])
def test_a_missing_control_forbids_a_ranking_and_is_named(tmp_path: Path, missing: str) -> None:
    strategies = [name for name in ("standard", "standard_matched", "intelligen") if name != missing]
    found = answer(SmallStudy(tmp_path / "runs", strategies=strategies))
    assert found.sentence.startswith("No strategy is ranked: ")
    assert f"`{missing}`" in found.sentence


def test_a_control_that_failed_forbids_a_ranking_and_is_named(tmp_path: Path) -> None:
    lost = ("standard_matched-s2", "standard_matched-s3")
    found = answer(SmallStudy(tmp_path / "runs", failed=lost))
    assert found.sentence.startswith("No strategy is ranked: ")
    assert "intelligen and its control standard_matched share fewer than 2 confirmed seeds" in found.sentence


def test_a_test_stage_that_goes_on_forbids_a_ranking(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs")
    (files.write() / "confirm" / "intelligen-s2" / "scores" / "test-beam.json").unlink()
    found = read_compared(files.directory, store=files.store).answer
    assert found.refusals == ("1 of 9 confirmed models have not decoded test by beam search yet",)


def test_budgets_that_differ_forbid_a_ranking_and_are_named(tmp_path: Path) -> None:
    found = answer(SmallStudy(tmp_path / "runs", trials_of={"intelligen": 6}))
    assert found.sentence.startswith("No strategy is ranked: ")
    assert "trials" in found.sentence
    assert "intelligen" in found.sentence


def test_hypotheses_that_are_not_those_that_were_scored_are_reported(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs")
    path = files.write() / "confirm" / "intelligen-s2" / "scores" / "test-greedy.json"
    record = json.loads(path.read_text())
    record["bleu"]["value"] += 1.0
    path.write_text(json.dumps(record))
    *_, note = read_compared(files.directory, store=files.store).answer.notes
    assert note.startswith("intelligen-s2: its hypotheses for test by greedy search were rewritten")


def test_a_failed_repetition_is_reported_and_the_other_seeds_are_compared(tmp_path: Path) -> None:
    compared = compared_study(SmallStudy(tmp_path / "runs", failed=("intelligen-s3",)))
    assert compared.answer.notes[0].startswith("intelligen-s3 (intelligen, seed 3) failed: its process died")
    row = next(row for row in compared.primary if row.score.system == "intelligen")
    assert row.score.seeds == (2, 4)
    assert row.score.difference is not None
    assert row.score.difference.seeds == 2


def test_a_control_that_lost_a_seed_leaves_the_others_and_the_row_says_which(tmp_path: Path) -> None:
    compared = compared_study(SmallStudy(tmp_path / "runs", failed=("standard-s3",)))
    row = next(row for row in compared.primary if row.score.system == "intelligen")
    assert (row.score.seeds, row.score.shared, row.values()["delta_seeds"]) == ((2, 3, 4), (2, 4), "2 4")
    assert "seeds 2, 4" in study_page(compared)


def test_trials_whose_memory_did_not_suffice_are_named_with_their_parts(tmp_path: Path) -> None:
    files = SmallStudy(tmp_path / "runs")
    trials = sorted((files.write() / "trials").iterdir())
    before = set(read_compared(files.directory, store=files.store).answer.notes)
    for trial in trials[:4]:
        MemoryBounds((MemoryBound(0, 800, None, "T4"), MemoryBound(0, 400, None, "T4"))).write(trial)
    MemoryBounds((MemoryBound(6, 200, None, "A10"), MemoryBound(9, None, 64, "A10"))).write(trials[4])
    names = [trial.name for trial in trials]
    assert set(read_compared(files.directory, store=files.store).answer.notes) - before == {
        f"{', '.join(names[:3])}, 1 more: updates were made in parts of at most 400 tokens, because the memory did not"
        " suffice for more (device: T4)",
        f"{names[4]} (since update 6): updates were made in parts of at most 200 tokens, because the memory did not"
        " suffice for more (device: A10)",
    }
