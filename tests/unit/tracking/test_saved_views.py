"""The prepared comparison fits into MLflow's bounds, is written only where it differs, and spares what people wrote."""

import json
import logging
import random
import string
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from intelligen.config.schema.tasks import Translation
from intelligen.state.trial_records import TrialRecord
from intelligen.tracking.comparison_view import ComparedSettings, comparison_state
from intelligen.tracking.saved_views import DESCRIPTION, VIEW, SavedViews, fitting_state, wanted_tags

KEY = "intelligen-5a"
LINE = f"- [tiny: prepared comparison](#/experiments/1/runs?viewStateShareKey={KEY}&workflowType=machine_learning)"
NO_SETTINGS = ComparedSettings((), {})
STATE = comparison_state("p1", ["valid/bleu"], NO_SETTINGS, task=Translation(), metrics=())


def trial(strategy: str, *names: str, kind: Any = "trial") -> TrialRecord:
    params = dict.fromkeys(("strategy", *names), 1)
    return TrialRecord("t", kind, strategy, 1, params, {}, ".", 0, 0)


def changes(tags: dict[str, str], *, state: dict[str, Any] = STATE, now_ms: int = 7) -> dict[str, str | None]:
    return wanted_tags(tags, "1", key=KEY, name="tiny", state=state, now_ms=now_ms)


def applied(tags: dict[str, str], **of: Any) -> dict[str, str]:
    return {name: value for name, value in {**tags, **changes(tags, **of)}.items() if value is not None}


def test_what_stands_there_is_not_written_again_and_another_state_keeps_the_view_s_age() -> None:
    tags = applied({})
    assert tags.keys() == {VIEW + KEY, DESCRIPTION}
    assert changes(tags, now_ms=9) == {}
    other = comparison_state("p1", ["valid/loss"], NO_SETTINGS, task=Translation(), metrics=())
    view = json.loads(applied(tags, state=other, now_ms=9)[VIEW + KEY])
    assert (view["name"], view["createdAt"], view["updatedAt"]) == ("tiny", 7, 9)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"state": "deflate;eA=="}', '{"state": 3}', "\xff"])
def test_a_view_that_cannot_be_read_is_written_anew(text: str) -> None:
    assert VIEW + KEY in changes({VIEW + KEY: text})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", LINE),
        ("Ask Ann first.", f"Ask Ann first.\n\n{LINE}"),
        ("Ask Ann first.\n\n- one\n- two\n", f"Ask Ann first.\n\n- one\n- two\n{LINE}"),
        (f"above\n\n* see [x](#/e?viewStateShareKey={KEY}&y)\n\nbelow", f"above\n\n{LINE}\n\nbelow"),
        ("x" * 19_990, "x" * 19_990),
    ],
    ids=["none", "text", "a list", "an older line", "no room"],
)
def test_the_description_gets_one_line_and_keeps_the_rest(before: str, after: str) -> None:
    assert applied({DESCRIPTION: before})[DESCRIPTION] == after


@pytest.mark.parametrize(("by_hand", "left"), [(0, 20), (15, 20), (25, 14), (38, 1), (45, 1)])
def test_old_views_go_so_that_one_more_can_be_saved_by_hand(by_hand: int, left: int) -> None:
    tags = {f"{VIEW}{n}": json.dumps({"name": "mine", "createdAt": 1, "state": "{}"}) for n in range(by_hand)}
    for n in range(30):
        known = f"intelligen-{n:02d}"
        tags[VIEW + known] = json.dumps({"name": known, "createdAt": 1, "updatedAt": 100 - n, "state": "{}"})
        tags[DESCRIPTION] = f"{tags.get(DESCRIPTION, 'Mine.')}\n- [{n}](#/e?viewStateShareKey={known}&w)"
    now = applied(tags)
    ours = {name.removeprefix(VIEW) for name in now if name.startswith(f"{VIEW}intelligen-")}
    assert ours == {KEY, *(f"intelligen-{n:02d}" for n in range(left - 1))}
    assert len([name for name in now if name.startswith(VIEW)]) == by_hand + left
    lines = now[DESCRIPTION].split("\n")
    assert (lines[0], lines[-1], len(lines)) == ("Mine.", LINE, 1 + left)
    assert changes(now) == {}


