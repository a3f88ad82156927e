"""A wrong sweep file ends every verb that takes it with exit code 2, one line with its place, and no Ray started.

The table's `#!` stands on the offending line. The other tests of this folder go deeper; these go through the command.
"""

import subprocess
import sys
from pathlib import Path

import pytest
import refusals
from refusals import EXPERIMENT, SPACE, SWEEP, VARIED, reported_at

from intelligen.cli.main import commands, guarded

folder = refusals.folder

LEARNING_RATE = "finetuning.optimizer.learning_rate"
GENERATIVE = f"{SPACE}  strategy:\n    choice:\n      generative:\n"

NO_YAML = {
    "empty": ("#!", "", "the file is empty"),
    "bad indentation": (f"{VARIED}search:\n    seed: 1\n  sampler: tpe  #!\n", "", "not valid YAML"),
    "tab": (f"{VARIED}search:\n\tseed: 1  #!\n", "", "a tab; indent with spaces"),
    "two documents": (f"{VARIED}---  #!\n{VARIED}", "", "a second document"),
    "list at the root": ("- version: 1  #!\n- name: tiny\n", "", "must be a mapping of settings, got a list"),
    "key twice": (f"{VARIED}budget: {{trials: 3}}  #!\n", "budget", "occurs twice, first at sweep.yaml:4"),
    "alias": (f"{VARIED}question: *q  #!\n", "question", "*q refers to another value"),
    "Python tag": (f"{VARIED}question: !!python/name:os.system  #!\n", "question", "is not allowed; remove it"),
    "octal": (f"{VARIED}search: {{seed: 017}}  #!\n", "search.seed", "may mean decimal or octal; write 17"),
    "NaN": (f"{SPACE}  model.dropout: {{uniform: [.nan, 0.1]}}  #!\n", "space.model.dropout", "not a finite number"),
    "infinity": (f"{SPACE}  model.dropout: {{uniform: [0.1, .inf]}}  #!\n", "space.model.dropout", "not a finite"),
    "overflow": (f"{SPACE}  model.dropout: {{const: 1e999}}  #!\n", "space.model.dropout.const", "out of a number's"),
    "huge number": (f"{VARIED}search: {{seed: {'9' * 30}}}  #!\n", "search.seed", "must fit into 64 bits"),
    "number as a key": (f"{VARIED}resources: {{1: 2}}  #!\n", "resources", "a key must be text, got 1; quote it"),
    "hidden NUL": (f'{VARIED}question: "\\0"  #!\n', "question", "control character U+0000"),
    "too deep": (f"{VARIED}question: {'[' * 40}{']' * 40}  #!\n", "", "nested deeper than 32 levels"),
    "unclosed": (f"{VARIED}resources: {{workers: 1  #!\n", "", "not valid YAML"),
}
BAD_SETTINGS = {
    "unknown key": (f"{VARIED}bugdet: {{trials: 2}}  #!\n", "bugdet", 'unknown key; did you mean "budget"?'),
    "unknown nested key": (f"{VARIED}resources: {{wrokers: 2}}  #!\n", "resources.wrokers", 'did you mean "workers"?'),
    "missing key": (VARIED.replace("version: 1", "version: 1  #!").replace("name: tiny\n", ""), "name", "required"),
    "missing experiment": (
        VARIED.replace("version: 1", "version: 1  #!").replace("experiment: experiment.yaml\n", ""),
        "experiment", "required, but missing; add it"),
    "text for a number": (VARIED.replace("{trials: 2}", "{trials: two}  #!"), "budget.trials", 'number, got "two"'),
    "fraction": (VARIED.replace("{trials: 2}", "{trials: 2.5}  #!"), "budget.trials", "a whole number, got 2.5"),
    "quoted number": (VARIED.replace("{trials: 2}", '{trials: "2"}  #!'), "budget.trials", "without quotation marks"),
    "date": (VARIED.replace("{trials: 2}", "{trials: 2026-01-31}  #!"), "budget.trials", 'got "2026-01-31"'),
    "zero trials": (VARIED.replace("{trials: 2}", "{trials: 0}  #!"), "budget.trials", "must be above 0, got 0"),
    "negative budget": (VARIED.replace("{trials: 2}", "{trials: -2}  #!"), "budget.trials", "must be above 0, got -2"),
    "turns without strategies": (VARIED.replace("{trials: 2}", "{trials_per_strategy: 2}  #!"), "budget",
                                 "needs a `choice` of strategies"),
    "unknown sampler": (f"{VARIED}search: {{sampler: bayes}}  #!\n", "search.sampler", 'got "bayes"'),
    "negative seed": (f"{VARIED}search: {{seed: -1}}  #!\n", "search.seed", "must be at least 0, got -1"),
    "unknown scheduler": (f"{VARIED}scheduler: {{name: ashe}}  #!\n", "scheduler.name", 'did you mean "asha"?'),
    "option without its mapping": (f"{VARIED}scheduler: asha  #!\n", "scheduler", "write {name: asha}"),
    "no reduction": (f"{VARIED}scheduler: {{name: asha, reduction_factor: 1}}  #!\n", "scheduler.reduction_factor",
                     "must be at least 2, got 1"),
    "a metric that nothing produces": (f"{VARIED}objective: {{metric: valid/rouge}}  #!\n", "objective.metric",
                                       'got "valid/rouge"'),
    "a metric of a test set": (f"{VARIED}objective: {{metric: test/bleu}}  #!\n", "objective.metric", "must be one of"),
    "bad direction": (f"{VARIED}objective: {{direction: higher}}  #!\n", "objective.direction", 'got "higher"'),
    "a metric that chooses no epoch": (f"{VARIED}objective: {{metric: valid/chrf}}  #!\n", "objective.metric",
                                       "but the experiment selects its epochs by valid/bleu"),
    "no workers": (f"{VARIED}resources: {{workers: 0}}  #!\n", "resources.workers", "must be above 0, got 0"),
    "too many attempts": (f"{VARIED}resources: {{attempts: 99}}  #!\n", "resources.attempts", "at most 10, got 99"),
    "unknown version": (VARIED.replace("version: 1", "version: 7  #!"), "version", "must be 1, got 7"),
    "climbing name": (VARIED.replace("name: tiny", "name: ../x  #!"), "name", "must be a name"),
    "hidden name": (VARIED.replace("name: tiny", "name: .x  #!"), "name", "must be a name"),
    "long name": (VARIED.replace("name: tiny", f"name: {'x' * 65}  #!"), "name", "at most 64"),
    "absolute path outside": (VARIED.replace("experiment.yaml", "/etc/passwd  #!"), "experiment",
                              '"/etc/passwd" is outside the project'),
    "climbing path": (VARIED.replace("experiment.yaml", "../../../experiment.yaml  #!"), "experiment",
                      "is outside the project"),
    "no such experiment": (VARIED.replace("experiment.yaml", "nowhere/x.yaml  #!"), "experiment", "no such file"),
}  # fmt: skip
BAD_SPACES = {
    "no space": (f"{SWEEP}space: {{}}  #!\n", "space", "must not be empty"),
    "space as a list": (f"{SWEEP}space: [model.dropout]  #!\n", "space", "must be a mapping, got a list"),
    "no form": (f"{SPACE}  finetuning.epochs: 3  #!\n", "space.finetuning.epochs", "write {const: 3}"),
    "unknown form": (f"{SPACE}  model.dropout: {{normal: [0, 1]}}  #!\n", "space.model.dropout", "not a form of a"),
    "negative learning rate": (f"{SPACE}  {LEARNING_RATE}: {{choice: [1e-3, -1e-3]}}  #!\n", f"space.{LEARNING_RATE}",
                               "must be above 0, got -0.001"),
    "zero epochs": (f"{SPACE}  finetuning.epochs: {{int: [0, 3]}}  #!\n", "space.finetuning.epochs",
                    "must be at least 1"),
    "low > high": (f"{SPACE}  model.dropout: {{uniform: [0.3, 0.1]}}  #!\n", "space.model.dropout",
                   "low must be below high, got [0.3, 0.1]"),
    "low = high": (f"{SPACE}  finetuning.epochs: {{int: [2, 2]}}  #!\n", "space.finetuning.epochs", "low must be"),
    "log from 0": (f"{SPACE}  {LEARNING_RATE}: {{log_uniform: [0.0, 1.0e-3]}}  #!\n", f"space.{LEARNING_RATE}",
                   "a logarithmic range starts above 0"),
    "a step, larger than the range": (f"{SPACE}  finetuning.epochs: {{int: [1, 4, 8]}}  #!\n",
                                      "space.finetuning.epochs.int", "must have 2 entries, got 3"),
    "a step beside the range": (f"{SPACE}  finetuning.epochs: {{int: [1, 4], step: 8}}  #!\n",
                                "space.finetuning.epochs", "must be a mapping with one key of"),
    "empty choice": (f"{SPACE}  finetuning.epochs: {{choice: []}}  #!\n", "space.finetuning.epochs.choice",
                     "must not be empty"),
    "no for a bool": (f"{SPACE}  strategy:\n    choice:\n      seqgan:\n        whiten: {{choice: [true, no]}}  #!\n",
                      "space.strategy.choice.seqgan.whiten", 'must be true or false, got "no"; write true or false'),
    "unknown setting": (f"{SPACE}  finetuning.optimiser.name: {{const: adam}}  #!\n", "space.finetuning.optimiser.name",
                        'did you mean "optimizer"?'),
    "setting of the baseline": (f"{SPACE}  data.max_tokens: {{choice: [8, 9]}}  #!\n", "space.data.max_tokens",
                                "all trials start from one baseline"),
    "unknown strategy": (f"{SPACE}  strategy: {{choice: [standard, teacher]}}  #!\n", "space.strategy",
                         'got "teacher"'),
    "simplex of one part": (f"{SPACE}  strategy:\n    choice:\n      intelligen:\n"
                            "        policy.weights: {simplex: [standard]}  #!\n",
                            "space.strategy.choice.intelligen.policy.weights", "needs at least two parts"),
    "weights of an unknown strategy": (f"{SPACE}  strategy:\n    choice:\n      intelligen:\n"
                                       "        policy.weights: {simplex: [standard, teacher]}  #!\n",
                                       "space.strategy.choice.intelligen.policy.weights",
                                       "mixing weights of an unknown strategy"),
    "schedule without its end": (f"{GENERATIVE}        probability: {{schedule: {{shape: linear, start: 0.1}}}}  #!\n",
                                 "space.strategy.choice.generative.probability", "goes from start to `end`: add it"),
    "zip of unequal lists": (f"{SPACE}  pairs:\n    zip:\n      {LEARNING_RATE}: [1e-3, 5e-4]\n"
                             "      finetuning.batch_tokens: [4096]  #!\n", "space.pairs",
                             f"finetuning.batch_tokens must have as many values as {LEARNING_RATE} (2), got 1"),
    "bad value in a zip": (f"{SPACE}  pairs:\n    zip:\n      finetuning.epochs: [1, 2]\n"
                           f"      {LEARNING_RATE}: [1e-3, 0]  #!\n", f"space.pairs.zip.{LEARNING_RATE}",
                           "must be above 0, got 0"),
}  # fmt: skip


