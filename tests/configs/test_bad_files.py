"""Each mistake in a file is told with its line, its key, the reason and the mend, and ends with exit code 2.

In the tables the offending line is the one that holds `#!`.
"""

import os
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intelligen.config.loading import load_experiment, load_sweep
from intelligen.errors import ConfigError

EXPERIMENT = "version: 1\nname: tiny\n"
SWEEP = "version: 1\nname: tiny\nexperiment: experiment.yaml\nbudget: {trials: 2}\n"
SPACE = f"{SWEEP}space:\n"
VARIED = f"{SPACE}  model.dropout: {{uniform: [0.0, 0.3]}}\n"

INTERNALS = re.compile(
    r"Value error|function-after|Input should|https?:|pydantic|tagged-union|Traceback", re.IGNORECASE
)


def told(error: ConfigError) -> list[str]:
    assert type(error) is ConfigError
    assert error.exit_code == 2
    assert not INTERNALS.search(str(error))
    lines = str(error).split("\n")
    assert all(line.isprintable() for line in lines)
    return lines


def refusal(path: Path) -> list[str]:
    load = load_sweep if path.name.startswith("sweep") else load_experiment
    with pytest.raises(ConfigError) as caught:
        load(path)
    return told(caught.value)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


BROKEN_YAML = {
    "empty": ("#!", "", "the file is empty"),
    "only a comment and a separator": ("#!\n---\n", "", "the file is empty"),
    "bad indentation": (f"{EXPERIMENT}training:\n    epochs: 1\n  seed: 2  #!\n", "", "not valid YAML"),
    "unclosed bracket": (
        f"{EXPERIMENT}training:\n  optimizer: {{betas: [0.9, 0.98]\nseed: 1  #!\n",
        "",
        "not valid YAML",
    ),
    "bracket open at the end": (f"{EXPERIMENT}training: {{epochs: 1  #!\n\n", "", "not valid YAML"),
    "unclosed quotation": (f"{EXPERIMENT}task: 'x  #!\n", "", "not valid YAML"),
    "escape beyond Unicode": (f'{EXPERIMENT}task: "\\U00110000"  #!\n', "", "not valid YAML"),
    "colon in plain text": (f"{EXPERIMENT}task: a: b  #!\n", "", "not valid YAML"),
    "tab": (f"{EXPERIMENT}training:\n\tepochs: 1  #!\n", "", "a tab; indent with spaces"),
    "tab between words": (f"{EXPERIMENT}seed:\t1  #!\n", "", "a tab"),
    "two documents": (f"{EXPERIMENT}---  #!\n{EXPERIMENT}", "", "a second document"),
    "list at the root": ("- version: 1  #!\n- name: tiny\n", "", "must be a mapping of settings, got a list"),
    "scalar at the root": ("tiny  #!\n", "", 'must be a mapping of settings, got "tiny"'),
    "duplicate key": (f"{EXPERIMENT}seed: 1\nseed: 2  #!\n", "seed", "stands twice, first at experiment.yaml:3"),
    "duplicate nested key": (
        f"{EXPERIMENT}training:\n  epochs: 1\n  epochs: 2  #!\n",
        "training.epochs",
        "stands twice, first at experiment.yaml:4",
    ),
    "alias": (f"{EXPERIMENT}seed: *a  #!\n", "seed", "*a refers to another place"),
    "anchor": (f"{EXPERIMENT}training: &a {{epochs: 1}}  #!\n", "training", "anchor &a is not allowed"),
    "merge key": (f"{EXPERIMENT}training:\n  <<: {{epochs: 1}}  #!\n", "training.<<", "unknown key"),
    "Python tag": (
        f"{EXPERIMENT}seed: !!python/object/apply:os.getpid []  #!\n",
        "seed",
        "tag !!python/object/apply:os.getpid is not allowed",
    ),
    "standard tag": (f"{EXPERIMENT}seed: !!int 3  #!\n", "seed", "tag !!int is not allowed"),
    "own tag": (f"{EXPERIMENT}seed: !mine 3  #!\n", "seed", "tag !mine is not allowed"),
    "too deep": (f"{EXPERIMENT}data: {'[' * 40}{']' * 40}  #!\n", "", "nested deeper than 32 levels"),
    "number as a key": (f"{EXPERIMENT}training:\n  1: 2  #!\n", "training", "a key must be text, got 1; quote it"),
    "list as a key": (f"{EXPERIMENT}training:\n  ? [1]  #!\n  : 2\n", "training", "a key must be text, got a list"),
    "no key": (f"{EXPERIMENT}? #!\n: 2\n", "", "a key must be text, got nothing"),
    "octal": (f"{EXPERIMENT}seed: 010  #!\n", "seed", 'may mean decimal or octal; write 10, or "010" for text'),
    "infinity": (f"{EXPERIMENT}training:\n  label_smoothing: .inf  #!\n", "training.label_smoothing", "not a finite"),
    "NaN": (f"{EXPERIMENT}training:\n  label_smoothing: .nan  #!\n", "training.label_smoothing", "not a finite number"),
    "float overflow": (f"{EXPERIMENT}training: {{label_smoothing: 1e999}}  #!\n", "training.label_smoothing", "out of"),
    "huge whole number": (f"{EXPERIMENT}seed: {'9' * 5000}  #!\n", "seed", "must fit into 64 bits"),
    "NUL by an escape": (f'{EXPERIMENT}data: {{corpus: "\\0"}}  #!\n', "data.corpus", "control character U+0000"),
    "surrogate by an escape": (f'{EXPERIMENT}seed: "\\ud800"  #!\n', "seed", "control character U+D800"),
    "terminal control": (f"{EXPERIMENT}seed: \x1b[2J  #!\n", "", "control character U+001B"),
}

