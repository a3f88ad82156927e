"""What cannot be searched is refused at its line: grids without end, points outside the space, no budget."""

import os
from pathlib import Path

import pytest
import refusals
from refusals import SPACE, SWEEP, VARIED, assert_reported, refusal

from intelligen.config.load import load_sweep
from intelligen.config.schema.schedulers import Pbt

folder = refusals.folder

STRATEGIES = "  strategy: {choice: [standard, generative]}\n"
GRID = SPACE.replace("budget: {trials: 2}\n", "search: {sampler: grid}\n")
POINTS = f"{VARIED}search:\n  warm_start:\n    points:\n      - "
OPTIONS = (
    f"{SPACE}  strategy:\n    choice:\n      standard: {{}}\n      generative:\n"
    "        mle_weight: {uniform: [0.2, 0.8]}\n"
    "        probability: {schedule: {shape: [constant, linear, cosine], start: 0.5, end: [0.0, 0.2]}}\n"
    "search:\n  warm_start:\n    points:\n      - {"
)
POPULATION = f"{SWEEP}scheduler:\n  name: pbt\nsearch:\n  sampler: random\n"
RATE = "finetuning.optimizer.learning_rate"
EVOLVING = f"{POPULATION}space:\n  {RATE}: {{log_uniform: [1.0e-4, 1.0e-3]}}\n"
TWO = "objectives:\n  - {metric: valid/bleu, direction: maximize}\n  - {metric: time/epoch_s, direction: minimize}\n"

