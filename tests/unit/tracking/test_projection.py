"""What MLflow is shown keeps its limits and tells no secrets."""

import math
import re
from dataclasses import replace
from typing import Any

import pytest

from intelligen.tracking.projection import (
    Best,
    best_report,
    flatten,
    mlflow_key,
    report_metrics,
    samples_note,
    source_tags,
    sweep_note,
    trial_ending,
    trial_params,
    trial_tags,
)
from intelligen.tracking.records import Closing, SweepStatus, TrialRecord, TrialState
from intelligen.tracking.redaction import redact, redact_text
from intelligen.training.history import Report, Sample

MAXIMIZE = {"metric": "valid/bleu", "direction": "maximize"}


def record(trial_id: str = "t0001", **changes: Any) -> TrialRecord:
    fields: dict[str, Any] = {
        "id": trial_id,
        "kind": "trial",
        "strategy": "generative",
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
    assert trial_tags(record(), reports, stop_reason=None)["nonfinite/valid/bleu"] == "inf at epoch 1"


def test_no_running_trial_outlives_its_sweep() -> None:
    closing = Closing(seq=9, status=SweepStatus.INTERRUPTED, summary={}, time_ms=2000)
    assert trial_ending(record(), None) == ("RUNNING", None, None)
    assert trial_ending(record(), closing) == ("KILLED", "interrupted", 2000)
    ended = record(state=TrialState.COMPLETE, ended_ms=1500)
    assert trial_ending(ended, closing) == ("FINISHED", None, 1500)


def test_the_best_epoch_is_finite_and_the_earliest_of_equals() -> None:
    reports = [report(1, 2.0), report(2, math.nan), report(3, 7.0), report(4, 7.0)]
    best = best_report(reports, MAXIMIZE)
    assert best is not None
    assert (best.value, best.epoch) == (7.0, 3)
    worst = best_report(reports, {"metric": "valid/bleu", "direction": "minimize"})
    assert worst is not None
    assert worst.epoch == 1
    assert best_report([report(1, math.nan)], MAXIMIZE) is None


def test_the_note_names_the_best_trial_of_each_strategy() -> None:
    header = {"sweep": {"question": "Which?", "objective": MAXIMIZE}}
    trials = [
        record("baseline-1", kind="baseline", strategy="standard", state=TrialState.COMPLETE),
        record("t0001", state=TrialState.COMPLETE),
        record("t0002"),
    ]
    bests = {"t0001": Best(20.0, epoch=3), "t0002": Best(21.5, epoch=2)}
    note = sweep_note(header, trials, bests, None)
    assert note.startswith("Which?\n\n**Trials:** 1 running, 2 complete.")
    assert "| generative | 21.5 | t0002 | 2 |" in note
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
    samples = tuple(Sample(f"{number} a|b\nc", "x" * 900, "y") for number in range(20))
    told = replace(report(3, 1.0), samples=samples)
    note = trial_tags(record(), [told], stop_reason=None)["mlflow.note.content"]
    lines = note.splitlines()
    assert lines[0] == "Epoch 3, update 30, 300 target tokens."
    assert lines[4].startswith("| 0 a\\|b c | xxx")
    assert lines[-1].endswith("x | y |")
    assert 7000 < len(note) <= 8000
    assert samples_note(report(1, 1.0)) == "Epoch 1, update 10, 100 target tokens."


def test_a_repetition_says_what_it_repeats_and_is_counted_apart() -> None:
    again = record("generative-s2", kind="confirm", number=None, confirms="t0001", state=TrialState.COMPLETE)
    assert trial_tags(again, [], stop_reason=None)["confirms"] == "t0001"
    assert "confirms" not in trial_tags(record(), [], stop_reason=None)
    header = {"sweep": {"question": "", "objective": MAXIMIZE}}
    bests = {"t0001": Best(20.0, 1), "generative-s2": Best(30.0, 1)}
    note = sweep_note(header, [record(state=TrialState.PRUNED), again], bests, None)
    assert "**Trials:** 1 pruned. **Trained again with other seeds:** 1 complete." in note
    assert "| generative | 20 | t0001 | 1 |" in note
    assert "generative-s2" not in note