BAD_EXPERIMENTS = {
    "unknown key": (f"{EXPERIMENT}trainning: {{}}  #!\n", "trainning", 'unknown key; did you mean "training"?'),
    "unknown nested key": (
        f"{EXPERIMENT}training:\n  optimizer:\n    learning_rat: 1e-3  #!\n",
        "training.optimizer.learning_rat",
        'unknown key; did you mean "learning_rate"?',
    ),
    "unknown key like no other": (f"{EXPERIMENT}decoding: {{zzz: 1}}  #!\n", "decoding.zzz", "known here: validation,"),
    "another option's key": (
        f"{EXPERIMENT}strategy:\n  name: standard\n  alpha: 1.0  #!\n",
        "strategy.alpha",
        'unknown key of "standard"; it belongs to "generative"',
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
    "zero epochs": (f"{EXPERIMENT}training: {{epochs: 0}}  #!\n", "training.epochs", "must be above 0, got 0"),
    "negative learning rate": (
        f"{EXPERIMENT}training: {{optimizer: {{learning_rate: -1e-3}}}}  #!\n",
        "training.optimizer.learning_rate",
        "must be above 0, got -0.001",
    ),
    "odd width": (f"{EXPERIMENT}model: {{d_model: 7}}  #!\n", "model.d_model", "must be a multiple of 2, got 7"),
    "too large": (f"{EXPERIMENT}seed: 2147483648  #!\n", "seed", "must be below 2147483648, got 2147483648"),
    "unknown word": (f"{EXPERIMENT}model: {{norm: prae}}  #!\n", "model.norm", 'got "prae"; did you mean "pre"?'),
    "unknown version": ("version: 2  #!\nname: tiny\n", "version", "must be 1, got 2"),
    "unknown option": (
        f"{EXPERIMENT}strategy: {{name: genrative}}  #!\n",
        "strategy.name",
        'did you mean "generative"?',
    ),
    "option of a wrong type": (f"{EXPERIMENT}strategy: {{name: 3}}  #!\n", "strategy.name", "must be one of"),
    "no option": (f"{EXPERIMENT}strategy:  #!\n  alpha: 1\n", "strategy.name", 'write one of "standard", "generative"'),
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
    "missing splits": (
        f"{EXPERIMENT}data:\n  corpus:\n    name: hub\n    splits:  #!\n      train: a\n",
        "data.corpus",
        "splits lack valid, test",
    ),
    "rule over two settings": (f"{EXPERIMENT}model:\n  d_ff: 8\n  heads: 3  #!\n", "model", "heads (3) must divide"),
    "rule over two groups": (
        f"{EXPERIMENT}data:\n  max_tokens: 600  #!\n",
        "data.max_tokens (600)",
        "must be below model",
    ),
}

BAD_SWEEPS = {
    "empty space": (f"{SWEEP}space: {{}}  #!\n", "space", "must not be empty"),
    "missing space": (f"{SWEEP.replace('version: 1', 'version: 1  #!')}", "space", "required, but missing"),
    "bare value": (
        f"{SPACE}  finetuning.epochs: 3  #!\n",
        "space.finetuning.epochs",
        "write {const: 3} for a fixed value",
    ),
    "unknown form": (
        f"{SPACE}  model.dropout: {{unifrm: [0, 1]}}  #!\n",
        "space.model.dropout",
        'did you mean "uniform"?',
    ),
    "two forms": (f"{SPACE}  model.dropout: {{const: 0, int: [1, 2]}}  #!\n", "space.model.dropout", "with one key of"),
    "low > high": (
        f"{SPACE}  model.dropout: {{uniform: [0.5, 0.1]}}  #!\n",
        "space.model.dropout",
        "low must be below high",
    ),
    "log from 0": (
        f"{SPACE}  finetuning.optimizer.learning_rate: {{log_uniform: [0, 1]}}  #!\n",
        "space.finetuning.optimizer.learning_rate",
        "starts above 0",
    ),
    "fraction in int": (
        f"{SPACE}  finetuning.epochs: {{int: [1, 2.5]}}  #!\n",
        "space.finetuning.epochs.int[1]",
        "whole",
    ),
    "one end": (
        f"{SPACE}  model.dropout: {{uniform: [0.1]}}  #!\n",
        "space.model.dropout.uniform[1]",
        "list is too short",
    ),
    "NaN end": (
        f"{SPACE}  model.dropout: {{uniform: [0.1, .nan]}}  #!\n",
        "space.model.dropout.uniform[1]",
        "not a finite",
    ),
    "empty choice": (
        f"{SPACE}  finetuning.epochs: {{choice: []}}  #!\n",
        "space.finetuning.epochs.choice",
        "not be empty",
    ),
    "empty options": (f"{SPACE}  strategy: {{choice: {{}}}}  #!\n", "space.strategy.choice", "must not be empty"),
    "no choice": (
        f"{SPACE}  strategy: {{choice: 3}}  #!\n",
        "space.strategy.choice",
        "must be a list or a mapping, got 3",
    ),
    "nested list": (f"{SPACE}  strategy: {{choice: [[a]]}}  #!\n", "space.strategy.choice[0]", "or text, got a list"),
    "option twice": (
        f"{SPACE}  finetuning.epochs: {{choice: [1, 1]}}  #!\n",
        "space.finetuning.epochs",
        "stands twice",
    ),
    "option without braces": (
        f"{SPACE}  strategy:\n    choice:\n      standard:  #!\n",
        "space.strategy.choice.standard",
        "must be a mapping, got nothing; indent its settings below it, or write {}",
    ),
    "zero trials": (f"{VARIED.replace('{trials: 2}', '{trials: 0}  #!')}", "budget.trials", "must be above 0, got 0"),
    "two budgets": (
        VARIED.replace("budget: {trials: 2}", "budget:\n  trials: 2  #!\n  trials_per_strategy: 2"),
        "budget",
        "give either `trials` or `trials_per_strategy`",
    ),
    "no strategies to take turns": (
        VARIED.replace("budget: {trials: 2}", "budget:\n  trials_per_strategy: 2  #!"),
        "budget.trials_per_strategy",
        "needs a `choice` of strategies",
    ),
    "unknown sampler": (f"{VARIED}search: {{sampler: tpee}}  #!\n", "search.sampler", 'did you mean "tpe"?'),
    "unknown scheduler": (
        f"{VARIED}scheduler: {{name: hyperband}}  #!\n",
        "scheduler.name",
        'must be one of "asha", "none"',
    ),
    "unproduced metric": (f"{VARIED}objective: {{metric: valid/f1}}  #!\n", "objective.metric", 'one of "valid/bleu"'),
    "bad direction": (
        f"{VARIED}objective: {{direction: up}}  #!\n",
        "objective.direction",
        '"maximize", "minimize", got "up"',
    ),
    "useless direction": (f"{VARIED}objective:  #!\n  metric: valid/loss\n", "objective", "turn the direction round"),
    "climbing name": (VARIED.replace("name: tiny", "name: ../x  #!"), "name", "must be a name"),
    "no experiment file": (
        VARIED.replace("experiment.yaml", "experimint.yaml  #!"),
        "experiment",
        'experimint.yaml: no such file; did you mean "experiment.yaml"?',
    ),
    "experiment is a folder": (VARIED.replace("experiment.yaml", ".  #!"), "experiment", "is a directory"),
}

BAD_SPACES = {
    "unknown setting": (
        "  finetuning.optimizer.learning_rat: {log_uniform: [1e-5, 1e-3]}  #!\n",
        "finetuning.optimizer.learning_rat",
        'unknown key; did you mean "learning_rate"?',
    ),
    "unknown group": ("  finetunning.epochs: {int: [1, 2]}  #!\n", "finetunning.epochs", 'did you mean "finetuning"?'),
    "other shape": ("  model.heads: {choice: [2, 4]}  #!\n", "model.heads", "all trials start from one baseline"),
    "other data": ("  data.max_tokens: {choice: [8]}  #!\n", "data.max_tokens", "all trials start from one baseline"),
    "other baseline": (
        "  training.epochs: {choice: [8]}  #!\n",
        "training.epochs",
        "all trials start from one baseline",
    ),
    "other seed": ("  seed: {int: [1, 2]}  #!\n", "seed", "all trials start from one baseline"),
    "high end": ("  model.dropout: {uniform: [0.1, 1.5]}  #!\n", "model.dropout", "must be below 1, got 1.5"),
    "low end": (
        "  finetuning.optimizer.learning_rate: {uniform: [-0.1, 0.1]}  #!\n",
        "finetuning.optimizer.learning_rate",
        "must be above 0, got -0.1",
    ),
    "end on its own line": (
        "  model.dropout:\n    uniform:\n      - 0.1\n      - 1.5  #!\n",
        "model.dropout",
        "must be below 1, got 1.5",
    ),
    "wrong constant": ("  finetuning.precision: {const: fp8}  #!\n", "finetuning.precision", 'got "fp8"'),
    "a constant where another is varied": (
        "  strategy: {const: {name: generative, alpha: 0}}  #!\n",
        "strategy",
        "must be above 0, got 0",
    ),
    "wrong value of a list": (
        "  finetuning.schedule.name:\n    choice:\n      - cosine\n      - cosin  #!\n",
        "finetuning.schedule.name",
        'got "cosin"; did you mean "cosine"?',
    ),
    "unknown strategy": (
        "  strategy:\n    choice:\n      standard: {}\n      genrative: {}  #!\n",
        "strategy",
        'must be one of "standard", "generative", got "genrative"; did you mean "generative"?',
    ),
    "unknown first strategy": ("  strategy: {choice: {standrad: {}}}  #!\n", "strategy", 'did you mean "standard"?'),
    "unknown strategy in a list": (
        "  strategy: {choice: [standard, x]}  #!\n",
        "strategy",
        'must be one of "standard"',
    ),
    "unknown parameter of an option": (
        "  strategy:\n    choice:\n      standard: {}\n      generative:\n"
        "        probability.strat: {uniform: [0.1, 0.2]}  #!\n",
        "strategy.choice.generative.probability.strat",
        'unknown key; did you mean "start"?',
    ),
    "parameter of the other option": (
        "  strategy:\n    choice:\n      generative: {}\n      standard:\n        alpha: {uniform: [0.1, 0.2]}  #!\n",
        "strategy.choice.standard.alpha",
        'unknown key of "standard"; it belongs to "generative"',
    ),
    "parameter of one option for all": (
        "  strategy:\n    choice:\n      generative: {}\n      standard: {}  #!\n"
        "  strategy.alpha: {uniform: [0.1, 0.2]}\n",
        "strategy",
        'strategy.alpha: unknown key of "standard"',
    ),
    "end of an option's parameter": (
        "  strategy:\n    choice:\n      standard: {}\n      generative:\n        candidates: {int: [1, 4]}  #!\n",
        "strategy.choice.generative.candidates",
        "must be at least 2, got 1",
    ),
    "absolute key in an option": (
        "  strategy:\n    choice:\n      standard:\n        finetuning.epochs: {int: [0, 4]}  #!\n",
        "strategy.choice.standard.finetuning.epochs",
        "must be above 0, got 0",
    ),
    "forbidden key in an option": (
        "  strategy:\n    choice:\n      standard:\n        training.epochs: {int: [1, 4]}  #!\n",
        "strategy.choice.standard.training.epochs",
        "all trials start from one baseline",
    ),
    "varied for all and in an option": (
        "  finetuning.epochs: {const: 2}\n  strategy:\n    choice:\n      standard:\n"
        "        finetuning.epochs: {int: [1, 4]}  #!\n",
        "strategy.choice.standard.finetuning.epochs",
        "finetuning.epochs varies at two places",
    ),
    "varied twice in an option": (
        "  strategy:\n    choice:\n      generative:\n"
        "        alpha: {uniform: [0.5, 1.0]}\n        strategy.alpha: {uniform: [0.5, 1.0]}  #!\n",
        "strategy.choice.generative.strategy.alpha",
        "strategy.alpha varies at two places",
    ),
    "options of a plain setting": (
        "  finetuning.optimizer.name: {choice: {adam: {}, adamw: {}}}  #!\n",
        "finetuning.optimizer.name",
        "write a list of values",
    ),
    "settings that exclude each other": (
        "  strategy:\n    choice:\n      generative:\n        probability.end: {uniform: [0.2, 0.5]}  #!\n",
        "strategy.choice.generative.probability.end",
        "a constant schedule cannot end elsewhere",
    ),
}

CASES = (
    [pytest.param("experiment.yaml", *case, id=name) for name, case in (BROKEN_YAML | BAD_EXPERIMENTS).items()]
    + [pytest.param("sweep.yaml", *case, id=f"sweep, {name}") for name, case in BAD_SWEEPS.items()]
    + [
        pytest.param("sweep.yaml", f"{SPACE}{text}", f"space.{key}", reason, id=f"space, {name}")
        for name, (text, key, reason) in BAD_SPACES.items()
    ]
)


@pytest.mark.parametrize(("file", "text", "key", "reason"), CASES)
def test_a_mistake_is_told_in_one_line_with_its_place(
    folder: Path, file: str, text: str, key: str, reason: str
) -> None:
    (folder / file).write_text(text, encoding="utf-8")
    line = text[: text.index("#!")].count("\n") + 1
    (message,) = refusal(Path(file))
    assert message.startswith(f"{file}:{line}: ")
    assert key in message
    assert reason in message


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        pytest.param(b"version: 1\nname: \x00\n", 2, "binary", id="NUL"),
        pytest.param(b"\x7fELF\x02\x01\x01\x00\x00", 1, "binary", id="binary"),
        pytest.param("version: 1\nname: tiny\n".encode("utf-16"), 1, "binary", id="UTF-16"),
        pytest.param(b"version: 1\nname: caf\xe9\n", 2, "not UTF-8 at byte 20; save the file as UTF-8", id="Latin-1"),
        pytest.param(b"", 1, "the file is empty", id="empty"),
        pytest.param(b" \n\n", 1, "the file is empty", id="blank"),
    ],
)
def test_bytes_that_are_no_text_are_told_with_their_line(folder: Path, content: bytes, line: int, reason: str) -> None:
    Path("x.yaml").write_bytes(content)
    (message,) = refusal(Path("x.yaml"))
    assert message.startswith(f"x.yaml:{line}: ")
    assert reason in message


