"""A task, a model, a strategy or a metric that does not fit is one line with its place, and the fix works."""

import re
from pathlib import Path

import pytest
import refusals
from refusals import SWEEP, assert_reported

from intelligen.config.load import load_experiment, load_sweep
from intelligen.errors import ConfigError

folder = refusals.folder

FILES = """
version: 1
name: tiny
data:
  corpus:
    name: files
    folder: .
    splits: {train: {file: a.jsonl}, valid: {file: b.jsonl}, test: {file: c.jsonl}}
"""
DECODER = "model: {name: decoder_only, max_positions: 64}\n"
LABELS = f"{FILES}  max_tokens: 62\n{DECODER}task: {{name: classification}}\n"
WRITES_NONE = "writes no text: {} cannot train it; there are standard, auxiliary"


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        (f"{LABELS}strategy:\n  name: generative  #!\n", "strategy.name", WRITES_NONE.format("generative")),
        (f"{LABELS}strategy:\n  name: seqgan  #!\n", "strategy.name", WRITES_NONE.format("seqgan")),
        (f"{LABELS}strategy:\n  name: recurrent  #!\n", "strategy.name", WRITES_NONE.format("recurrent")),
        (f"{LABELS}strategy:\n  name: intelligen  #!\n", "strategy.name", WRITES_NONE.format("intelligen")),
        (f"{LABELS}strategy:\n  name: auxiliary\n  head: encoder  #!\n", "strategy.head", "writes no text; take lm"),
        (f"{LABELS}strategy:\n  name: r_drop  #!\n", "strategy.name", WRITES_NONE.format("r_drop")),
        (
            f"{FILES}task: {{name: classification}}\nstrategy:\n  name: auxiliary\n  head: lm  #!\n",
            "strategy.head",
            "needs a model that offers token_prediction, which seq2seq does not; take another strategy, or another",
        ),
        (
            "version: 1\nname: tiny\nstrategy:\n  name: auxiliary\n  head: lm  #!\n",
            "strategy.head",
            "translation chooses no class; take decoder or encoder",
        ),
        (
            f"{FILES}model: {{name: encoder}}\ntask:\n  name: question_answering  #!\n",
            "task.name",
            "needs a model that offers generation, which encoder does not; take seq2seq or decoder_only or pretrained",
        ),
        (
            f"{FILES}task:\n  name: language_modelling  #!\n",
            "task.name",
            "needs a model that offers language_modelling, which seq2seq does not; take decoder_only",
        ),
        (
            f"{FILES}{DECODER}task:\n  name: language_modelling\n  n_seq: 65  #!\n",
            "task.n_seq",
            "must be at most model.max_positions (64)",
        ),
        (
            f"{FILES}  max_tokens: 63  #!\n{DECODER}task: {{name: classification}}\n",
            "data.max_tokens",
            "must be at most 62: BOS and EOS take two of model.max_positions (64)",
        ),
        (
            f"{LABELS.replace('task: {name: classification}', 'task:')}  name: classification\n"
            "  selection_metric: valid/bleu  #!\n",
            "task.selection_metric",
            'must be one of "valid/accuracy", "valid/macro_f1", "valid/loss", got "valid/bleu"',
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(text, key, reason, folder):
    assert_reported(Path("experiment.yaml"), text, key, reason)


def test_a_task_that_fits_is_loaded(folder):
    (folder / "experiment.yaml").write_text(f"{LABELS}strategy: {{name: auxiliary, head: lm}}\n")
    assert load_experiment(Path("experiment.yaml")).strategy.head == "lm"
    (folder / "experiment.yaml").write_text(f"{FILES}{DECODER}task: {{name: language_modelling, n_seq: 64}}\n")
    assert load_experiment(Path("experiment.yaml")).task.n_seq == 64


@pytest.mark.parametrize(
    ("task", "has"),
    [
        ("classification", "valid/accuracy, valid/macro_f1, valid/loss"),
        ("language_modelling, n_seq: 64", "valid/perplexity, valid/loss"),
    ],
)
def test_an_objective_that_the_task_does_not_produce_is_refused_and_the_fix_works(task, has, folder):
    text = LABELS.replace("classification", task)
    (folder / "experiment.yaml").write_text(text)
    sweep = folder / "sweep.yaml"
    varied = f"{SWEEP}space:\n  finetuning.optimizer.learning_rate: {{uniform: [0.1, 0.3]}}\n"
    sweep.write_text(f"{varied}objective: {{metric: valid/bleu}}\n")
    with pytest.raises(ConfigError, match=rf"objective.metric: is valid/bleu, but .* has {has}\)") as refused:
        load_sweep(sweep)
    changes = re.findall(r"-o (\S+)", str(refused.value))
    assert load_sweep(sweep, changes)[0].objective.metric == has.partition(",")[0]


@pytest.mark.parametrize(
    ("task", "metric", "way"),
    [
        ("classification", "valid/accuracy", "maximize"),
        ("classification, selection_metric: valid/loss", "valid/loss", "minimize"),
        ("language_modelling, n_seq: 64", "valid/perplexity", "minimize"),
    ],
)
def test_a_sweep_without_an_objective_has_the_metric_that_selects_epochs(task, metric, way, folder):
    (folder / "experiment.yaml").write_text(LABELS.replace("classification", task))
    sweep = folder / "sweep.yaml"
    sweep.write_text(f"{SWEEP}space:\n  finetuning.optimizer.learning_rate: {{uniform: [0.1, 0.3]}}\n")
    objective = load_sweep(sweep)[0].objective
    assert (objective.metric, objective.direction) == (metric, way)
    # An override of the experiment is followed too.
    changed = load_sweep(sweep, ["experiment.task.selection_metric=valid/loss"])[0].objective
    assert (changed.metric, changed.direction) == ("valid/loss", "minimize")


def test_a_space_over_strategies_that_do_not_fit_is_refused(folder):
    (folder / "experiment.yaml").write_text(LABELS)
    space = "space:\n  strategy:\n    choice: [standard, generative]  #!\n"
    text = f"{SWEEP}objective: {{metric: valid/accuracy}}\n{space}"
    assert_reported(Path("sweep.yaml"), text, "strategy", WRITES_NONE.format("generative"))
