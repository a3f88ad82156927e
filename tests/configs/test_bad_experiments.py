"""What breaks a rule of an experiment is refused at its line. In the table that is the line that holds `#!`."""

from pathlib import Path

import pytest
import refusals
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from refusals import EXPERIMENT, assert_reported, json_values, messages_of, refusal

from intelligen.config.load import load_experiment
from intelligen.errors import ConfigError

folder = refusals.folder

BAD_EXPERIMENTS = {
    "unknown key": (f"{EXPERIMENT}trainning: {{}}  #!\n", "trainning", 'unknown key; did you mean "training"?'),
    "unknown nested key": (
        f"{EXPERIMENT}training:\n  optimizer:\n    learning_rat: 1e-3  #!\n",
        "training.optimizer.learning_rat",
        'unknown key; did you mean "learning_rate"?',
    ),
    "one sample to choose from": (
        f"{EXPERIMENT}decoding:\n  test: {{name: mbr, samples: 1}}  #!\n",
        "decoding.test.samples",
        "must be at least 2, got 1",
    ),
    "unknown utility": (
        f"{EXPERIMENT}decoding:\n  validation: {{name: mbr, utility: comet}}  #!\n",
        "decoding.validation.utility",
        'must be one of "chrf", "bleu", got "comet"',
    ),
    "beginning of a name": (f"{EXPERIMENT}strategy: {{name: rec}}  #!\n", "strategy.name", 'did you mean "recurrent"?'),
    "alias": (f"{EXPERIMENT}strategy: {{name: gen}}  #!\n", "strategy.name", 'did you mean "generative_position"?'),
    "part of a name": (
        f"{EXPERIMENT}strategy: {{name: risk}}  #!\n",
        "strategy.name",
        'did you mean "generative_risk"?',
    ),
    "earlier name": (f"{EXPERIMENT}strategy: {{name: x}}  #!\n", "strategy.name", '_offpolicy", "seqgan",'),
    "key of a group below": (
        f"{EXPERIMENT}training: {{learning_rate: 0.1}}  #!\n",
        "training.learning_rate",
        'did you mean "optimizer.learning_rate"?',
    ),
    "beginning of two names": (
        f"{EXPERIMENT}training: {{schedule: {{warmup: 400}}}}  #!\n",
        "training.schedule.warmup",
        'did you mean "warmup_updates" or "warmup_ratio"?',
    ),
    "unknown key like no other": (f"{EXPERIMENT}decoding: {{zzz: 1}}  #!\n", "decoding.zzz", "known here: validation,"),
    "another option's key": (
        f"{EXPERIMENT}strategy:\n  name: standard\n  alpha: 1.0  #!\n",
        "strategy.alpha",
        'unknown key of "standard"; it belongs to "generative_risk" and "generative"',
    ),
    "missing at the root": ("version: 1  #!\nseed: 1\n", "name", "required, but missing; add it"),
    "missing in a group": (
        f"{EXPERIMENT}data:\n  corpus:  #!\n    name: files\n    folder: x\n",
        "data.corpus.splits",
        "required, but missing",
    ),
    "empty group": (f"{EXPERIMENT}data:  #!\nseed: 1\n", "data", "must be a mapping, got nothing"),
    "text for a number": (f"{EXPERIMENT}training:\n  epochs: ten  #!\n", "training.epochs", 'whole number, got "ten"'),
    "quoted number": (f'{EXPERIMENT}seed: "1"  #!\n', "seed", 'must be a whole number, got "1"; write it without quot'),
    "underscores": (
        f"{EXPERIMENT}data: {{max_tokens: 1_000}}  #!\n",
        "data.max_tokens",
        'got "1_000"; write it without',
    ),
    "fraction": (f"{EXPERIMENT}training: {{epochs: 2.0}}  #!\n", "training.epochs", "whole number, got 2.0; write 2"),
    "bool for a number": (f"{EXPERIMENT}seed: true  #!\n", "seed", "must be a whole number, got true"),
    "no for a bool": (f"{EXPERIMENT}data: {{lowercase: no}}  #!\n", "data.lowercase", 'got "no"; write true or false'),
    "Yes for a bool": (f"{EXPERIMENT}data: {{lowercase: Yes}}  #!\n", "data.lowercase", "must be true or false, got"),
    "off for a bool": (f"{EXPERIMENT}data: {{lowercase: off}}  #!\n", "data.lowercase", "write true or false"),
    "zero for a number or a word": (
        f"{EXPERIMENT}training: {{micro_batch_tokens: 0}}  #!\n",
        "training.micro_batch_tokens",
        "must be above 0, got 0",
    ),
    "text for a number or a word": (
        f"{EXPERIMENT}training: {{micro_batch_tokens: Auto}}  #!\n",
        "training.micro_batch_tokens",
        'must be a whole number or "auto", got "Auto"',
    ),
    "above a number's bound where a group may stand": (
        f"{EXPERIMENT}decoding:\n  test: {{name: beam, length_penalty: 7}}  #!\n",
        "decoding.test.length_penalty",
        "must be at most 5, got 7",
    ),
    "a form that there is not": (
        f"{EXPERIMENT}decoding:\n  test: {{name: beam, length_penalty: {{form: lenght}}}}  #!\n",
        "decoding.test.length_penalty.form",
        'must be "length", got "lenght"; did you mean "length"?',
    ),
    "sexagesimal": (f"{EXPERIMENT}seed: 12:30  #!\n", "seed", 'must be a whole number, got "12:30"'),
    "date": (f"{EXPERIMENT}seed: 2026-01-31  #!\n", "seed", 'must be a whole number, got "2026-01-31"'),
    "number for text": ("version: 1\nname: 12  #!\n", "name", 'must be text, got 12; write "12"'),
    "list for a group": (f"{EXPERIMENT}model: [1]  #!\n", "model", "must be a mapping, got a list"),
    "option without its mapping": (f"{EXPERIMENT}strategy: standard  #!\n", "strategy", "write {name: standard}"),
    "mapping for a list": (
        f"{EXPERIMENT}training: {{optimizer: {{betas: {{a: 1}}}}}}  #!\n",
        "betas",
        "must be a list",
    ),
    "short list": (
        f"{EXPERIMENT}training:\n  optimizer:\n    betas: [0.9]  #!\n",
        "training.optimizer.betas[1]",
        "required, but missing; the list is too short",
    ),
    "long list": (
        f"{EXPERIMENT}training: {{optimizer: {{betas: [0, 0, 0]}}}}  #!\n",
        "betas",
        "must have 2 entries, got 3",
    ),
    "bad list entry": (
        f"{EXPERIMENT}training:\n  optimizer:\n    betas:\n      - 0.9\n      - 1.0  #!\n",
        "training.optimizer.betas[1]",
        "must be below 1, got 1.0",
    ),
    "negative epochs": (f"{EXPERIMENT}training: {{epochs: -1}}  #!\n", "training.epochs", "must be at least 0, got -1"),
    "kept epochs that fall": (
        f"{EXPERIMENT}training:\n  keep_epochs: [2, 2]  #!\n",
        "training",
        "keep_epochs must rise, each number once, got 2, 2",
    ),
    "a kept epoch behind the last": (
        f"{EXPERIMENT}training:\n  epochs: 3\n  keep_epochs: [2, 4]  #!\n",
        "training",
        "keep_epochs must be at most epochs (3), got 4",
    ),
    "cycles that do not fill the epochs": (
        f"{EXPERIMENT}training:\n  epochs: 10\n  schedule: {{name: linear, cycle_epochs: 4}}  #!\n",
        "training",
        "schedule.cycle_epochs (4) must divide epochs (10)",
    ),
    "cycles of a schedule without an end": (
        f"{EXPERIMENT}training:\n  schedule:\n    cycle_epochs: 2  #!\n",
        "training.schedule",
        "cycle_epochs needs a schedule that ends at a final rate, and inverse_sqrt does not; set name to linear",
    ),
    "negative learning rate": (
        f"{EXPERIMENT}training: {{optimizer: {{learning_rate: -1e-3}}}}  #!\n",
        "training.optimizer.learning_rate",
        "must be above 0, got -0.001",
    ),
    "a name that is no text": (
        f"{EXPERIMENT}model: {{name: 3}}  #!\n",
        "model.name",
        '"encoder", "pretrained", got 3',
    ),
    "a key of another model": (
        f"{EXPERIMENT}model: {{name: decoder_only, encoder_layers: 2}}  #!\n",
        "model.encoder_layers",
        'unknown key; did you mean "layers"?',
    ),
    "heads of a decoder alone": (
        f"{EXPERIMENT}model: {{name: decoder_only, heads: 3}}  #!\n",
        "model",
        "must divide d_mo",
    ),
    "all states dropped": (
        f"{EXPERIMENT}model: {{output_dropout: 1.0}}  #!\n",
        "output_dropout",
        "must be below 1, got",
    ),
    "one stream of two vocabularies": (
        f"{EXPERIMENT}model: {{name: decoder_only}}  #!\ndata: {{tokenizer: {{joint: false}}}}\n",
        "model.name",
        "`decoder_only` needs data.tokenizer.joint: true",
    ),
    "a model that writes nothing": (
        f"{EXPERIMENT}model: {{name: encoder}}  #!\n",
        "task.name",
        "needs a model that offers generation, which encoder does not",
    ),
    "an encoder's head without an encoder": (
        f"{EXPERIMENT}model: {{name: decoder_only}}\nstrategy: {{name: auxiliary, head: encoder}}  #!\n",
        "strategy.head",
        "needs a model that offers encoder_output, which decoder_only does not; take decoder, or another model",
    ),
    "odd width": (f"{EXPERIMENT}model: {{d_model: 7}}  #!\n", "model.d_model", "must be a multiple of 2, got 7"),
    "too long": (
        f"{EXPERIMENT}decoding: {{max_length_offset: 9223372036854775807}}  #!\n",
        "decoding.max_length_offset",
        "must be at most 8192, got 9223372036854775807",
    ),
    "too large": (f"{EXPERIMENT}seed: 2147483648  #!\n", "seed", "must be below 2147483648, got 2147483648"),
    "unknown word": (f"{EXPERIMENT}model: {{norm: prae}}  #!\n", "model.norm", 'got "prae"; did you mean "pre"?'),
    "unknown version": ("version: 2  #!\nname: tiny\n", "version", "must be 1, got 2"),
    "unknown option": (
        f"{EXPERIMENT}strategy: {{name: genrative}}  #!\n",
        "strategy.name",
        'did you mean "generative_position"?',
    ),
    "option of a wrong type": (f"{EXPERIMENT}strategy: {{name: 3}}  #!\n", "strategy.name", "must be one of"),
    "no option": (f"{EXPERIMENT}strategy:  #!\n  alpha: 1\n", "strategy.name", 'write one of "standard", "standard_ma'),
    "climbing name": ("version: 1\nname: ../x  #!\n", "name", "must be a name: at most 64 of A-Z a-z 0-9 . _ -"),
    "climbing split name": (
        f"{EXPERIMENT}data:\n  corpus:\n    name: hub\n    splits:\n      train: a\n      valid: b\n      test: c\n"
        "      ../x: d  #!\n",
        "data.corpus.splits.../x",
        "must be a name",
    ),
    "absolute path": (
        f"{EXPERIMENT}data:\n  corpus:\n    name: files\n    folder: x\n    splits:\n"
        "      train: {source: a, target: b}\n      valid: {file: /etc/passwd}  #!\n      test: {file: c}\n",
        "data.corpus.splits.valid.file",
        "must be a path inside the folder, got '/etc/passwd'",
    ),
    "half a pair of files": (
        f"{EXPERIMENT}data:\n  corpus:\n    name: files\n    folder: x\n    splits:\n"
        "      train:  #!\n        source: a\n"
        "      valid: {source: a, target: b}\n      test: {source: a, target: b}\n",
        "data.corpus.splits.train.target",
        "required, but missing",
    ),
    "a split that is no mapping": (
        f"{EXPERIMENT}data:\n  corpus:\n    name: files\n    folder: x\n    splits:\n      train: a  #!\n"
        "      valid: {source: a, target: b}\n      test: {source: a, target: b}\n",
        "data.corpus.splits.train",
        'must be a mapping, got "a"',
    ),
    "no test split": (
        f"{EXPERIMENT}data:\n  corpus:\n    name: hub\n    splits:  #!\n      train: a\n      valid: b\n",
        "data.corpus.splits",
        "lack test, by which task translation is scored; add it",
    ),
    "two names of a field": (
        f"{EXPERIMENT}data:\n  corpus:\n    name: files\n    folder: x\n    splits:\n"
        "      train:\n        file: a.tsv\n        source_field: b\n        fields: {source: c}  #!\n"
        "      valid: {file: a.tsv}\n      test: {file: a.tsv}\n",
        "data.corpus.splits.train.fields",
        "source_field names the field of source already; give one of the two",
    ),
    "a vocabulary of no experiment": (
        f"{EXPERIMENT}data:\n  tokenizer:  #!\n    name: of_experiment\n",
        "data.tokenizer.experiment",
        "required, but missing",
    ),
    "a name of no tokenizer": (
        f"{EXPERIMENT}data:\n  tokenizer:\n    name: of_experiments  #!\n    experiment: e.yaml\n",
        "data.tokenizer.name",
        'must be "of_experiment"',
    ),
    "a key of the other tokenizer": (
        f"{EXPERIMENT}data:\n  tokenizer:\n    name: of_experiment\n    experiment: e.yaml\n    joint: true  #!\n",
        "data.tokenizer.joint",
        "unknown key",
    ),
    "missing splits": (
        f"{EXPERIMENT}data:\n  corpus:\n    name: hub\n    splits:  #!\n      train: a\n",
        "data.corpus",
        "splits lack valid",
    ),
    "unknown key of a later stage": (
        f"{EXPERIMENT}strategy:\n  name: intelligen\n  policy:\n    name: curriculum\n    stages:\n"
        "      - {weights: {standard: 1.0}, until_share: 0.3}\n      - {weights: {standrd: 1.0}}  #!\n",
        "strategy.policy.stages[1].weights.standrd",
        'unknown key; did you mean "standard"?',
    ),
    "weights that are no shares": (
        f"{EXPERIMENT}strategy: {{name: intelligen, policy: {{weights: {{standard: 0.5}}, name: static}}}}  #!\n",
        "strategy.policy.weights",
        "the weights must sum to 1, got 0.5",
    ),
    "unknown arm": (
        f"{EXPERIMENT}strategy: {{name: intelligen, policy: {{name: bandit, arms: [standard, seqgn]}}}}  #!\n",
        "strategy.policy.arms[1]",
        'did you mean "seqgan"?',
    ),
    "rule over two settings": (f"{EXPERIMENT}model:\n  d_ff: 8\n  heads: 3  #!\n", "model", "heads (3) must divide"),
    "rule over two groups": (
        f"{EXPERIMENT}data:\n  max_tokens: 600  #!\n",
        "data.max_tokens (600)",
        "must be below model",
    ),
}


