"""Rows of a sweep are variants of its experiment: what they come to, and what is wrong with them, at its line."""

from pathlib import Path

import pytest
import refusals
from refusals import assert_reported

from intelligen.config.load import load_experiment, load_sweep, row_experiments, trial_experiment
from intelligen.config.schema.data import OfExperiment
from intelligen.config.sweep_file import read_sweep

folder = refusals.folder

HEAD = "version: 1\nname: tiny\nexperiment: experiment.yaml\n"
VARIANTS = f"{HEAD}rows:\n  variants:\n    control: base\n    of:\n      base: {{}}\n"
AXES = f"""{HEAD}rows:
  axes:
    control: {{pre: "0", drop: "0"}}
    label: pre:{{pre}}-drop:{{drop}}
    of:
      pre: {{"0": {{}}, "20": {{training.epochs: 20}}}}
      drop: {{"0": {{model.dropout: 0.0}}, "0.3": {{model.dropout: 0.3}}}}
"""

BAD_ROWS = {
    "unknown control": (
        VARIANTS.replace("control: base", "control: bse  #!") + "      wide: {model.d_model: 512}\n",
        "rows.variants",
        "control is bse, which is no variant; there are base, wide",
    ),
    "one row": (VARIANTS.replace("    of:", "    of:  #!"), "rows.variants.of", "must have at least 2 entries"),
    "two equal rows": (
        f"{VARIANTS}      same:\n        model.d_model: 256  #!\n",
        "rows.variants.of.same.model.d_model",
        "row same is the same experiment as row base",
    ),
    "rows that differ in what they do not use": (
        f"{VARIANTS}      longer:\n        finetuning.epochs: 9  #!\nstages: [train]\n",
        "rows.variants.of.longer.finetuning.epochs",
        "row longer is the same experiment as row base: stages [train] uses `training`, and no `finetuning`",
    ),
    "two rows of one label": (
        VARIANTS.replace("    of:", "    of:  #!") + "      wide: {model.d_model: 512, label: base}\n",
        "rows.variants",
        "of has two rows that tables and figures would call 'base'; change a label",
    ),
    "a row with the baseline's name": (
        VARIANTS.replace("    of:", "    of:  #!") + "      baseline: {model.d_model: 512}\n",
        "rows.variants",
        "of has a row baseline, which means what fine-tunings start from; rename the row",
    ),
    "a label that is no text": (
        VARIANTS.replace("    of:", "    of:  #!") + "      wide: {model.d_model: 512, label: null}\n",
        "rows.variants",
        "of.wide.label must be one line of text, got null",
    ),
    "axes whose names run together": (
        HEAD + "rows:\n  axes:\n    control: {a: '1', b: '3'}\n    of:  #!\n"
        "      a: {'1': {}, '1.b-2': {model.d_model: 512}}\n      b: {'3': {}, '2.b-3': {model.dropout: 0.3}}\n",
        "rows.axes",
        "of makes two rows that are called a-1.b-2.b-3",
    ),
    "a label without one of the axes": (
        AXES.replace("-drop:{drop}", "  #!"),
        "rows.axes",
        "label calls two rows 'pre:0'",
    ),
    "a label with more than the name of an axis": (
        AXES.replace("drop:{drop}", "drop:{drop:{pre}}  #!"),
        "rows.axes",
        "label has a part in braces that is no axis; there are {pre}, {drop}",
    ),
    "keys of two groups that do not go together": (
        f"{VARIANTS}      short:\n        model.max_positions: 8  #!\n",
        "rows.variants.of.short.model.max_positions",
        "row short: data.max_tokens (128) must be below",
    ),
    "unknown key": (
        f"{VARIANTS}      wide: {{model.d_modl: 512}}  #!\n",
        "rows.variants.of.wide.model.d_modl",
        'unknown key; did you mean "d_model"?',
    ),
    "a value against its rule": (
        f"{VARIANTS}      wide: {{model.dropout: 1.5}}  #!\n",
        "rows.variants.of.wide.model.dropout",
        "row wide: model.dropout: must be below 1, got 1.5",
    ),
    "settings that do not go together": (
        f"{VARIANTS}      wide:\n        model.heads: 7  #!\n",
        "rows.variants.of.wide.model.heads",
        "must divide d_model",
    ),
    "its own seed": (
        f"{VARIANTS}      luck: {{seed: 7}}  #!\n",
        "rows.variants.of.luck.seed",
        "is the same in all rows; leave it out",
    ),
    "its own library of products": (
        f"{VARIANTS}      other: {{compute.matmul: mkl}}  #!\n",
        "rows.variants.of.other.compute.matmul",
        "is the same in all rows; leave it out",
    ),
    "another metric": (
        f"{VARIANTS}      other: {{task.selection_metric: valid/chrf}}  #!\n",
        "rows.variants.of.other.task.selection_metric",
        "so their scores cannot be compared",
    ),
    "varied by the space too": (
        f"{VARIANTS}      wide: {{finetuning.epochs: 4}}  #!\n"
        "budget: {trials: 2}\nspace: {finetuning.epochs: {int: [1, 3]}}\n",
        "rows.variants.of.wide.finetuning.epochs",
        "is varied by space.finetuning.epochs too",
    ),
    "a choice of strategies without a baseline": (
        f"{VARIANTS}      wide: {{model.d_model: 512}}\n"
        "stages: [train]\nbudget: {trials: 2}\nspace:\n  strategy: {choice: [standard, generative]}  #!\n",
        "space.strategy",
        "is for fine-tuning from a baseline",
    ),
    "a baseline's settings varied": (
        f"{VARIANTS}      wide: {{model.d_model: 512}}\n"
        "budget: {trials: 2}\nspace: {training.epochs: {int: [1, 3]}}  #!\n",
        "space.training.epochs",
        "all trials start from one baseline",
    ),
    "data varied by a search": (
        f"{VARIANTS}      wide: {{model.d_model: 512}}\n"
        "stages: [train]\nbudget: {trials: 2}\nspace: {data.max_tokens: {int: [10, 30]}}  #!\n",
        "space.data.max_tokens",
        "trains all trials of a row on the same data",
    ),
    "no value of an axis as control": (
        AXES.replace('control: {pre: "0", drop: "0"}', 'control: {pre: "0"}  #!'),
        "rows.axes",
        "control must name a value of the axis drop: 0, 0.3",
    ),
    "axes that make a single row": (
        f"{HEAD}rows:\n  axes:\n    control: {{pre: '0'}}\n    of:  #!\n      pre: {{'0': {{model.dropout: 0.3}}}}\n",
        "rows.axes",
        "of makes a single row, and a table compares at least two",
    ),
    "a choice of strategies without a baseline, and no rows": (
        f"{HEAD}stages: [train]\nbudget: {{trials: 2}}\nspace:\n  strategy: {{choice: [standard, generative]}}  #!\n",
        "space.strategy",
        "is for fine-tuning from a baseline",
    ),
    "a setting on two axes": (
        AXES.replace('"20": {training.epochs: 20}', '"20": {model.dropout: 0.1}').replace(
            '"0": {model.dropout: 0.0}, "0.3"', '"0": {model.dropout: 0.0},  #!\n        "0.3"'
        ),
        "rows.axes.of.drop.0.model.dropout",
        "is set by the axis pre too",
    ),
    "a label with an unknown axis": (
        AXES.replace("label: pre:{pre}", "label: pre:{prae}").replace("-drop:{drop}", "-drop:{drop}  #!"),
        "rows.axes",
        "label has a part in braces that is no axis; there are {pre}, {drop}",
    ),
    "both forms": (
        AXES.replace("rows:\n", "rows:\n  strategies: {}  #!\n"),
        "rows",
        "needs one of strategies, variants, axes, got strategies and axes",
    ),
    "no space without rows": (f"{HEAD}rows: {{strategies: {{}}}}  #!\n", "space", "must not be empty, unless"),
    "a control that is no strategy of the space": (
        f"{HEAD}budget: {{trials: 2}}\nspace: {{strategy: {{choice: [standard, generative]}}}}\n"
        "rows:\n  strategies: {control: recurrent}  #!\n",
        "",
        "rows.strategies.control is recurrent, which space.strategy does not have; there are standard, generative",
    ),
    "a budget that would leave rows out": (
        VARIANTS.replace("experiment.yaml\n", "experiment.yaml\nbudget: {trials: 1}  #!\n")
        + "      wide: {model.d_model: 512}\n",
        "",
        "budget.trials has no meaning without a space: each row is one trial; leave it out",
    ),
    "weights of a file that is not there": (
        f"{VARIANTS}      wide: {{initial.experiment: nowhere.yaml}}  #!\n",
        "rows.variants.of.wide.initial.experiment",
        "nowhere.yaml: no such file",
    ),
}


