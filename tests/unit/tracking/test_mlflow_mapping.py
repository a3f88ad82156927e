"""What MLflow is shown keeps its limits and tells no secrets."""

import math
import re
from dataclasses import replace
from typing import Any

import pytest

from intelligen.config.document import flatten
from intelligen.state.history import Report, ValidationSample
from intelligen.state.redaction import redact, redact_text
from intelligen.state.trial_records import Closing, SweepStatus, TrialRecord, TrialState
from intelligen.state.trial_result import Result
from intelligen.tracking.mlflow_mapping import (
    Ending,
    mlflow_key,
    report_metrics,
    samples_note,
    source_tags,
    summary_metrics,
    trial_ending,
    trial_params,
    trial_tags,
)
from intelligen.tracking.sweep_description import sweep_ending, sweep_note

MAXIMIZE = {"metric": "valid/bleu", "direction": "maximize"}
RUNNING = Ending("RUNNING", "running", None, None)


def record(trial_id: str = "t0001", **changes: Any) -> TrialRecord:
    fields: dict[str, Any] = {
        "id": trial_id,
        "kind": "trial",
        "row": "generative",
        "seed": 3,
        "params": {},
        "config": {},
        "directory": ".",
        "number": 0,
        "started_ms": 1000,
    }
    return TrialRecord(**(fields | changes))


def report(epoch: int, bleu: float) -> Report:
    return Report(epoch=epoch, update=10 * epoch, target_tokens=100 * epoch, time_ms=5, metrics={"valid/bleu": bleu})


@pytest.mark.parametrize("name", ["a b", "größe", "x@y=z", "/lead", "trail/", "a//b", "../up", "k" * 400])
def test_keys_are_such_as_mlflow_accepts(name: str) -> None:
    from mlflow.entities import Metric
    from mlflow.utils.validation import _validate_metric

    metric = Metric(mlflow_key(name), 1.0, 0, 0)
    _validate_metric(metric.key, metric.value, metric.timestamp, metric.step)


def test_params_are_flat_text_and_the_suggestion_wins() -> None:
    config = {"strategy": {"name": "standard", "r_drop": 0.0}, "betas": [0.9, 0.98], "start": None, "seed": 1}
    shown = trial_params(record(config=config, params={"strategy.r_drop": 2.5, "deep": True}))
    assert shown == {
        "strategy.name": "standard",
        "strategy.r_drop": "2.5",
        "betas": "[0.9, 0.98]",
        "start": "null",
        "seed": "1",
        "deep": "true",
    }


def test_an_empty_group_is_not_lost() -> None:
    assert flatten({"a": {}, "b": {"c": {"d": 1}}}) == {"a": {}, "b.c.d": 1}


def test_an_unknown_commit_is_no_tag() -> None:
    assert source_tags({}) == {"mlflow.source.name": "intelligen"}


def test_numbers_that_are_none_become_a_tag() -> None:
    reports = [report(1, math.inf), report(2, 3.0)]
    assert "valid/bleu" not in report_metrics(record(), reports[0])
    assert trial_tags(record(), reports, ending=RUNNING)["nonfinite/valid/bleu"] == "inf at epoch 1"


def test_no_running_trial_outlives_its_sweep() -> None:
    closing = Closing(seq=9, status=SweepStatus.INTERRUPTED, summary={}, time_ms=2000)
    assert trial_ending(record(), None) == RUNNING
    assert trial_ending(record(), closing) == Ending("KILLED", "interrupted", "interrupted", 2000)
    paused = replace(closing, status=SweepStatus.PAUSED)
    assert trial_ending(record(), paused) == Ending("KILLED", "interrupted", "paused", 2000)
    ended = record(state=TrialState.COMPLETE, ended_ms=1500)
    assert trial_ending(ended, closing) == Ending("FINISHED", "complete", None, 1500)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (TrialState.RUNNING, "RUNNING"),
        (TrialState.COMPLETE, "FINISHED"),
        (TrialState.PRUNED, "FINISHED"),
        (TrialState.FAILED, "FAILED"),
    ],
)
def test_only_a_failure_has_failed_and_a_tag_names_the_state(state: TrialState, status: str) -> None:
    ending = trial_ending(record(state=state), None)
    assert (ending.status, trial_tags(record(state=state), [], ending=ending)["state"]) == (status, str(state))


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (SweepStatus.COMPLETE, "FINISHED"),
        (SweepStatus.PAUSED, "FINISHED"),
        (SweepStatus.INTERRUPTED, "KILLED"),
        (SweepStatus.FAILED, "FAILED"),
    ],
)
def test_a_sweep_that_was_to_pause_has_not_been_killed(state: SweepStatus, status: str) -> None:
    assert sweep_ending(Closing(9, state, {}, 2000)) == Ending(status, str(state), str(state), 2000)
    assert sweep_ending(None) == RUNNING


MEASURED = {
    "gpu/count": 0.0,
    "cpu/memory_avg_mib": 100.0,
    "cpu/memory_peak_mib": 150.0,
    "cpu/utilization_pct": 99.0,
    "time/epoch_s": 2.0,
    "cost/device_s": 5.0,
}


def epochs(metric: str, *values: float) -> list[Report]:
    return [
        replace(report(epoch, 0.0), metrics={**MEASURED, metric: value, "time/epoch_s": 2.0 * epoch})
        for epoch, value in enumerate(values, start=1)
    ]


