"""What a file and its overrides say is what the settings hold; what they leave out has its default."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import JsonValue

from intelligen.config.document import Document
from intelligen.config.files.overrides import Override, parse_override, with_overrides
from intelligen.config.files.yaml_file import parse_value, plain_value
from intelligen.config.load import apply_settings, load_experiment, load_sweep
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.generative_strategies import Generative
from intelligen.config.schema.probability_schedule import ProbabilitySchedule
from intelligen.config.schema.schedulers import NoScheduler
from intelligen.config.schema.setting_paths import resolve_key
from intelligen.config.schema.single_strategies import Auxiliary, Standard
from intelligen.config.schema.strategy_mixture import Curriculum, Intelligen, Static, Weights
from intelligen.errors import ConfigError

EXPERIMENT = """\
# A comment, then settings.
version: 1
name: tiny
model: {heads: 4, dropout: 0.2}
training:
  optimizer:
    learning_rate: 1e-3
    betas: [0.9, 0.99]
strategy:
  name: generative
  alpha: 2
  candidates: 8
"""
SWEEP = """\
version: 1
name: tiny-sweep
question: "Which, and: why?"
experiment: ../experiments/tiny.yaml
space:
  finetuning.optimizer.learning_rate: {log_uniform: [1e-5, 1e-3]}
  model.dropout: {uniform: [0, 0.3]}
  strategy:
    choice:
      standard: {}
      generative:
        probability.start: {uniform: [0.05, 0.5]}
        finetuning.epochs: {choice: [1, 2]}