@pytest.mark.parametrize(("text", "key", "reason"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_mistake_in_rows_is_one_line_with_its_place(folder: Path, text: str, key: str, reason: str) -> None:
    assert_reported(Path("sweep.yaml"), text, key, reason)


def test_axes_are_crossed_and_named_by_their_values(folder: Path) -> None:
    (folder / "sweep.yaml").write_text(AXES)
    sweep, experiment = load_sweep(Path("sweep.yaml"))
    assert sweep.row_ids() == ("pre-0.drop-0", "pre-0.drop-0.3", "pre-20.drop-0", "pre-20.drop-0.3")
    assert [row.label for row in sweep.variants()][-1] == "pre:20-drop:0.3"
    assert sweep.control == "pre-0.drop-0"
    found = row_experiments(sweep, experiment)
    assert [one.training.epochs for one in found.values()] == [10, 10, 20, 20]
    assert [one.model.dropout for one in found.values()] == [0.0, 0.3, 0.0, 0.3]


def test_without_a_space_every_row_is_one_trial_and_needs_no_budget(folder: Path) -> None:
    (folder / "sweep.yaml").write_text(AXES)
    sweep, _ = load_sweep(Path("sweep.yaml"))
    assert (sweep.total_trials(), sweep.trials_of("pre-20.drop-0"), sweep.round_robin()) == (4, 1, True)
    assert list(sweep.searched) == ["row"]


def test_with_a_space_every_row_is_searched_and_a_value_lies_over_the_row_s(folder: Path) -> None:
    searched = "space: {finetuning.label_smoothing: {uniform: [0.0, 0.2]}}\nbudget: {trials_per_strategy: 3}\n"
    (folder / "sweep.yaml").write_text(AXES + searched)
    file = read_sweep(Path("sweep.yaml"))
    assert (file.sweep.total_trials(), list(file.sweep.searched)) == (12, ["row", "finetuning.label_smoothing"])
    changes = {"row": "pre-20.drop-0.3", "finetuning.label_smoothing": 0.05}
    trial = trial_experiment(file.experiment, file.rows, changes)
    assert (trial.training.epochs, trial.model.dropout, trial.finetuning.label_smoothing) == (20, 0.3, 0.05)


def test_paths_in_rows_start_at_the_sweep_file_s_folder(folder: Path) -> None:
    (folder / "searches").mkdir()
    (folder / "searches" / "other.yaml").write_text("version: 1\nname: other\n")
    text = VARIANTS.replace("experiment.yaml", "../experiment.yaml")
    (folder / "searches" / "sweep.yaml").write_text(f"{text}      later: {{initial.experiment: other.yaml}}\n")
    sweep, _ = load_sweep(Path("searches/sweep.yaml"))
    assert sweep.variants()[1].settings["initial.experiment"] == str(folder / "searches" / "other.yaml")


def test_an_override_reaches_into_a_row_by_its_dotted_keys(folder: Path) -> None:
    (folder / "sweep.yaml").write_text(f"{VARIANTS}      wide: {{model.d_model: 512}}\n")
    overrides = ["rows.variants.of.wide.model.d_ff=64", "rows.variants.of.wide.model.d_model=32"]
    sweep, _ = load_sweep(Path("sweep.yaml"), overrides)
    assert sweep.variants()[1].settings == {"model.d_model": 32, "model.d_ff": 64}


def test_one_of_a_pair_of_keys_in_a_row_takes_the_place_of_the_other(folder: Path) -> None:
    (folder / "experiment.yaml").write_text("version: 1\nname: tiny\ntraining: {batch_tokens: 500}\n")
    (folder / "sweep.yaml").write_text(f"{VARIANTS}      rows: {{training.batch_rows: 8}}\n")
    experiments = read_sweep(Path("sweep.yaml")).rows
    assert [(one.training.batch_tokens, one.training.batch_rows) for one in experiments.values()] == [
        (500, None),
        (None, 8),
    ]


def test_a_name_alone_chooses_an_option_whose_former_one_has_no_name(folder: Path) -> None:
    (folder / "other.yaml").write_text("version: 1\nname: other\n")
    override = ["data.tokenizer.name=of_experiment", "data.tokenizer.experiment=other.yaml"]
    experiment = load_experiment(Path("experiment.yaml"), override)
    assert experiment.data.tokenizer == OfExperiment(name="of_experiment", experiment=str(folder / "other.yaml"))