@pytest.mark.parametrize(("metric", "best"), [("valid/bleu", 7.0), ("valid/loss", 2.0)])
def test_a_stopped_trial_comes_to_its_best_epoch_whichever_way_the_objective_points(metric: str, best: float) -> None:
    shown = summary_metrics(record(state=TrialState.PRUNED), epochs(metric, 2.5, 7.0, 2.0, 4.0), None, metric=metric)
    assert shown == {
        f"selected/{metric}": best,
        "trial/epoch_s": 5.0,
        "trial/cost_device_s": 20.0,
        "trial/memory_avg_mib": 100.0,
        "trial/memory_peak_mib": 150.0,
    }


def test_a_complete_trial_comes_to_the_scores_of_its_selected_weights_and_a_failed_one_to_none() -> None:
    result = Result("average", {"valid/bleu": 9.0, "valid/chrf": 30.0}, "")
    complete = summary_metrics(
        record(state=TrialState.COMPLETE), epochs("valid/bleu", 7.0, 3.0), result, metric="valid/bleu"
    )
    assert (complete["selected/valid/bleu"], complete["selected/valid/chrf"]) == (9.0, 30.0)
    untrained = summary_metrics(record(state=TrialState.COMPLETE), [], result, metric="valid/bleu")
    assert untrained == {"selected/valid/bleu": 9.0, "selected/valid/chrf": 30.0}
    for state in (TrialState.FAILED, TrialState.RUNNING):
        assert summary_metrics(record(state=state), epochs("valid/bleu", 7.0), None, metric="valid/bleu") == {}
    assert summary_metrics(record(state=TrialState.PRUNED), [], None, metric="valid/bleu") == {}


def test_figures_of_the_machine_are_system_metrics_too() -> None:
    shown = report_metrics(record(), epochs("valid/bleu", 1.0)[0])
    assert {name: value for name, value in shown.items() if name.startswith("system/")} == {
        "system/cpu_memory_avg_mib": 100.0,
        "system/cpu_memory_peak_mib": 150.0,
        "system/cpu_utilization_pct": 99.0,
    }


def test_the_note_names_the_best_trial_of_each_strategy() -> None:
    fingerprint = {"sweep": {"question": "Which?", "objective": MAXIMIZE}}
    trials = [
        record("baseline-1", kind="baseline", row="standard", state=TrialState.COMPLETE),
        record("t0001", state=TrialState.COMPLETE),
        record("t0002"),
    ]
    note = sweep_note(fingerprint, trials, {"t0001": 20.0, "t0002": 21.5}, None)
    # `status` counts the trials of the search alone, too.
    assert note.startswith(
        "Which?\n\n**Trials:** 1 running, 1 complete. **Baselines:** 1 complete. **Sweep:** running."
    )
    assert "| generative | 21.5 | t0002 |" in note
    assert "t0001" not in note


def test_secrets_are_blotted_out_and_tokens_are_not() -> None:
    config = {
        "hf_token": "CANARY",
        "Api-Key": "CANARY",
        "secrets": {"a": ["CANARY"]},
        "uri": "postgresql://me:CANARY@db:5432/x",
        "batch_tokens": 4096,
        "tokenizer": {"model": "bpe"},
        "target_tokens": 7,
    }
    clean = redact(config)
    assert "CANARY" not in str(clean)
    assert clean["uri"] == "postgresql://[redacted]@db:5432/x"
    assert (clean["batch_tokens"], clean["tokenizer"], clean["target_tokens"]) == (4096, {"model": "bpe"}, 7)
    assert not re.search("CANARY", redact_text("failed: https://CANARY@host/a and http://u:CANARY@h"))


def test_sample_translations_are_a_table_within_mlflows_bound() -> None:
    samples = tuple(ValidationSample(f"{number} a|b\nc", "x" * 900, "y") for number in range(20))
    last = replace(report(3, 1.0), samples=samples)
    note = trial_tags(record(), [last], ending=RUNNING)["mlflow.note.content"]
    lines = note.splitlines()
    assert lines[0] == "Epoch 3, update 30, 300 target tokens."
    assert lines[4].startswith("| 0 a\\|b c | xxx")
    assert lines[-1].endswith("x | y |")
    assert 7000 < len(note) <= 8000
    assert samples_note(report(1, 1.0)) == "Epoch 1, update 10, 100 target tokens."
    assert samples_note(report(1, 1.0), counted="rows") == "Epoch 1, update 10, 100 rows."


def test_a_repetition_says_what_it_repeats_and_is_counted_apart() -> None:
    again = record("generative-s2", kind="confirm", number=None, confirms="t0001", state=TrialState.COMPLETE)
    assert trial_tags(again, [], ending=RUNNING)["confirms"] == "t0001"
    assert "confirms" not in trial_tags(record(), [], ending=RUNNING)
    fingerprint = {"sweep": {"question": "", "objective": MAXIMIZE}}
    values = {"t0001": 20.0, "generative-s2": 30.0}
    note = sweep_note(fingerprint, [record(state=TrialState.PRUNED), again], values, None)
    assert "**Trials:** 1 pruned. **Trained again with other seeds:** 1 complete." in note
    assert "| generative | 20 | t0001 |" in note
    assert "generative-s2" not in note
