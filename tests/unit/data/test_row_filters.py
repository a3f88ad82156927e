"""Each reason for leaving a training pair out, at its bound."""

import pytest

from intelligen.config.schema.columns import Row
from intelligen.config.schema.data import Filters
from intelligen.data.row_filters import rejection

FILTERS = Filters(min_characters=3, max_characters=6, max_length_difference=2)


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("abc", "abcd", None),
        ("abcdef", "abcdef", None),
        (" \t\u00a0", "abc", "empty"),
        ("abc", "", "empty"),
        ("ab", "abc", "too_short"),
        ("abc", "ab", "too_short"),
        ("abcdef", "abcdefg", "too_long"),
        ("abcdefg", "abcdef", "too_long"),
        ("abc", "abcde", "length_difference"),
        ("abcde", "abc", "length_difference"),
    ],
)
def test_a_pair_is_left_out_beyond_a_bound_and_kept_at_it(source: str, target: str, reason: str | None) -> None:
    assert rejection((source, target), FILTERS) == reason


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("abcdef",), None),
        (("ab",), "too_short"),
        (("abc", "abcd", "abc"), None),
        (("abc", "abc", ""), "empty"),
        (("abc", "ab", "abc"), "too_short"),
        (("abcdef", "abcdefg", "abcdef"), "too_long"),
        (("abc", "abcde", "abcd"), "length_difference"),
    ],
)
def test_the_bounds_hold_for_all_texts_of_a_row(row: Row, reason: str | None) -> None:
    assert rejection(row, FILTERS) == reason


def test_without_settings_only_empty_pairs_are_left_out() -> None:
    assert rejection(("a", "b" * 10_000), Filters()) is None
    assert rejection(("", "b"), Filters(min_characters=0)) == "empty"