@pytest.mark.parametrize(("text", "key", "reason"), BAD_EXPERIMENTS.values(), ids=BAD_EXPERIMENTS)
def test_a_mistake_is_reported_in_one_line_with_its_location(folder: Path, text: str, key: str, reason: str) -> None:
    assert_reported(Path("experiment.yaml"), text, key, reason)


def test_all_problems_of_a_file_are_reported_together(folder: Path) -> None:
    Path("x.yaml").write_text("version: 2\nname: a b\nsed: 1\ntraining:\n  epochs: -1\n  batch: 1\n")
    assert [message.split(": ")[:2] for message in refusal(Path("x.yaml"))] == [
        ["x.yaml:1", "version"],
        ["x.yaml:2", "name"],
        ["x.yaml:5", "training.epochs"],
        ["x.yaml:6", "training.batch"],
        ["x.yaml:3", "sed"],
    ]


def test_at_most_a_hundred_problems_are_reported(folder: Path) -> None:
    Path("x.yaml").write_text(EXPERIMENT + "".join(f"k{i}: 1\n" for i in range(125)))
    messages = refusal(Path("x.yaml"))
    assert len(messages) == 101
    assert messages[-1] == "… and 25 more"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(group=st.sampled_from(["task", "data", "model", "training", "strategy", "decoding"]), value=json_values)
def test_no_value_raises_anything_but_a_reported_mistake(folder: Path, group: str, value: object) -> None:
    Path("x.yaml").write_text(EXPERIMENT + yaml.safe_dump({group: {"corpus": value} if group == "data" else value}))
    try:
        load_experiment(Path("x.yaml"))
    except ConfigError as error:
        messages_of(error)