BAD_SEARCHES = {
    "no budget": (VARIED.replace("budget: {trials: 2}\n", "budget: {}  #!\n"), "budget", "at least one of trials"),
    "no hours": (
        VARIED.replace("{trials: 2}", "{wall_hours: 0}  #!"),
        "budget.wall_hours",
        "must be above 0, got 0",
    ),
    "shares of hours without strategies": (
        VARIED.replace("budget: {trials: 2}", "budget:\n  device_hours_per_strategy: 2  #!"),
        "budget.device_hours_per_strategy",
        "needs a `choice` of strategies",
    ),
    "unknown budget": (
        VARIED.replace("{trials: 2}", "{device_hour: 2}  #!"),
        "budget.device_hour",
        'did you mean "device_hours"?',
    ),
    "capitals": (f"{VARIED}search: {{sampler: TPE}}  #!\n", "search.sampler", 'got "TPE"; did you mean "tpe"?'),
    "a seed above 32 bits": (
        f"{VARIED}search: {{seed: 4294967296}}  #!\n",
        "search.seed",
        "must be below 4294967296, got 4294967296",
    ),
    "a range whose ends are no whole numbers as floats": (
        f"{SPACE}  finetuning.epochs: {{int: [1, 9223372036854775807]}}  #!\n",
        "space.finetuning.epochs.int[1]",
        "must be below 2147483648, got 9223372036854775807",
    ),
    "more whole numbers than the Gaussian process lists": (
        f"{SPACE}  finetuning.epochs: {{log_int: [1, 1000001]}}  #!\nsearch: {{sampler: gp}}\n",
        "space.finetuning.epochs",
        "1,000,001 values, and the sampler gp lists all, at most 1,000,000",
    ),
    "grid over a range": (
        f"{GRID}  model.dropout: {{uniform: [0.0, 0.3]}}  #!\n",
        "space.model.dropout",
        "has infinitely many values",
    ),
    "grid over an option's range": (
        f"{GRID}  strategy:\n    choice:\n      generative:\n        probability.start: {{uniform: [0.1, 0.2]}}  #!\n",
        "space.strategy.choice.generative.probability.start",
        "generative/probability.start has infinitely many values",
    ),
    "grid over a schedule's range": (
        f"{GRID}  strategy:\n    choice:\n      generative:\n"
        "        probability: {schedule: {shape: linear, start: [0.1, 0.2], end: 0}}  #!\n",
        "generative/probability.start",
        "list values with `choice`",
    ),
    "grid too large": (
        f"{GRID.replace('space:', 'space:  #!')}  finetuning.epochs: {{int: [1, 200]}}\n"
        "  finetuning.batch_tokens: {int: [1, 200]}\n",
        "space",
        "a grid of 40,000 points; at most 10,000",
    ),
    "grid with a warm start": (
        f"{GRID}  finetuning.epochs: {{int: [1, 2]}}\n".replace(
            "search: {sampler: grid}", "search:\n  sampler: grid\n  warm_start: {points: [{finetuning.epochs: 1}]}  #!"
        ),
        "search",
        "runs every point: leave it out",
    ),
    "a generation of one": (
        f"{VARIED}search:\n  sampler: nsga2\n  startup_trials: 1  #!\n",
        "search",
        "at least 2",
    ),
    "a population with a model": (
        EVOLVING.replace("sampler: random", "sampler: tpe  #!"),
        "search.sampler",
        "must be random with the scheduler pbt, got tpe",
    ),
    "a population with points": (
        EVOLVING.replace("sampler: random", f"sampler: random\n  warm_start: {{points: [{{{RATE}: 5.0e-4}}]}}  #!"),
        "search.warm_start",
        "has no meaning with the scheduler pbt",
    ),
    "a population of groups": (
        f"{EVOLVING}resources:\n  workers: 2  #!\n",
        "resources.workers",
        "must be 1 with the scheduler pbt, got 2",
    ),
    "a population to be confirmed": (
        f"{EVOLVING}confirm: {{seeds: 3}}  #!\n",
        "confirm",
        "cannot be used with the scheduler pbt",
    ),
    "a population of one": (
        EVOLVING.replace("name: pbt", "name: pbt\n  population: 1  #!"),
        "scheduler.population",
        "at least 2",
    ),
    "a population without anything to change": (
        f"{POPULATION}space:\n  strategy: {{choice: [standard, generative]}}\n".replace("scheduler:", "scheduler:  #!"),
        "scheduler",
        "this space has none that it could change: add one, such as finetuning.optimizer.learning_rate",
    ),
    "populations of one trial each": (
        EVOLVING.replace("trials: 2", "trials_per_strategy: 1")
        .replace("budget: {", "budget:\n  ")
        .replace("}\n", "  #!\n", 1)
        + "  strategy: {choice: [standard, generative]}\n",
        "budget.trials_per_strategy",
        "give 2 or more",
    ),
    "a population of several batch sizes": (
        f"{POPULATION}space:\n  finetuning.batch_tokens: {{int: [100, 200]}}  #!\n",
        "space.finetuning.batch_tokens",
        "has no continuous range, which the scheduler pbt needs",
    ),
    "a population of several epochs": (
        f"{POPULATION}space:\n  strategy:\n    choice:\n      standard_matched:\n"
        "        updates_ratio: {uniform: [1.0, 2.0]}  #!\n",
        "space.strategy.choice.standard_matched.updates_ratio",
        "cannot change while a trial trains",
    ),
    "a population of several optimizers": (
        f"{POPULATION}space:\n  finetuning.optimizer.weight_decay: {{uniform: [0.0, 0.1]}}  #!\n",
        "space.finetuning.optimizer.weight_decay",
        "write a const, or use another scheduler",
    ),
    "a population of several rewards": (
        f"{POPULATION}space:\n  strategy:\n    choice:\n      generative:\n"
        "        reward: {choice: [bleu, chrf]}  #!\n",
        "space.strategy.choice.generative.reward",
        "has no continuous range",
    ),
    "a population of several shapes": (
        f"{POPULATION}space:\n  strategy:\n    choice:\n      generative:\n"
        "        probability: {schedule: {shape: [linear, cosine], start: [0.1, 0.2], end: 0}}  #!\n",
        "generative.probability",
        "cannot change while a trial trains",
    ),
    "no database": (f"{VARIED}search: {{storage: studies.db}}  #!\n", "search.storage", "sqlite://, postgresql://"),
    "empty warm start": (f"{VARIED}search:\n  warm_start: {{}}  #!\n", "search.warm_start", "at least one of `sweep`"),
    "no points": (f"{VARIED}search:\n  warm_start:\n    points: []  #!\n", "warm_start.points", "must not be empty"),
    "unknown parameter": (
        f"{POINTS}{{model.dropuot: 0.1}}  #!\n",
        "search.warm_start.points[0].model.dropuot",
        'did you mean "model.dropout"?',
    ),
    "point out of range": (
        f"{POINTS}model.dropout: 0.5  #!\n",
        "search.warm_start.points[0].model.dropout",
        "must be a number from 0 to 0.3, got 0.5",
    ),
    "point of a wrong type": (f"{POINTS}model.dropout: true  #!\n", "points[0].model.dropout", "got true"),
    "point with a parameter of another strategy": (
        f"{OPTIONS}strategy: standard, generative/mle_weight: 0.3}}  #!\n",
        "search.warm_start.points[0].generative/mle_weight",
        'exists only with strategy: generative, but the point has "standard"; remove one of them',
    ),
    "point with a parameter of no strategy": (
        f"{OPTIONS}generative/mle_weight: 0.3}}  #!\n",
        "search.warm_start.points[0].generative/mle_weight",
        "exists only with strategy: generative; give that too, or leave this out",
    ),
    "point with a number that its schedule has not": (
        f"{OPTIONS}strategy: generative, generative/probability.shape: constant,"
        " generative/probability.end: 0.1}  #!\n",
        "points[0].generative/probability.end",
        'exists only with generative/probability.shape: linear or cosine, but the point has "constant"',
    ),
    "climbing sweep": (f"{VARIED}search:\n  warm_start: {{sweep: ../x}}  #!\n", "warm_start.sweep", "must be a name"),
    "no such table": (f"{VARIED}search:\n  warm_start: {{csv: x.csv}}  #!\n", "search.warm_start.csv", "no such file"),
    "table outside of the project": (
        f"{VARIED}search:\n  warm_start: {{csv: ../../known.csv}}  #!\n",
        "search.warm_start.csv",
        "is outside the project",
    ),
    "table of the system": (
        f"{VARIED}search:\n  warm_start: {{csv: /etc/passwd}}  #!\n",
        "search.warm_start.csv",
        '"/etc/passwd" is outside the project',
    ),
    "one objective in a list": (
        f"{VARIED}objectives: [{{metric: valid/bleu, direction: maximize}}]  #!\n",
        "objectives",
        "at least 2 entries",
    ),
    "time first": (
        f"{VARIED}objectives:  #!\n  - {{metric: time/epoch_s, direction: minimize}}\n"
        "  - {metric: valid/bleu, direction: maximize}\n",
        "objectives",
        "must begin with a metric of the validation set, got time/epoch_s",
    ),
    "the same objective twice": (
        f"{VARIED}objectives:  #!\n" + "  - {metric: valid/bleu, direction: maximize}\n" * 2,
        "objectives",
        "name a metric twice",
    ),
    "longer is better": (
        f"{VARIED}{TWO.replace('time/epoch_s, direction: minimize}', 'time/epoch_s, direction: maximize}  #!')}",
        "objectives[1]",
        "turn the direction round",
    ),
    "an objective without a direction": (
        f"{VARIED}{TWO.replace('time/epoch_s, direction: minimize}', 'time/epoch_s}  #!')}",
        "objectives[1].direction",
        "required, but missing",
    ),
    "a further objective that the task has not": (
        f"{VARIED}objectives:\n  - {{metric: valid/bleu, direction: maximize}}\n"
        "  - {metric: valid/accuracy, direction: maximize}  #!\n",
        "objectives[1].metric",
        "is valid/accuracy, which task translation does not have; it has valid/bleu, ",
    ),
    "objective against objectives": (
        f"{VARIED}objective: {{metric: valid/chrf}}  #!\n{TWO}",
        "objective",
        "differs from the first of `objectives`",
    ),
    "objectives against the experiment": (
        f"{VARIED}{TWO.replace('valid/bleu, direction: maximize}', 'valid/chrf, direction: maximize}  #!')}",
        "objectives[0].metric",
        "is valid/chrf, but the experiment selects its epochs by valid/bleu",
    ),
}