def refused(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> list[str]:
    """What the command says of what is wrong."""
    assert guarded(lambda: commands.main(arguments, standalone_mode=False)) == 2
    out, err = capfd.readouterr()
    assert not out
    return err.removeprefix("error: ").splitlines()


def test_the_lists_are_long_enough() -> None:
    assert len(NO_YAML | BAD_SETTINGS | BAD_SPACES) >= 60


@pytest.mark.parametrize("verb", ["run", "validate"])
@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [pytest.param(*case, id=name) for table in (NO_YAML, BAD_SETTINGS, BAD_SPACES) for name, case in table.items()],
)
def test_a_wrong_sweep_file_is_refused(
    folder: Path, capfd: pytest.CaptureFixture[str], verb: str, text: str, key: str, reason: str
) -> None:
    Path("sweep.yaml").write_text(text, encoding="utf-8")
    reported_at(refused([verb, "sweep.yaml"], capfd), "sweep.yaml", text, key, reason)
    assert sorted(path.name for path in folder.iterdir()) == ["experiment.yaml", "sweep.yaml"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"version: 1\nname: \0\n", "sweep.yaml:2: a NUL byte: this is a binary file", id="binary"),
        pytest.param(b"version: 1\nname: caf\xe9\n", "sweep.yaml:2: not UTF-8 at byte 20", id="Latin-1"),
        pytest.param(VARIED.encode() + b"#" * (1 << 20), "sweep.yaml: larger than 1 MiB", id="over 1 MiB"),
        pytest.param(b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "sweep.yaml:1: a: anchor &a", id="alias bomb"),
    ],
)
def test_what_is_no_text_of_settings_is_refused(
    folder: Path, capfd: pytest.CaptureFixture[str], content: bytes, reason: str
) -> None:
    Path("sweep.yaml").write_bytes(content)
    for verb in ("run", "validate"):
        assert refused([verb, "sweep.yaml"], capfd)[0].startswith(reason)


