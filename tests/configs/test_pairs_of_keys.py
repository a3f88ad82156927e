"""Of two keys that say the same in two ways one has a value, in files, fragments, overrides and searches alike."""

from pathlib import Path

import pytest
import refusals
from refusals import EXPERIMENT, SPACE, SWEEP, assert_reported, messages_of

from intelligen.config.base import canonical_json
from intelligen.config.load import apply_settings, load_experiment, load_sweep
from intelligen.config.schema.experiment import Experiment, baseline_trial, stored_trial
from intelligen.config.schema.training import Schedule, Training
from intelligen.errors import ConfigError

folder = refusals.folder

PLAIN = Experiment(version=1, name="tiny")
PAIRS = [("batch_tokens", "batch_rows", 16), ("schedule.warmup_updates", "schedule.warmup_ratio", 0.25)]


def value(training: Training, key: str) -> object:
    group, _, last = key.rpartition(".")
    return getattr(training.schedule if group else training, last)


def written(key: str, number: float) -> str:
    group, _, last = key.rpartition(".")
    return f"  {group}: {{{last}: {number}}}\n" if group else f"  {key}: {number}\n"


def loaded(text: str, *overrides: str) -> Training:
    Path("e.yaml").write_text(EXPERIMENT + text)
    return load_experiment(Path("e.yaml"), overrides).training


def refused(load: object, *arguments: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load(*arguments)
    (line,) = messages_of(caught.value)
    return line


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("training:\n  batch_rows: 8\n  batch_tokens: 512  #!\n", "training: batch_tokens and batch_rows"),
        (
            "training:\n  schedule:\n    warmup_ratio: 0.1\n    warmup_updates: 5  #!\n",
            "training.schedule: warmup_updates and warmup_ratio",
        ),
    ],
)
def test_both_keys_of_a_pair_are_refused(folder, text, key):
    assert_reported(folder / "experiment.yaml", EXPERIMENT + text, key, "exclude each other; leave one of them out")


def test_neither_key_of_a_pair_is_refused(folder):
    assert "training: batch_tokens or batch_rows must have a value" in refused(
        loaded, "training: {batch_tokens: null}\n"
    )


@pytest.mark.parametrize(("usual", "other", "number"), PAIRS)
def test_one_key_alone_replaces_the_other_s_default(folder, usual, other, number):
    training = loaded("training:\n" + written(other, number))
    assert (value(training, usual), value(training, other)) == (None, number)
    assert Training.model_validate_json(training.model_dump_json()) == training


@pytest.mark.parametrize("text", ["", "training: {epochs: 2}\n", "training: {schedule: {name: linear}}\n"])
@pytest.mark.parametrize(("usual", "other", "number"), PAIRS)
def test_an_override_takes_the_other_key_s_place(folder, text, usual, other, number):
    training = loaded(text, f"training.{other}={number}")
    assert (value(training, usual), value(training, other)) == (None, number)
    back = loaded("training:\n" + written(other, number), f"training.{usual}=7")
    assert (value(back, usual), value(back, other)) == (7, None)
    assert value(loaded("training:\n" + written(usual, 7), f"training.{other}=null"), usual) == 7


def test_overrides_of_both_keys_are_refused_as_both_in_a_file_are(folder):
    line = refused(loaded, "", "training.batch_rows=8", "training.batch_tokens=512")
    assert line.startswith("-o training.batch_tokens=512: training: batch_tokens and batch_rows exclude each other")


@pytest.mark.parametrize(("usual", "other", "number"), PAIRS)
def test_a_file_takes_the_place_of_its_fragment_s_key(folder, usual, other, number):
    for below, above, kept in ((usual, other, number), (other, usual, 7)):
        Path("f.yaml").write_text("training:\n" + written(below, 0.5 if below.endswith("ratio") else 9))
        training = loaded("include: [f.yaml]\ntraining:\n" + written(above, kept))
        assert (value(training, below), value(training, above)) == (None, kept)


@pytest.mark.parametrize(("usual", "other", "number"), PAIRS)
def test_a_search_s_value_takes_the_other_key_s_place(usual, other, number):
    changed = apply_settings(PLAIN, {f"finetuning.{other}": number})
    assert (value(changed.finetuning, usual), value(changed.finetuning, other)) == (None, number)
    back = apply_settings(changed, {f"finetuning.{usual}": 7})
    assert (value(back.finetuning, usual), value(back.finetuning, other)) == (7, None)


def test_a_space_may_vary_one_key_of_a_pair_and_not_both(folder):
    one = "  finetuning.batch_rows: {choice: [8, 16]}\n"
    (folder / "sweep.yaml").write_text(SPACE + one)
    assert load_sweep(folder / "sweep.yaml")
    (folder / "sweep.yaml").write_text(f"{SPACE}{one}  finetuning.batch_tokens: {{choice: [512]}}\n")
    line = refused(load_sweep, folder / "sweep.yaml")
    assert "batch_tokens and batch_rows exclude each other; leave one of them out" in line
    zipped = "pairs: {zip: {finetuning.batch_tokens: [512, null], finetuning.batch_rows: [null, 8]}}"
    (folder / "sweep.yaml").write_text(f"{SWEEP}space: {{{zipped}}}\n")
    assert load_sweep(folder / "sweep.yaml")


def test_a_stored_trial_has_all_keys_and_is_read_as_it_was(folder):
    training = Training(batch_rows=8, schedule=Schedule(name="linear", warmup_ratio=0.1))
    for settings in (Training(), training):
        trial = baseline_trial(PLAIN.model_copy(update={"training": settings}), prepared="p")
        assert '"batch_rows":' in trial.model_dump_json()
        again = stored_trial(trial.model_dump_json())
        assert (again, again.identity) == (trial, trial.identity)


def test_a_pair_at_its_default_is_left_out_of_comparisons():
    assert not {"batch_rows", "warmup_ratio", "cycle_epochs", "keep_epochs"} & set(
        canonical_json(Training()).split('"')
    )