@pytest.mark.parametrize(("text", "key", "reason"), BAD_SEARCHES.values(), ids=BAD_SEARCHES)
def test_a_mistake_is_reported_in_one_line_with_its_location(folder: Path, text: str, key: str, reason: str) -> None:
    assert_reported(Path("sweep.yaml"), text, key, reason)


@pytest.mark.parametrize(
    ("table", "start"),
    [
        ("", "known.csv:1: the first line must name the columns; it is empty"),
        ("model.dropout,model.dropuot\n", 'known.csv:1: model.dropuot: no parameter and no objective; did you mean "m'),
        ("model.dropout,model.dropout\n", "known.csv:1: model.dropout: occurs twice"),
        ("model.dropout,valid/bleu\n0.1,2\n0.2\n", "known.csv:3: 1 cells where the first line has 2"),
        ("model.dropout,valid/bleu\n0.5,2\n", "known.csv:2: model.dropout: must be a number from 0 to 0.3, got 0.5"),
        ("model.dropout,valid/bleu\n0.1,good\n", 'known.csv:2: valid/bleu: must be a finite number, got "good"'),
        ("model.dropout,valid/bleu\n0.1,nan\n", 'known.csv:2: valid/bleu: must be a finite number, got "nan"'),
        ('model.dropout,valid/bleu\n"0.1,2\n', "known.csv:"),
        (
            "model.dropout,strategy,generative/mle_weight\n0.1,standard,0.3\n",
            'known.csv:2: generative/mle_weight: exists only with strategy: generative, but the point has "standard"',
        ),
    ],
)
def test_a_mistake_in_a_table_is_reported_at_its_line(folder: Path, table: str, start: str) -> None:
    (folder / "known.csv").write_text(table)
    sweep = folder / "sweep.yaml"
    options = "  strategy: {choice: {standard: {}, generative: {mle_weight: {uniform: [0.2, 0.8]}}}}\n"
    sweep.write_text(f"{VARIED}{options}search:\n  warm_start: {{csv: known.csv}}\n")
    line, *_ = refusal(Path("sweep.yaml"))
    assert line.startswith(start), line


