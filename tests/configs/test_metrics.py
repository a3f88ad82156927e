"""Which way a metric points, and so which result is the best, is decided in one place."""

import ast
import math

import pytest
from conftest import REPOSITORY

from intelligen.config.metric_direction import best, direction, higher_is_better, improves, merit, ranked
from intelligen.config.schema.objective import Objective, OneOfSeveral


@pytest.mark.parametrize(
    ("metric", "higher"),
    [
        ("valid/bleu", True),
        ("test/chrf", True),
        ("valid/accuracy", True),
        ("valid/loss", False),
        ("valid/perplexity", False),
        ("valid/edit_error", False),
        ("time/epoch_s", False),
        ("cost/device_s", False),
    ],
)
def test_a_metrics_name_says_which_way_it_points(metric, higher):
    assert higher_is_better(metric) is higher
    assert improves(metric, 2.0, than=1.0) is higher
    assert not improves(metric, 1.0, than=1.0)
    assert best(metric, [2.0, 3.0, 1.0], value=float) == (3.0 if higher else 1.0)
    assert ranked(metric, [2.0, 3.0, 1.0], value=float) == sorted([1.0, 2.0, 3.0], reverse=higher)
    assert (merit(metric, 2.0), direction(metric)) == ((2.0, "maximize") if higher else (-2.0, "minimize"))


def test_the_first_of_equals_is_the_best_and_what_has_no_value_is_last():
    pairs = [("none", None), ("first", 1.0), ("second", 1.0), ("best", 2.0)]
    assert [name for name, _ in ranked("valid/bleu", pairs, value=lambda one: one[1])] == [
        *("best", "first", "second", "none")
    ]
    assert best("valid/loss", pairs[1:], value=lambda one: one[1] or math.inf) == ("first", 1.0)
    assert best("valid/loss", [], value=float) is None


@pytest.mark.parametrize("kind", [Objective, OneOfSeveral])
def test_an_objective_points_the_way_of_its_metric(kind):
    with pytest.raises(ValueError, match="valid/loss cannot be maximized to any use"):
        kind(metric="valid/loss", direction="maximize")
    assert kind(metric="valid/loss", direction="minimize").direction == "minimize"


def test_no_other_module_chooses_between_max_and_min():
    found = []
    for path in sorted((REPOSITORY / "intelligen").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.IfExp):
                arms = {getattr(arm, "id", getattr(arm, "value", None)) for arm in (node.body, node.orelse)}
                if arms in ({"max", "min"}, {"maximize", "minimize"}):
                    found.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}")
    assert [location.partition(":")[0] for location in found] == [
        "intelligen/config/metric_direction.py",
        "intelligen/sweep/execution/tune_callbacks.py",
    ]
