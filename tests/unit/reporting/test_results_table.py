"""The table says what every strategy reached and what it cost."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from intelligen.analysis.strategy_table import Effort, StrategySummary
from intelligen.reporting.terminal.results_table import markdown_table, note, rich_table
from intelligen.state.trial_records import TrialRecord, TrialState

SCORES = {"test/bleu": 20.0, "test/bleu_low": 18.5, "test/bleu_high": 21.5}


def row(name: str, *, epoch_s: float, cost: float = 60.0) -> StrategySummary:
    kind, strategy = ("baseline", "standard") if name == "baseline" else ("trial", name)
    return StrategySummary(
        row=name,
        best=TrialRecord("t0", kind, strategy, 1, {}, {}, "t0", 0, 0, scores=SCORES),
        best_value=21.25,
        trials=4,
        ended={TrialState.RUNNING: 0, TrialState.COMPLETE: 1, TrialState.PRUNED: 2, TrialState.FAILED: 1},
        effort=Effort(
            epoch_s=epoch_s, cost_device_s=cost, memory_kind="gpu", memory_avg_mib=1000.0, memory_peak_mib=2000.0
        ),
    )


BASELINE = row("baseline", epoch_s=30.0)
STANDARD = row("standard", epoch_s=8.0)
SEQGAN = row("seqgan", epoch_s=34.0, cost=1234.4)


def table(*rows: StrategySummary) -> dict[str, dict[str, str]]:
    """Row → column → cell, as the Markdown has them."""
    lines = markdown_table(rows, objective="valid/bleu", scores=("bleu",)).split("\n\n")[0].splitlines()
    heads, _, *body = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {cells[0]: dict(zip(heads, cells, strict=True)) for cells in body}


def test_a_row_has_scores_time_cost_and_memory():
    assert table(STANDARD, SEQGAN)["seqgan"] == {
        "strategy": "seqgan",
        "trials": "4 (2 stopped early, 1 failed)",
        "valid/bleu": "21.25",
        "test/bleu": "20.00 [18.50, 21.50]",
        "epoch time": "34.0 s",
        "× standard": "4.25",
        "cost": "1,234 device-s",
        "avg memory": "1,000 MiB GPU",
        "max memory": "2,000 MiB GPU",
    }


def test_a_baseline_without_epochs_has_scores_and_no_cost():
    cells = table(replace(BASELINE, effort=None), STANDARD)["baseline"]
    assert (cells["valid/bleu"], cells["test/bleu"]) == ("21.25", "20.00 [18.50, 21.50]")
    assert [cells[name] for name in ("epoch time", "× standard", "cost", "avg memory", "max memory")] == [
        *("–", "–", "0 device-s", "–", "–")
    ]


def test_epoch_time_is_relative_to_standard_wherever_that_stands():
    cells = table(SEQGAN, STANDARD, row("standard_matched", epoch_s=32.0))
    assert {name: found["× standard"] for name, found in cells.items()} == {
        "seqgan": "4.25",
        "standard": "1.00",
        "standard_matched": "4.00",
    }


def test_the_baseline_is_neither_compared_nor_compared_with():
    assert table(BASELINE, STANDARD)["baseline"]["× standard"] == "–"
    assert table(BASELINE, SEQGAN)["seqgan"]["× standard"] == "–"


def test_rows_keep_their_order():
    assert list(table(BASELINE, SEQGAN, STANDARD)) == ["baseline", "seqgan", "standard"]


def test_terminal_and_markdown_say_the_same_and_explain_it():
    rows = [BASELINE, STANDARD, SEQGAN]
    terminal = StringIO()
    Console(file=terminal, width=300).print(rich_table(rows, title="q", objective="valid/bleu", scores=("bleu",)))
    shown = " ".join(terminal.getvalue().split())
    for cells in table(*rows).values():
        assert all(cell in shown for cell in cells.values())
    explained = note(rows, ("bleu",))
    assert explained in shown
    assert explained in markdown_table(rows, objective="valid/bleu", scores=("bleu",))
    assert all(word in explained for word in ("× standard", "Cost", "device"))


def repetition(bleu: float, *, state: TrialState = TrialState.COMPLETE) -> TrialRecord:
    scores = {} if state is TrialState.FAILED else {"test/bleu": bleu, "test-greedy/bleu": bleu - 1}
    return TrialRecord("s", "confirm", "seqgan", 2, {}, {}, "s", None, 0, state=state, scores=scores)


def test_repetitions_are_shown_as_their_mean_and_their_range_and_counted():
    failed = repetition(0.0, state=TrialState.FAILED)
    rows = [STANDARD, replace(SEQGAN, repeated=(repetition(20.0), repetition(23.0), failed))]
    cells = table(*rows)
    assert list(cells["seqgan"])[:6] == ["strategy", "trials", "valid/bleu", "seeds", "test/bleu", "test-greedy/bleu"]
    assert cells["seqgan"]["seeds"] == "3 (1 failed)"
    assert cells["seqgan"]["test/bleu"] == "21.50 (20.00 to 23.00)"
    assert cells["seqgan"]["test-greedy/bleu"] == "20.50 (19.00 to 22.00)"
    assert (cells["standard"]["seeds"], cells["standard"]["test-greedy/bleu"]) == ("0", "–")


def test_the_note_explains_the_test_scores_that_the_table_has_and_no_others():
    searched, repeated = [STANDARD], [replace(SEQGAN, repeated=(repetition(20.0),))]
    untested = [replace(STANDARD, best=replace(STANDARD.best, scores={}))]
    same, again = "test = the same weights", "test = each best trial trained again"
    found = [markdown_table(rows, objective="valid/bleu", scores=("bleu",)) for rows in (searched, repeated, untested)]
    assert [(same in one, again in one) for one in found] == [(True, False), (False, True), (False, False)]
    assert "valid = the best trial's selected weights. Epoch time" in found[2]


def test_the_objectives_score_comes_before_others_and_may_lack_its_interval():
    scores = {**SCORES, "test/chrf": 45.0}
    tested = replace(STANDARD, best=replace(STANDARD.best, scores=scores))
    lines = markdown_table([tested], objective="valid/chrf", scores=("chrf", "bleu")).splitlines()
    assert "| valid/chrf | test/chrf | test/bleu |" in lines[0]
    assert "| 45.00 | 20.00 [18.50, 21.50] |" in lines[2]


OOD = {name.replace("test/", "test_ood/"): value - 10.0 for name, value in SCORES.items()}
GREEDY = {name.replace("/", "-greedy/"): value for name, value in (SCORES | OOD).items()}


def printed(rows: list[StrategySummary], width: int) -> list[str]:
    output = StringIO()
    table = rich_table(rows, title="Which one wins?", objective="valid/bleu", scores=("bleu",))
    Console(file=output, width=width).print(table)
    return output.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("scores", [SCORES | OOD, SCORES | OOD | GREEDY], ids=["two", "four"])
@pytest.mark.parametrize("name", ["generative_position", "generative_self_critical_matched"])
def test_a_terminal_of_any_width_cuts_no_score(name: str, scores: dict[str, float], width: int):
    rows = [
        replace(one, best=replace(one.best, scores=scores)) for one in (BASELINE, STANDARD, replace(SEQGAN, row=name))
    ]
    lines = printed(rows, width)
    text = " ".join(lines)
    assert all(len(line) <= width for line in lines), lines
    assert "…" not in text
    for shown in (name, "21.25", "20.00", "[18.50, 21.50]", "[8.50, 11.50]"):
        assert text.count(shown) >= 1, lines
    assert text.count("[18.50, 21.50]") == 3 * (2 if "test-greedy/bleu" in scores else 1)


def test_what_a_narrow_terminal_has_no_room_for_is_named():
    rows = [replace(one, best=replace(one.best, scores=SCORES | OOD)) for one in (BASELINE, STANDARD, SEQGAN)]
    text = " ".join(" ".join(printed(rows, 80)).split())
    assert "avg memory, max memory; table.md has them." in text
    assert "device-s" in text
    assert "Not shown" not in " ".join(printed(rows, 200))