def test_a_row_lacks_no_objective_where_it_has_another(folder: Path) -> None:
    (folder / "known.csv").write_text("model.dropout,valid/bleu,time/epoch_s\n0.1,2,\n")
    (folder / "sweep.yaml").write_text(f"{VARIED}{TWO}search:\n  warm_start: {{csv: known.csv}}\n")
    start = "known.csv:2: time/epoch_s: missing beside valid/bleu; give all objectives, or none"
    assert refusal(Path("sweep.yaml")) == [start]


def test_a_table_is_found_beside_the_sweep_s_file_from_anywhere(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "known.csv").write_text("model.dropout,valid/bleu\n0.1,20\n")
    text = VARIED.replace("experiment.yaml", "../experiment.yaml")
    (folder / "elsewhere" / "sweep.yaml").write_text(f"{text}search:\n  warm_start: {{csv: known.csv}}\n")
    sweep, _ = load_sweep(Path("elsewhere/sweep.yaml"))
    assert sweep.search.warm_start.csv == str((folder / "elsewhere" / "known.csv").resolve())


def test_who_starts_the_command_may_name_a_table_anywhere(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    table = tmp_path_factory.mktemp("elsewhere") / "known.csv"
    table.write_text("model.dropout,valid/bleu\n0.1,20\n")
    (folder / "sweep.yaml").write_text(f"{VARIED}search: {{seed: 2}}\n")
    for override in (f"search.warm_start.csv={table}", f"search.warm_start={{csv: {table}}}"):
        sweep, _ = load_sweep(Path("sweep.yaml"), [override])
        assert sweep.search.warm_start.csv == str(table.resolve())


def test_only_a_small_regular_file_is_read_as_a_table(folder: Path) -> None:
    (folder / "sweep.yaml").write_text(f"{VARIED}search:\n  warm_start: {{csv: known.csv}}\n")
    os.mkfifo(folder / "known.csv")
    assert refusal(Path("sweep.yaml")) == ["known.csv: is not a regular file; give a CSV table"]
    (folder / "known.csv").unlink()
    (folder / "known.csv").write_text("model.dropout\n" + "0.1\n" * (1 << 18))
    assert refusal(Path("sweep.yaml")) == ["known.csv: larger than 1 MiB; is this the right file?"]


def test_the_first_of_several_objectives_decides(folder: Path) -> None:
    (folder / "sweep.yaml").write_text(f"{VARIED}{TWO}")
    sweep, _ = load_sweep(folder / "sweep.yaml")
    assert (sweep.objective.metric, sweep.objective.direction) == ("valid/bleu", "maximize")
    assert [objective.metric for objective in sweep.all_objectives()] == ["valid/bleu", "time/epoch_s"]
    # What the ledger keeps of it can be read again.
    assert type(sweep).model_validate_json(sweep.model_dump_json()) == sweep


@pytest.mark.parametrize(
    "text",
    [
        VARIED.replace("{trials: 2}", "{trials: 2, wall_hours: 0.5, device_hours: 3, target_tokens: 1000000}"),
        f"{SPACE}{STRATEGIES}".replace("{trials: 2}", "{device_hours_per_strategy: 0.5, trials_per_strategy: 9}"),
        f"{GRID}{STRATEGIES}",
        f"{VARIED}scheduler: {{name: hyperband, grace_epochs: 2}}\n",
        f"{VARIED}scheduler: {{name: median, least_trials: 5}}\n",
        f"{POINTS}{{model.dropout: 0}}\n",
        f"{OPTIONS}strategy: generative, generative/probability.shape: cosine, generative/probability.end: 0.1}}\n",
    ],
    ids=["budgets", "shares", "grid", "hyperband", "median", "points", "a whole point"],
)
def test_what_can_be_searched_loads(folder: Path, text: str) -> None:
    (folder / "sweep.yaml").write_text(text)
    assert load_sweep(folder / "sweep.yaml")[0].name == "tiny"


def test_yesterday_s_form_still_loads(folder: Path) -> None:
    text = (
        f"{SWEEP.replace('{trials: 2}', '{trials_per_strategy: 4}')}space:\n{STRATEGIES}"
        "search: {sampler: tpe, seed: 1, startup_trials: 4}\n"
        "scheduler: {name: asha, grace_epochs: 1, reduction_factor: 2}\n"
        "objective: {metric: valid/bleu, direction: maximize}\n"
    )
    (folder / "sweep.yaml").write_text(text)
    sweep, _ = load_sweep(folder / "sweep.yaml")
    assert sweep.total_trials() == 8
    assert sweep.round_robin()


def test_a_point_names_a_row_of_a_zip_by_its_number(folder: Path) -> None:
    pairs = f"{SPACE}  pairs: {{zip: {{finetuning.epochs: [1, 2], finetuning.patience: [3, 4]}}}}\n"
    points = "search:\n  warm_start:\n    points:\n      - {pairs: 1}\n      - {pairs: 2}  #!\n"
    assert_reported(
        Path("sweep.yaml"), pairs + points, "search.warm_start.points[1].pairs", "must be one of 0, 1, got 2"
    )


def test_a_population_may_evolve_rates_schedules_and_mixtures(folder: Path) -> None:
    sweep = folder / "sweep.yaml"
    sweep.write_text(
        f"{EVOLVING}"
        "  model.dropout: {const: 0.1}\n"
        "  strategy:\n    choice:\n      standard: {finetuning.label_smoothing: {uniform: [0.0, 0.2]}}\n"
        "      generative: {probability: {schedule: {shape: linear, start: [0.2, 0.4], end: [0.0, 0.2]}}}\n"
        "      intelligen:\n        policy: {choice: {static: {weights: {simplex: [standard, recurrent]}}}}\n"
        "        recurrent.mle_weight: {uniform: [0.2, 0.8]}\n"
    )
    assert load_sweep(sweep)[0].scheduler == Pbt()