budget: {trials_per_strategy: 2}
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "search spaces").mkdir()
    (tmp_path / "experiments/tiny.yaml").write_text(EXPERIMENT)
    (tmp_path / "experiments/other.yaml").write_text("version: 1\nname: other\n")
    (tmp_path / "search spaces/süß.yaml").write_text(SWEEP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def experiment(*overrides: str) -> Experiment:
    return load_experiment(Path("experiments/tiny.yaml"), overrides)


def refusal(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        experiment(*overrides)
    return str(caught.value)


def sweep_refusal(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_sweep(Path("search spaces/süß.yaml"), overrides)
    return str(caught.value)


def test_a_file_fills_what_it_names_and_defaults_the_rest(files: Path) -> None:
    loaded = experiment()
    assert loaded.name == "tiny"
    assert loaded.model.heads == 4
    assert loaded.model.d_ff == Experiment(version=1, name="x").model.d_ff
    assert loaded.training.optimizer.learning_rate == 0.001
    assert loaded.training.optimizer.betas == (0.9, 0.99)
    assert loaded.strategy == Generative(alpha=2, candidates=8)


@pytest.mark.parametrize("rewrite", [lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n")])
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(files: Path, rewrite) -> None:
    plain = experiment()
    Path("experiments/tiny.yaml").write_bytes(rewrite(EXPERIMENT).encode())
    assert experiment() == plain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        (".5", 0.5),
        ("-2", -2),
        ("0", 0),
        ("true", True),
        ("False", False),
        ("", None),
        ("null", None),
        ("~", None),
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("12:30", "12:30"),
        ("2026-01-31", "2026-01-31"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("1.2.3", "1.2.3"),
        ("-", "-"),
        ("é", "é"),
    ],
)
def test_a_plain_scalar_means_what_yaml_1_2_says(text: str, value: JsonValue) -> None:
    read = plain_value(text)
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize("text", ["010", "-07", "00", "08", ".inf", "-.INF", ".nan", "1e400", "9223372036854775808"])
def test_a_number_that_readers_disagree_on_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write"):
        plain_value(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a: 1, b: [x, 2.5]}", {"a": 1, "b": ["x", 2.5]}),
        ("[1, 2]", [1, 2]),
        ('"010"', "010"),
        ("'#'", "#"),
        (" 3 ", 3),
        ("a: b #c *d", "a: b #c *d"),
        ("/data/my corpus", "/data/my corpus"),
    ],
)
def test_the_whole_of_an_overrides_value_counts(text: str, value: JsonValue) -> None:
    assert parse_value(text, "-o x=…") == value


@pytest.mark.parametrize("text", ["{a: 1", "[1] [2]", "{a: 1, a: 2}", "[&a 1]", "[!!str 1]", "010", "a\tb", "['\t']"])
def test_an_overrides_value_is_as_strict_as_a_file(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^-o x=") as caught:
        parse_override(f"x={text}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "seed", "=1", "a..b=1", ".a=1", "a.=1", " a=1", "a. b=1"])
def test_an_override_needs_a_key_and_an_equals_sign(text: str) -> None:
    with pytest.raises(ConfigError, match="write it as -o KEY=VALUE"):
        parse_override(text)


def test_an_override_replaces_one_value_and_leaves_its_neighbours(files: Path) -> None:
    loaded = experiment("training.optimizer.learning_rate=5e-4", "seed=7", "training.patience=3")
    assert loaded.training.optimizer.learning_rate == 0.0005
    assert loaded.training.optimizer.betas == (0.9, 0.99)
    assert (loaded.seed, loaded.training.patience) == (7, 3)
    assert experiment("training.patience=3", "training.patience=null").training.patience is None


def test_an_override_with_a_mapping_replaces_the_whole_group_before_its_parts(files: Path) -> None:
    loaded = experiment("training.optimizer.epsilon=1e-8", "training.optimizer={name: adamw}")
    assert loaded.training.optimizer.name == "adamw"
    assert loaded.training.optimizer.epsilon == 1e-8
    assert loaded.training.optimizer.betas == (0.9, 0.98)


def test_an_override_reaches_into_a_group_that_the_file_leaves_out(files: Path) -> None:
    loaded = experiment("decoding.test.size=8", "data.corpus.train=100", "data.tokenizer.joint=true")
    assert (loaded.decoding.test.name, loaded.decoding.test.size) == ("beam", 8)
    assert (loaded.data.corpus.name, loaded.data.corpus.train) == ("embedded", 100)


def test_an_override_reaches_into_an_entry_of_a_list(files: Path) -> None:
    loaded = experiment("strategy=intelligen", "strategy.policy=curriculum", "strategy.policy.stages.1.until_share=0.5")
    default = Curriculum()
    later = default.stages[1].model_copy(update={"until_share": 0.5})
    assert loaded.strategy == Intelligen(policy=Curriculum(stages=(default.stages[0], later, default.stages[2])))
    assert experiment("training.optimizer.betas.1=0.95").training.optimizer.betas == (0.9, 0.95)
    assert experiment("finetuning.optimizer.betas.0=0.8").finetuning.optimizer.betas == (0.8, 0.98)


def test_an_override_adds_an_entry_to_a_default_mapping(files: Path) -> None:
    loaded = experiment("data.corpus.name=hub", "data.corpus.splits.extra=test2")
    assert loaded.data.corpus.splits == {"train": "train", "valid": "validation", "test": "test", "extra": "test2"}


@pytest.mark.parametrize(
    "spelling", ["strategy.name=standard", "strategy=standard", "strategy=std", "strategy.name=std"]
)
def test_another_option_drops_the_former_options_settings(files: Path, spelling: str) -> None:
    assert experiment(spelling).strategy == Standard()
    assert experiment("strategy.weight=0.3", "strategy=aux").strategy == Auxiliary(weight=0.3)


def test_the_same_option_keeps_its_settings(files: Path) -> None:
    assert experiment("strategy.name=generative").strategy == Generative(alpha=2, candidates=8)


def test_a_name_that_chooses_no_class_keeps_its_neighbours(files: Path) -> None:
    assert experiment("training.optimizer.name=adamw").training.optimizer.betas == (0.9, 0.99)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sead=3", '-o sead=3: sead: unknown key; did you mean "seed"?'),
        ("training.epoch=3", '-o training.epoch=3: training.epoch: unknown key; did you mean "epochs"?'),
        ("trainin.epochs=3", '-o trainin.epochs=3: trainin: unknown key; did you mean "training"?'),
        ("training.epochs=-1", "-o training.epochs=-1: training.epochs: must be at least 0, got -1"),
        ("training.epochs=x", '-o training.epochs=x: training.epochs: must be a whole number, got "x"'),
        ("seed={a: 1}", "-o seed={a: 1}: seed: must be a whole number, got a mapping"),
        ("name.x=1", "-o name.x=1: name: must be text, got a mapping"),
        ("data.corpus.name=files", "-o data.corpus.name=files: data.corpus.splits: required, but missing; add it"),
        ("strategy=genrative", '-o strategy=genrative: strategy.name: must be one of "standard", "standard_matched", '
         '"r_drop", "auxiliary", "recurrent", "generative_position", "generative_risk", "generative_self_critical", '
         '"generative_offpolicy", "seqgan", "seqgan_constant", "seqgan_random", "intelligen", got '
         '"genrative"; did you mean "generative_position"?'),
        ("training.optimizer.betas.2=0", "-o training.optimizer.betas.2=0: training.optimizer.betas: must be a list, "
         "got a mapping; a list's entries are numbered from 0, and this number is too large"),
        ("model.heads=3", "-o model.heads=3: model: heads (3) must divide d_model (256), or both d_k and d_v must be "
         "given"),
    ],
)  # fmt: skip
def test_a_wrong_override_is_reported_as_it_was_given(files: Path, override: str, message: str) -> None:
    assert refusal(override) == message


def test_a_mistake_in_the_file_keeps_its_line_beside_overrides(files: Path) -> None:
    Path("experiments/tiny.yaml").write_text(EXPERIMENT + "  top_p: 2\n")
    assert refusal("strategy.alpha=0").splitlines() == [
        "experiments/tiny.yaml:13: strategy.top_p: must be at most 1, got 2",
        "-o strategy.alpha=0: strategy.alpha: must be above 0, got 0",
    ]


def test_changes_leave_the_document_alone() -> None:
    document = Document({"seed": 1, "model": {"heads": 2}}, {(): "x.yaml:1"})
    with_overrides(document, Experiment, [Override("model.heads", 4, "-o model.heads=4")])
    assert document == Document({"seed": 1, "model": {"heads": 2}}, {(): "x.yaml:1"})


def test_a_sweep_loads_with_the_experiment_beside_it(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    sweep, named = load_sweep(files / "search spaces/süß.yaml")
    assert sweep.question == "Which, and: why?"
    assert sweep.strategies() == ("standard", "generative")
    assert named == load_experiment(files / "experiments/tiny.yaml")


def test_an_override_of_the_experiment_starts_at_the_working_directory(files: Path) -> None:
    sweep, named = load_sweep(Path("search spaces/süß.yaml"), ["experiment=experiments/other.yaml"])
    assert named.name == "other"
    assert sweep.experiment == str(files / "experiments/other.yaml")


def test_overrides_reach_into_the_sweep_and_its_experiment(files: Path) -> None:
    overrides = ["experiment.seed=5", "budget.trials_per_strategy=7", "scheduler=none", "resources.workers=2"]
    sweep, named = load_sweep(Path("search spaces/süß.yaml"), overrides)
    assert (named.seed, sweep.budget.trials_per_strategy, sweep.resources.workers) == (5, 7, 2)
    assert sweep.scheduler == NoScheduler()


def test_overrides_address_the_dotted_keys_of_a_space(files: Path) -> None:
    overrides = [
        "space.model.dropout={const: 0.5}",
        "space.finetuning.patience={int: [1, 3]}",
        "space.strategy.choice.generative.probability.start={uniform: [0.2, 0.3]}",
        "space.strategy.choice.generative.alpha={const: 3.0}",
    ]
    sweep, _ = load_sweep(Path("search spaces/süß.yaml"), overrides)
    space = sweep.model_dump(mode="json")["space"]
    assert space["model.dropout"] == {"const": 0.5}
    assert space["finetuning.patience"] == {"int": [1, 3]}
    generative = space["strategy"]["choice"]["generative"]
    assert generative["probability.start"] == {"uniform": [0.2, 0.3]}
    assert generative["alpha"] == {"const": 3.0}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=3", '-o seed=3: seed: no key of a sweep; did you mean "experiment.seed"?'),
        ("experiment.sead=3", '-o experiment.sead=3: sead: unknown key; did you mean "seed"?'),
        ("serch.seed=3", '-o serch.seed=3: serch: unknown key; did you mean "search"?'),
        ("experiment=no.yaml", "-o experiment=no.yaml: experiment: no.yaml: no such file; check the path"),
        ("experiment=", "-o experiment=: experiment: must be text, got nothing"),
        (
            "space.model.dropout={const: 2}",
            "-o space.model.dropout={const: 2}: space.model.dropout: must be below 1, got 2",
        ),
    ],
)
def test_a_wrong_override_of_a_sweep_is_reported_as_it_was_given(files: Path, override: str, message: str) -> None:
    assert sweep_refusal(override) == message


def test_a_space_may_bind_settings_that_need_each_other(files: Path) -> None:
    # `end` is valid only where the shape is not constant: an entry's values are tried beside those of the others.
    entries = "probability.shape: {choice: [linear, cosine]}, probability.end: {uniform: [0.2, 0.5]}"
    space = f"space.strategy={{choice: {{generative: {{{entries}}}}}}}"
    sweep, _ = load_sweep(Path("search spaces/süß.yaml"), [space])
    assert sweep.strategies() == ("generative",)


def test_every_corner_of_a_mixture_that_is_valid_loads(files: Path) -> None:
    policies = (
        "static: {weights: {simplex: [standard, recurrent, seqgan]}}, gap: {weights: {simplex: [recurrent, seqgan]}},"
        " curriculum: {stages.1.weights: {simplex: [standard, auxiliary]}, stages.0.until_share: {uniform: [0.1, 0.5]}}"
    )
    schedule = "{schedule: {shape: [constant, linear, exponential], start: [0, 1], end: 0.2, k: [0.5, 0.9]}}"
    inner = f"policy: {{choice: {{{policies}}}}}, generative.probability: {schedule}"
    sweep, _ = load_sweep(Path("search spaces/süß.yaml"), [f"space.strategy={{choice: {{intelligen: {{{inner}}}}}}}"])
    assert sweep.strategies() == ("intelligen",)


def test_options_with_searches_of_their_own_may_vary_in_decoding(files: Path) -> None:
    space = "{choice: {greedy: {}, beam: {size: {int: [2, 8]}}}}"
    sweep, _ = load_sweep(Path("search spaces/süß.yaml"), [f"space.decoding.test={space}"])
    assert "decoding.test" in sweep.space


def test_a_keys_first_part_decides_whether_it_is_complete() -> None:
    assert resolve_key("strategy", "probability.start") == "strategy.probability.start"
    assert resolve_key("strategy", "finetuning.optimizer.learning_rate") == "finetuning.optimizer.learning_rate"


def test_suggested_settings_become_an_experiment(files: Path) -> None:
    base = experiment()
    suggested = apply_settings(base, {"finetuning.optimizer.learning_rate": 1e-4, "model.dropout": 0.3})
    assert suggested.finetuning.optimizer.learning_rate == 1e-4
    assert suggested.model == base.model.model_copy(update={"dropout": 0.3})
    assert suggested.training == base.training
    assert apply_settings(base, {}) == base


def test_a_suggested_strategy_replaces_the_former_whatever_the_order(files: Path) -> None:
    base = apply_settings(experiment(), {"strategy.name": "standard"})
    assert base.strategy == Standard()
    suggested = apply_settings(base, {"strategy.probability.start": 0.4, "strategy.name": "generative"})
    assert suggested.strategy == Generative(probability=ProbabilitySchedule(start=0.4))
    assert apply_settings(base, {"strategy": "generative"}).strategy == Generative()


def test_a_suggested_group_replaces_all_of_the_former(files: Path) -> None:
    base = apply_settings(experiment(), {"strategy": "intelligen"})
    mixed = apply_settings(base, {"strategy.policy.weights": {"generative": 0.25, "seqgan": 0.75}})
    assert mixed.strategy == Intelligen(policy=Static(weights=Weights(generative=0.25, seqgan=0.75)))
    moving = {"shape": "linear", "start": 0.5, "end": 0.0}
    suggested = apply_settings(
        apply_settings(base, {"strategy.name": "generative", "strategy.probability": moving}),
        {"strategy.probability": {"shape": "constant", "start": 0.2}},
    )
    assert suggested.strategy == Generative(probability=ProbabilitySchedule(start=0.2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.dropuot": 0.1}, 'model.dropuot: unknown key; did you mean "dropout"?'),
        ({"model.dropout": 1.0}, "model.dropout: must be below 1, got 1.0"),
        ({"model.dropout": float("nan")}, "model.dropout: must be a finite number"),
        ({"strategy.name": "standard", "strategy.alpha": 1.0},
         'strategy.alpha: unknown key of "standard"; it belongs to "generative_risk" and "generative"'),
    ],
)  # fmt: skip
def test_a_suggestion_that_breaks_a_rule_names_the_key(
    files: Path, changes: dict[str, JsonValue], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        apply_settings(experiment(), changes)
    assert str(caught.value) == message


def test_loading_imports_neither_torch_nor_the_sweeps_libraries() -> None:
    code = "import sys, intelligen.config.load; print({'torch', 'ray', 'optuna', 'mlflow'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert output.stdout.strip() == "set()"
