"""What breaks a rule of a sweep file is refused at its line. In the table that is the line that holds `#!`."""

from pathlib import Path

import pytest
import refusals
from refusals import EXPERIMENT, SPACE, SWEEP, VARIED, assert_reported, refusal

folder = refusals.folder

BAD_SWEEPS = {
    "empty space": (f"{SWEEP}space: {{}}  #!\n", "space", "must not be empty"),
    "missing space": (f"{SWEEP.replace('version: 1', 'version: 1  #!')}", "space", "must not be empty, unless"),
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
        "occurs twice",
    ),
    "option without braces": (
        f"{SPACE}  strategy:\n    choice:\n      standard:  #!\n",
        "space.strategy.choice.standard",
        "must be a mapping, got nothing; indent its settings below it, or write {}",
    ),
    "zero trials": (f"{VARIED.replace('{trials: 2}', '{trials: 0}  #!')}", "budget.trials", "must be above 0, got 0"),
    "no strategies to take turns": (
        VARIED.replace("budget: {trials: 2}", "budget:\n  trials_per_strategy: 2  #!"),
        "budget.trials_per_strategy",
        "needs a `choice` of strategies",
    ),
    "unknown sampler": (f"{VARIED}search: {{sampler: tpee}}  #!\n", "search.sampler", 'did you mean "tpe"?'),
    "unknown scheduler": (
        f"{VARIED}scheduler: {{name: pb2}}  #!\n",
        "scheduler.name",
        'must be one of "asha", "hyperband", "median", "pbt", "none"',
    ),
    "unproduced metric": (f"{VARIED}objective: {{metric: valid/f1}}  #!\n", "objective.metric", 'one of "valid/bleu"'),
    "bad direction": (
        f"{VARIED}objective: {{direction: up}}  #!\n",
        "objective.direction",
        '"maximize", "minimize", got "up"',
    ),
    "useless direction": (f"{VARIED}objective:  #!\n  metric: valid/loss\n", "objective", "turn the direction round"),
    "one seed to confirm with": (f"{VARIED}confirm:\n  seeds: 1  #!\n", "confirm.seeds", "must be at least 2, got 1"),
    "a crowd of seeds": (f"{VARIED}confirm:\n  seeds: 101  #!\n", "confirm.seeds", "must be at most 100, got 101"),
    "seeds by name": (
        f"{VARIED}confirm:\n  seeds: [2, 3]  #!\n",
        "confirm.seeds",
        "must be a whole number or a mapping",
    ),
    "looks without an end": (
        f"{VARIED}confirm:\n  seeds: {{at_most: 9}}  #!\n",
        "confirm",
        "until: resolved and seeds: {at_least: 3, at_most: 10} go together: give both or neither",
    ),
    "an end without looks": (f"{VARIED}confirm:\n  until: resolved  #!\n", "confirm", "give both or neither"),
    "looks for nothing": (
        f"{VARIED}confirm:\n  seeds: {{at_most: 9}}\n  until: resolved  #!\n",
        "confirm",
        "until: resolved and difference: NUMBER go together",
    ),
    "two differences": (
        f"{VARIED}confirm:\n  seeds: {{at_most: 9}}\n  until: resolved\n  difference: 1  #!\n  margin: 1\n",
        "confirm",
        "difference takes the place of margin",
    ),
    "no seed to decide about": (
        f"{VARIED}confirm:\n  seeds: {{at_least: 5, at_most: 5}}  #!\n  until: resolved\n  difference: 1\n",
        "confirm.seeds",
        "at_most must be above at_least (5), got 5; for fixed seeds write seeds: 5",
    ),
    "a look too early": (
        f"{VARIED}confirm:\n  until: resolved\n  difference: 1\n  seeds: {{at_most: 9, at_least: 2}}  #!\n",
        "confirm.seeds.at_least",
        "must be at least 3, got 2",
    ),
    "searches that nothing confirms": (
        f"{VARIED}search:\n  replicates: 3  #!\n",
        "search.replicates",
        "needs `confirm`: searches are compared by what they have found",
    ),
    "searches that are looked at seed by seed": (
        f"{VARIED}confirm: {{seeds: {{at_most: 9}}, until: resolved, difference: 1}}\nsearch: {{replicates: 3}}  #!\n",
        "search.replicates",
        "is fixed beforehand, and confirm.until takes one seed after the other, which do not show how searches differ",
    ),
    "searches that are told the same": (
        f"{VARIED}confirm: {{seeds: 2}}\nsearch:\n  warm_start: {{sweep: earlier}}\n  replicates: 3  #!\n",
        "search.replicates",
        "is for searches that are independent of each other, and search.warm_start gives all of them the same points",
    ),
    "searches of nothing": (
        "version: 1\nname: tiny\nexperiment: experiment.yaml\nconfirm: {seeds: 2}\nsearch: {replicates: 3}  #!\n"
        "rows: {variants: {control: a, of: {a: {}, b: {finetuning.epochs: 2}}}}\n",
        "search.replicates",
        "has no meaning without a space, where nothing is searched",
    ),
    "no search": (f"{VARIED}search: {{replicates: 0}}  #!\n", "search.replicates", "must be at least 1, got 0"),
    "a crowd of searches": (
        f"{VARIED}search: {{replicates: 101}}  #!\n",
        "search.replicates",
        "must be at most 100, got 101",
    ),
    "confirm without a mapping": (f"{VARIED}confirm: 3  #!\n", "confirm", "must be a mapping, got 3"),
    "unknown key of confirm": (f"{VARIED}confirm: {{sedes: 3}}  #!\n", "confirm.sedes", 'did you mean "seeds"?'),
    "no search to test with": (f"{VARIED}test: {{searches: []}}  #!\n", "test.searches", "must not be empty"),
    "unknown search": (
        f"{VARIED}test:\n  searches:\n    - greedy\n    - beem  #!\n",
        "test.searches[1]",
        'did you mean "beam"?',
    ),
    "a search twice": (f"{VARIED}test:\n  searches: [beam, beam]  #!\n", "test.searches", "names a search twice"),
    "a beam size twice": (
        f"{VARIED}test:\n  searches: [{{beam: 4}}, greedy, {{beam: 4}}]  #!\n",
        "test.searches",
        "names a search twice: {beam: 4}, greedy, {beam: 4}",
    ),
    "no prefix in a beam": (
        f"{VARIED}test:\n  searches:\n    - {{beam: 4}}\n    - {{beam: 0}}  #!\n",
        "test.searches[1].beam",
        "must be at least 1, got 0",
    ),
    "unknown key of a beam size": (
        f"{VARIED}test:\n  searches:\n    - {{beam: 4, length_penalty: 1.0}}  #!\n",
        "test.searches[0].length_penalty",
        "unknown key; known here: beam",
    ),
    "climbing name": (VARIED.replace("name: tiny", "name: ../x  #!"), "name", "must be a name"),
    "no experiment file": (
        VARIED.replace("experiment.yaml", "experimint.yaml  #!"),
        "experiment",
        'experimint.yaml: no such file; did you mean "experiment.yaml"?',
    ),
    "experiment is a folder": (VARIED.replace("experiment.yaml", ".  #!"), "experiment", "is a directory"),
}


@pytest.mark.parametrize(("text", "key", "reason"), BAD_SWEEPS.values(), ids=BAD_SWEEPS)
def test_a_mistake_is_reported_in_one_line_with_its_location(folder: Path, text: str, key: str, reason: str) -> None:
    assert_reported(Path("sweep.yaml"), text, key, reason)


def test_a_mistake_in_the_experiment_is_reported_at_the_experiments_file(folder: Path) -> None:
    (folder / "experiment.yaml").write_text(f"{EXPERIMENT}seed: -1\n")
    (folder / "search spaces").mkdir()
    sweep = Path("search spaces/sweep ü.yaml")
    sweep.write_text(VARIED.replace("experiment.yaml", "../experiment.yaml"))
    assert refusal(sweep) == ["experiment.yaml:3: seed: must be at least 0, got -1"]
