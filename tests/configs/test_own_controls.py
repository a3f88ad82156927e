"""`controls: own` adds a row for each costly strategy, and is refused where nothing could be counted by."""

from typing import Any

import pytest
from pydantic import ValidationError

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.config.base import comparable
from intelligen.config.schema.missing_controls import missing_controls
from intelligen.config.schema.sweep import Sweep

NAMES = ("standard", "auxiliary", "recurrent", "seqgan", "seqgan_constant", "seqgan_random")
OWN = {"recurrent_matched": "recurrent", "seqgan_matched": "seqgan"}


def sweep(*names: str, **changes: object) -> Sweep:
    space: dict[str, Any] = {"strategy": {"choice": {name: {} for name in names}}}
    settings = {"version": 1, "name": "s", "experiment": "e.yaml", "space": space, "budget": {"trials_per_strategy": 3}}
    return Sweep.model_validate(settings | changes, strict=False)


def test_costly_strategies_have_a_row_of_their_own_that_the_search_does_not_draw() -> None:
    found = sweep(*NAMES, controls="own", confirm={"seeds": 3})
    assert found.own_controls() == OWN
    assert found.row_ids() == NAMES
    assert found.table_rows() == (*NAMES, *OWN)
    assert (found.total_trials(), found.total_control_trials(), found.total_repetitions()) == (18, 6, 24)


def test_without_the_key_nothing_is_added_and_nothing_is_compared_by() -> None:
    found = sweep(*NAMES, confirm={"seeds": 3})
    assert (found.own_controls(), found.table_rows()) == ({}, NAMES)
    assert (found.total_control_trials(), found.total_repetitions()) == (0, 18)
    assert "controls" not in comparable(found)


@pytest.mark.parametrize(
    ("names", "changes", "why"),
    [
        (("recurrent", "seqgan"), {}, "needs standard among the strategies of space.strategy"),
        (
            NAMES,
            {"rows": {"strategies": {"control": "seqgan"}}},
            "needs standard as rows.strategies.control, got seqgan",
        ),
        (("standard", "auxiliary"), {}, "is for strategies that cost more than standard"),
        (NAMES, {"scheduler": {"name": "pbt"}, "search": {"sampler": "random"}}, "is not for the scheduler pbt"),
    ],
)
def test_sweeps_that_cannot_have_them_are_refused(names: tuple[str, ...], changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=f"controls: own {why}"):
        sweep(*names, controls="own", **changes)


def test_a_costly_strategy_is_held_against_its_own_control_and_then_against_the_others() -> None:
    rows, names = ComparedRows(), (*NAMES, *OWN)
    assert rows.asked(names) == ("auxiliary", "recurrent", "seqgan")
    held = {name: rows.own_control(name, names) for name in rows.asked(names)}
    assert held == {"auxiliary": "standard", "recurrent": "recurrent_matched", "seqgan": "seqgan_matched"}
    assert rows.further_controls("seqgan", names) == ("standard", "seqgan_constant", "seqgan_random")
    assert rows.further_controls("recurrent", names) == ("standard",)


def test_an_own_control_is_the_matched_control_that_its_strategy_needs() -> None:
    assert missing_controls((*NAMES, *OWN)) == []
    (line,) = missing_controls((*NAMES, "seqgan_matched"))
    assert line.startswith("no `standard_matched` beside recurrent: equal updates are not equal time")


def test_only_a_control_that_is_matched_to_something_needs_no_equal_cost() -> None:
    rows = ComparedRows()
    assert rows.lacks_matched("seqgan", "standard")
    assert not rows.lacks_matched("seqgan", "seqgan_matched")
    assert not rows.lacks_matched("seqgan", "standard_matched")
    assert not rows.lacks_matched("auxiliary", "standard")


def test_a_misspelt_strategy_is_what_the_message_is_about() -> None:
    for names in (("standard", "recurent"), ("standrad", "recurrent")):
        assert sweep(*names, controls="own").strategies() == names  # the check of the space names it