def test_mistakes_of_a_sweep_and_of_its_experiment_are_reported_together(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("experiment.yaml").write_text(f"{EXPERIMENT}seed: -1\n")
    Path("sweep.yaml").write_text(f"{VARIED}search: {{seed: -1}}\n")
    assert refused(["run", "sweep.yaml"], capfd) == [
        "sweep.yaml:7: search.seed: must be at least 0, got -1",
        "experiment.yaml:3: seed: must be at least 0, got -1",
    ]


@pytest.mark.parametrize(
    ("overrides", "text"),
    [([], "#!"), ([], VARIED.replace("{trials: 2}", "{trials: 0}")), (["-o", "experiment.seed=x"], VARIED)],
    ids=["empty", "zero trials", "override"],
)
@pytest.mark.parametrize("verb", ["run", "validate"])
def test_a_wrong_sweep_file_is_refused_before_ray_is_imported(
    folder: Path, verb: str, overrides: list[str], text: str
) -> None:
    Path("sweep.yaml").write_text(text)
    code = """
import sys
from intelligen.cli.main import main
try:
    main()
except SystemExit as end:
    print(end.code, sorted({"ray", "torch", "optuna", "mlflow"} & sys.modules.keys()))
"""
    command = [sys.executable, "-c", code, verb, "sweep.yaml", *overrides]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "2 []\n", done.stderr