def test_an_alias_bomb_is_refused_before_it_grows(folder: Path) -> None:
    rows = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))]
    Path("x.yaml").write_text("\n".join(rows))
    messages = refusal(Path("x.yaml"))
    assert messages[0].startswith("x.yaml:1: a0: anchor &a0")
    assert len(messages) == 11


def test_a_file_over_one_mebibyte_is_not_parsed(folder: Path) -> None:
    Path("x.yaml").write_text(EXPERIMENT + "#" * (1 << 20))
    (message,) = refusal(Path("x.yaml"))
    assert message.startswith("x.yaml: larger than 1 MiB")


def test_a_missing_file_is_named_with_the_nearest_one(folder: Path) -> None:
    assert refusal(Path("experimnt.yaml")) == ['experimnt.yaml: no such file; did you mean "experiment.yaml"?']
    assert refusal(Path("nowhere/x.yaml")) == [
        "nowhere/x.yaml: no such file; its directory does not exist either: check the path"
    ]


@pytest.mark.timeout(20)  # reading a pipe would wait for ever
def test_what_is_no_regular_file_is_named(folder: Path) -> None:
    Path("loop.yaml").symlink_to("loop.yaml")
    os.mkfifo("pipe.yaml")
    assert refusal(folder) == [f"{folder}: is a directory; give a YAML file in it"]
    assert refusal(Path("pipe.yaml")) == ["pipe.yaml: is not a regular file; give a YAML file"]
    assert refusal(Path("loop.yaml"))[0].startswith("loop.yaml: cannot be read: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(folder: Path) -> None:
    Path("x.yaml").write_text(EXPERIMENT)
    Path("x.yaml").chmod(0)
    assert refusal(Path("x.yaml")) == ["x.yaml: cannot be read: Permission denied; check path and permissions"]


def test_all_problems_of_a_file_are_told_together(folder: Path) -> None:
    Path("x.yaml").write_text("version: 2\nname: a b\nsed: 1\ntraining:\n  epochs: 0\n  batch: 1\n")
    assert [message.split(": ")[:2] for message in refusal(Path("x.yaml"))] == [
        ["x.yaml:1", "version"],
        ["x.yaml:2", "name"],
        ["x.yaml:5", "training.epochs"],
        ["x.yaml:6", "training.batch"],
        ["x.yaml:3", "sed"],
    ]


def test_at_most_ten_problems_are_told(folder: Path) -> None:
    Path("x.yaml").write_text(EXPERIMENT + "".join(f"k{i}: 1\n" for i in range(25)))
    messages = refusal(Path("x.yaml"))
    assert len(messages) == 11
    assert messages[-1] == "… and 15 more"


def test_a_mistake_in_the_experiment_is_told_at_the_experiments_file(folder: Path) -> None:
    (folder / "experiment.yaml").write_text(f"{EXPERIMENT}seed: -1\n")
    (folder / "search spaces").mkdir()
    sweep = Path("search spaces/sweep ü.yaml")
    sweep.write_text(VARIED.replace("experiment.yaml", "../experiment.yaml"))
    assert refusal(sweep) == ["experiment.yaml:3: seed: must be at least 0, got -1"]


def test_control_characters_of_a_path_do_not_reach_the_terminal(folder: Path) -> None:
    (message,) = refusal(Path("a\nb\x1b[2J.yaml"))
    assert message.startswith("a\\nb\\x1b[2J.yaml: no such file")


anything = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.text(alphabet="ab1:-?&*!|>'\"%@`{}[],# \n~.<=\\u", max_size=60).map(lambda text: f"{EXPERIMENT}{text}".encode()),
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["files", "hub", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "splits", "hub", "train", "source", "choice", "int", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=anything)
def test_no_file_raises_anything_but_a_told_mistake(folder: Path, content: bytes) -> None:
    Path("x.yaml").write_bytes(content)
    try:
        load_experiment(Path("x.yaml"))
    except ConfigError as error:
        told(error)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(group=st.sampled_from(["task", "data", "model", "training", "strategy", "decoding"]), value=json_values)
def test_no_value_raises_anything_but_a_told_mistake(folder: Path, group: str, value: object) -> None:
    Path("x.yaml").write_text(EXPERIMENT + yaml.safe_dump({group: {"corpus": value} if group == "data" else value}))
    try:
        load_experiment(Path("x.yaml"))
    except ConfigError as error:
        told(error)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from(["strategy", "finetuning", "model.dropout", "decoding.test.size", "x..y"]), value=json_values
)
def test_no_search_space_raises_anything_but_a_told_mistake(folder: Path, key: str, value: object) -> None:
    Path("sweep.yaml").write_text(SWEEP + yaml.safe_dump({"space": {key: value}}))
    try:
        load_sweep(Path("sweep.yaml"))
    except ConfigError as error:
        told(error)