def test_as_many_settings_are_shown_as_fit() -> None:
    chance = random.Random(1)
    names = ["".join(chance.choices(string.ascii_letters, k=245)) + f"{n:03d}" for n in range(300)]
    settings = ComparedSettings.of([trial("standard", *names)])
    state = fitting_state("tiny", "p1", ["valid/bleu"], settings, task=Translation(), metrics={"valid/bleu"})
    shown = [name for name in state["selectedColumns"] if name.startswith("params.")]
    assert 5 <= len(shown) <= 40
    assert len(applied({}, state=state)[VIEW + KEY]) <= 20_000
    short = ComparedSettings.of([trial("standard", *(f"a.b{n}" for n in range(300)))])
    columns = fitting_state("tiny", "p1", ["valid/bleu"], short, task=Translation(), metrics=())["selectedColumns"]
    assert sum(name.startswith("params.") for name in columns) == 40


def test_settings_that_every_trial_has_come_first_and_each_strategy_has_a_chart_with_its_own() -> None:
    settings = ComparedSettings.of(
        [
            trial("generative", "lr", "generative/start"),
            trial("standard", "lr"),
            trial("generative", "lr", "generative/k"),
            trial("standard", "lr", "later", kind="confirm"),
        ]
    )
    assert settings == ComparedSettings(("lr",), {"generative": ("generative/start", "generative/k")})
    assert settings.first(2) == ComparedSettings(("lr",), {"generative": ("generative/start",)})
    charts = comparison_state("p", ["valid/bleu"], settings, task=Translation(), metrics=())["compareRunCharts"]
    assert [chart["selectedParams"] for chart in charts if chart["type"] == "PARALLEL"] == [
        ["strategy.name", "lr"],
        ["lr", "generative/start", "generative/k"],
    ]


@pytest.mark.parametrize(("metric", "ascending"), [("valid/bleu", False), ("valid/chrf", False), ("valid/loss", True)])
def test_everything_follows_the_objective(metric: str, ascending: bool) -> None:
    name = metric.partition("/")[2]
    shown = {f"selected/{metric}", f"test-greedy/{name}", f"test/{name}", "test/ter", "train/loss"}
    state = comparison_state("p", [metric, "cost/device_s"], NO_SETTINGS, task=Translation(), metrics=shown)
    assert (state["orderByKey"], state["orderByAsc"]) == (f"metrics.`selected/{metric}`", ascending)
    assert state["selectedColumns"][2:5] == [
        f"metrics.`selected/{metric}`",
        f"metrics.`test/{name}`",
        f"metrics.`test-greedy/{name}`",
    ]
    lines = [chart for chart in state["compareRunCharts"] if chart["type"] == "LINE"]
    assert [(chart["metricKey"], chart["lineSmoothness"]) for chart in lines] == [(metric, 0)]


class Refusing:
    """An experiment that nobody may change: no server here has such rights to give."""

    def __init__(self) -> None:
        self.asked = 0

    def get_experiment(self, experiment_id: str) -> None:
        self.asked += 1
        raise MlflowException("the experiment is not yours, https://me:CANARY@host\nTraceback …")


def test_what_cannot_be_written_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    views, refusing = SavedViews(), Refusing()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert not views.write(refusing, "1", sweep_id="5a", name="tiny", state=STATE)  # type: ignore[arg-type]
    assert (refusing.asked, views.key) == (3, None)
    (line,) = caplog.messages
    assert "prepared comparison could not be written: the experiment is not yours, https://[redacted]@host" in line
    assert "it is written again with the next results and at the end of the launch" in line
