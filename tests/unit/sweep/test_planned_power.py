"""Plan and launch say which differences a study can find, in the unit that is known beforehand."""

from pathlib import Path

import pytest
from conftest import REPOSITORY
from small_study import SmallStudy

from intelligen.config.load import load_sweep
from intelligen.errors import ConfigError
from intelligen.sweep.preflight.planned_power import power_lines


def lines(*overrides: str, store: Path = Path("runs")) -> list[str]:
    return [*power_lines(*load_sweep(REPOSITORY / "search_spaces" / "study.yaml", overrides), store=store)]


def test_without_a_prior_differences_are_said_in_standard_deviations_and_the_prior_is_asked_for() -> None:
    smallest, seeds, ask = lines()
    assert smallest.startswith("9 comparisons with 3 seeds each find a difference of 3.")
    assert "standard deviations of a pair's difference between seeds in four of five cases" in smallest
    assert seeds.startswith("0.3 standard deviations takes ")
    assert "confirm.prior" in ask


def test_a_given_deviation_makes_a_range_in_the_metrics_unit() -> None:
    smallest, seeds = lines("confirm.prior={sd: 0.41}")
    assert smallest == "9 comparisons with 3 seeds each find a difference of 1.20 to 2.00 BLEU in four of five cases"
    assert seeds.startswith("0.3 BLEU takes ")


def test_a_sequential_study_tells_what_it_finds_by_its_last_look() -> None:
    asked = "{seeds: {at_least: 3, at_most: 10}, until: resolved, difference: 0.5, prior: {sd: 0.41}}"
    smallest, seeds = lines(f"confirm={asked}")
    assert (
        smallest == "9 comparisons with 3 to 10 seeds each find a difference of 0.48 to 0.80 BLEU in four of five cases"
    )
    assert seeds.startswith("0.3 BLEU takes ")
    *_, warning = lines(f"confirm={asked.replace('0.5', '1.0')}")
    assert warning == "confirm.difference is 1: a difference below it may be called better or equivalent"


def test_an_earlier_study_shows_the_deviation(tmp_path: Path) -> None:
    earlier = SmallStudy(tmp_path / "runs")
    earlier.write()
    smallest, _ = lines("confirm.prior={sweep: small}", store=earlier.store)
    assert smallest.endswith(" BLEU in four of five cases")


def test_of_several_searches_it_tells_what_these_find(tmp_path: Path) -> None:
    asked = ("confirm.seeds=2", "search.replicates=3")
    smallest, seeds, _ = lines(*asked)
    assert smallest.startswith("9 comparisons with 3 searches each find a difference of 3.")
    assert "standard deviations of a pair's difference between searches in four of five cases" in smallest
    assert " searches, " in seeds
    given, _ = lines(*asked, "confirm.prior={sd: 0.41}")
    fixed, _ = lines("confirm.seeds=3", "confirm.prior={sd: 0.41}")
    assert given == fixed.replace(" seeds each", " searches each")
    assert lines("confirm.seeds=2", "search.replicates=2") == [
        "2 searches decide nothing: raise search.replicates to 3 or more"
    ]
    earlier = SmallStudy(tmp_path / "runs")
    earlier.write()
    with pytest.raises(ConfigError, match="small shows how much seeds differ, and here searches count"):
        lines(*asked, "confirm.prior={sweep: small}", store=earlier.store)


@pytest.mark.parametrize(("seeds", "count"), [(2, 1), (8, 3)])
def test_two_seeds_decide_nothing(seeds: int, count: int) -> None:
    found = lines(f"confirm.seeds={seeds}")
    assert len(found) == count
    assert ("decide nothing" in found[0]) == (seeds < 3)
