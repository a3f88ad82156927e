"""The Pareto front as people read it."""

import io

from rich.console import Console

from intelligen.reporting.terminal.pareto_table import markdown_front, rich_front
from intelligen.state.trial_records import TrialRecord

METRICS = ["valid/bleu", "time/epoch_s"]


def record(name: str, strategy: str) -> TrialRecord:
    return TrialRecord(name, "trial", strategy, 1, {}, {}, f"trials/{name}", 0, 0)


FRONT = [(record("t0003", "generative"), (31.25, 4.5)), (record("t0001", "standard"), (30.0, 2.0))]


def test_a_front_is_a_table_of_trials_and_their_objectives():
    text = markdown_front(FRONT, metrics=METRICS)
    assert text.splitlines()[-4:] == [
        "| trial | strategy | valid/bleu | time/epoch_s |",
        "| --- | --- | ---: | ---: |",
        "| t0003 | generative | 31.25 | 4.50 |",
        "| t0001 | standard | 30.00 | 2.00 |",
    ]


def test_a_sweep_with_one_objective_has_no_front():
    assert markdown_front([], metrics=METRICS) == ""


def test_a_terminal_shows_the_same():
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(rich_front(FRONT, metrics=METRICS))
    shown = console.export_text()
    assert all(word in shown for word in ("Pareto front", "t0003", "generative", "31.25", "2.00"))
