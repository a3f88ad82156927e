"""A file names tasks, models and strategies of installed packages; it is checked, completed and hashed as any other."""

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter
from refusals import EXPERIMENT, assert_reported, refusal
from toy_installation import TOY_PATH

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.cli.main import commands, guarded
from intelligen.config.base import canonical_json
from intelligen.config.json_schema import json_schema
from intelligen.config.load import load_experiment, load_sweep
from intelligen.config.schema.experiment import Experiment, baseline_trial, finetuning_trial, stored_trial
from intelligen.config.schema.missing_controls import missing_controls
from intelligen.config.schema.model import Model
from intelligen.config.schema.plugins import require_packages
from intelligen.config.schema.tasks import Task, task_settings
from intelligen.errors import ConfigError, UnavailableError
from intelligen.models.build import build_classifier, build_model
from intelligen.tasks import build_task

TINY = f"{EXPERIMENT}data: {{max_tokens: 40}}\nmodel: {{name: tiny_lm, width: 16}}\n"
RAMPED = f"{TINY}strategy: {{name: ramped, span: [0.25, 1.0]}}\n"
COPYING = f"{TINY}task: {{name: copying}}\n"
SWEEP = "version: 1\nname: tiny\nexperiment: experiment.yaml\nbudget: {trials: 2}\nspace:\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, where the toy package is installed."""
    for path in TOY_PATH:
        monkeypatch.syspath_prepend(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def written(folder: Path) -> Callable[[str], Path]:
    def write(text: str, name: str = "experiment.yaml") -> Path:
        Path(name).write_text(text)
        return Path(name)

    return write


def test_a_file_names_an_installed_model_and_strategy(written):
    experiment = load_experiment(written(RAMPED))
    assert (experiment.model.name, experiment.model.width, experiment.model.layers) == ("tiny_lm", 16, 1)
    assert (experiment.strategy.name, experiment.strategy.span) == ("ramped", (0.25, 1.0))


@pytest.mark.parametrize(
    ("below", "above", "merged"),
    [
        ("{d_model: 32, heads: 4}", "{d_ff: 8}", {"name": "seq2seq", "d_model": 32, "d_ff": 8, "heads": 4}),
        ("{name: tiny_lm, width: 16}", "{layers: 2}", {"name": "tiny_lm", "width": 16, "layers": 2}),
        ("{d_model: 32, heads: 4}", "{name: tiny_lm}", {"name": "tiny_lm", "width": 32}),
        ("{name: tiny_lm, layers: 2}", "{name: seq2seq, heads: 4}", {"name": "seq2seq", "d_model": 256, "heads": 4}),
    ],
)
def test_an_installed_model_changes_nothing_of_what_an_included_file_says(written, below, above, merged):
    written(f"model: {below}\n", "below.yaml")
    experiment = load_experiment(
        written(f"version: 1\nname: a\ninclude: [below.yaml]\ndata: {{max_tokens: 40}}\nmodel: {above}\n")
    )
    assert experiment.model.model_dump().items() >= merged.items()


def test_a_file_names_an_installed_task_and_a_sweep_searches_by_its_metric(written):
    experiment = load_experiment(written(COPYING))
    assert experiment.task.reported_scores == ("token_f1",)
    assert baseline_trial(experiment, prepared="p").plugins() == {"toy-lm": "0.3"}
    assert stored_trial(baseline_trial(experiment, prepared="p").model_dump_json()).task == experiment.task
    assert task_settings(experiment.model_dump(mode="json")) == experiment.task
    text = f"{SWEEP}  model.dropout: {{choice: [0.0, 0.1]}}\nobjective:\n  metric: valid/token_f1  #!\n"
    sweep, _ = load_sweep(written(text, "sweep.yaml"))
    assert sweep.objective.metric == "valid/token_f1"
    sweep, _ = load_sweep(written(text.partition("objective:")[0], "sweep.yaml"))
    assert sweep.objective.metric == "valid/token_f1"
    with pytest.raises(
        ConfigError, match=r"selects its epochs by valid/token_f1; set -o objective\.metric=valid/token_f1"
    ):
        load_sweep(Path("sweep.yaml"), ["objective.metric=valid/bleu"])
    other = text.replace("token_f1", "chrf")
    message = "is valid/chrf, but the experiment selects its epochs by valid/token_f1"
    assert_reported(Path("sweep.yaml"), other, "objective.metric", message)
    assert_reported(
        Path("sweep.yaml"), text.replace("token_f1", "tokn_f1"), "objective.metric", 'mean "valid/token_f1"?'
    )


def test_overrides_reach_and_choose_plugins(written):
    path = written(f"{EXPERIMENT}data: {{max_tokens: 40}}\nmodel: {{d_model: 64}}\n")
    chosen = load_experiment(path, ["model.name=tiny_lm", "strategy=ramped", "strategy.shape=square", "model.layers=2"])
    assert (chosen.model.layers, chosen.strategy.shape) == (2, "square")
    assert load_experiment(path, ["model.dropout=0.3"]).model.d_model == 64


def test_settings_of_plugins_cross_processes_as_they_are(written):
    experiment = load_experiment(written(RAMPED))
    trial = finetuning_trial(experiment, prepared="p", start="s")
    assert pickle.loads(pickle.dumps(trial)) == trial  # noqa: S301
    assert stored_trial(trial.model_dump_json()) == trial
    assert Experiment.model_validate(experiment.model_dump()) == experiment
    assert trial.plugins() == {"toy-lm": "0.3"}


def test_every_setting_of_a_plugin_takes_part_in_the_identity(written):
    one = load_experiment(written(RAMPED))
    assert json.loads(canonical_json(one))["strategy"] == {"name": "ramped", "span": [0.25, 1.0], "shape": "linear"}
    wider = load_experiment(written(RAMPED), ["model.width=32"])
    assert baseline_trial(one, prepared="p").identity != baseline_trial(wider, prepared="p").identity


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        (f"{TINY}task:\n  name: copyng  #!\n", "task.name", 'got "copyng"; did you mean "copying"?'),
        (
            f"{TINY}task:\n  name: copying\n  bleu_tokenizer: zh  #!\n",
            "task.bleu_tokenizer",
            "known here: name, selection_metric",
        ),
        (
            f"{TINY}task:\n  name: copying\n  selection_metric: valid/bleu  #!\n",
            "task.selection_metric",
            '"valid/token_f1", "valid/exact_match", "valid/loss", got "valid/bleu"',
        ),
        (f"{TINY}strategy:\n  name: rampd  #!\n", "strategy.name", 'got "rampd"; did you mean "ramped"?'),
        (f"{TINY}strategy:\n  name: ramped\n  shpe: linear  #!\n", "strategy.shpe", "unknown key"),
        (f"{TINY}strategy:\n  name: ramped\n  span: [0.5, 3.0]  #!\n", "strategy.span[1]", "at most 2, got 3"),
        (f"{TINY}strategy:\n  name: ramped\n  shape: cubic  #!\n", "strategy.shape", '"linear", "square", got "cubic"'),
        (f"{EXPERIMENT}model:\n  name: tiny_ml  #!\n", "model.name", 'got "tiny_ml"; did you mean "tiny_lm"?'),
        (f"{EXPERIMENT}model:\n  name: tiny_lm\n  widht: 8  #!\n", "model.widht", 'did you mean "width"?'),
        (f"{EXPERIMENT}model:\n  width: 8  #!\n", "model.width", "unknown key; known here: name, d_model"),
        (f"{EXPERIMENT}model: tiny_lm  #!\n", "model", "write {name: tiny_lm}"),
        (
            f"{TINY}strategy:\n  name: auxiliary\n  head: encoder  #!\n",
            "strategy.head",
            "needs a model that offers encoder_output, which tiny_lm does not; take decoder, or another model",
        ),
        (
            f"{TINY}strategy:\n  name: intelligen\n  recurrent:\n    pick: gumbel  #!\n",
            "strategy.recurrent.pick",
            "needs a model that offers mixtures, which tiny_lm does not; take argmax or sample or top_k, or another",
        ),
        (
            f"{EXPERIMENT}data: {{max_tokens: 90}}  #!\nmodel: {{name: tiny_lm}}\n",
            "data.max_tokens",
            "must be below model.max_positions (64)",
        ),
    ],
)
def test_a_mistake_with_plugins_is_reported_in_one_line_with_its_location(text, key, reason, folder):
    assert_reported(Path("experiment.yaml"), text, key, reason)


def test_a_space_may_vary_plugins_and_every_corner_is_tried(written):
    written(TINY)
    space = "  model.dropout: {choice: [0.0, 0.1]}\n  strategy:\n    choice:\n      standard: {}\n"
    text = f"{SWEEP}{space}      standard_matched: {{}}\n      ramped: {{shape: {{choice: [linear, square]}}}}  #!\n"
    sweep, _ = load_sweep(written(text, "sweep.yaml"))
    assert missing_controls(sweep.strategies()) == []
    assert_reported(Path("sweep.yaml"), text.replace("square", "cubic"), "shape", 'got "cubic"')
    unmet = text.replace("ramped: {shape: {choice: [linear, square]}}", "auxiliary: {head: {choice: [encoder]}}")
    assert_reported(Path("sweep.yaml"), unmet, "head", "needs a model that offers encoder_output")


def test_a_costlier_plugin_is_not_ranked_without_its_matched_control(folder):
    assert ComparedRows().controls_of("ramped") == ("standard", "standard_matched")
    (line,) = missing_controls(["standard", "ramped"])
    assert line.startswith("no `standard_matched` beside ramped: equal updates are not equal time")


def test_the_schema_of_this_installation_knows_the_plugins(written, capfd):
    assert guarded(lambda: commands.main(["schema", "experiment"], standalone_mode=False)) == 0
    schema = json.loads(capfd.readouterr().out)
    Draft202012Validator.check_schema(schema)
    errors = Draft202012Validator(schema).iter_errors
    base = {"version": 1, "name": "tiny"}
    ramped = {"name": "ramped", "shape": "square"}
    assert not list(errors(base | {"model": {"name": "tiny_lm", "width": 8}, "strategy": ramped}))
    assert not list(errors(base | {"model": {"d_model": 8}, "strategy": {"name": "standard"}}))
    assert list(errors(base | {"model": {"name": "tiny_lm", "d_model": 8}}))
    assert not list(errors(base | {"task": {"name": "copying", "selection_metric": "valid/exact_match"}}))
    assert list(errors(base | {"task": {"name": "copying", "bleu_tokenizer": "zh"}}))
    metrics = json_schema("sweep")["$defs"]["Objective"]["properties"]["metric"]["enum"]
    assert metrics == [
        *("valid/bleu", "valid/chrf", "valid/loss", "valid/exact_match", "valid/token_f1"),
        *("valid/accuracy", "valid/macro_f1", "valid/perplexity"),
    ]
    assert list(errors(base | {"strategy": ramped | {"alpha": 1}}))
    offered = json_schema("sweep")["properties"]["space"]["properties"]
    assert "span" in offered["strategy"]["properties"]["choice"]["properties"]["ramped"]["properties"]
    assert "model.dropout" in offered


def test_without_the_package_its_names_are_unknown_and_what_it_trained_says_what_to_install(written, monkeypatch):
    trial = finetuning_trial(load_experiment(written(RAMPED)), prepared="p", start="s").model_dump_json()
    for path in TOY_PATH:
        sys.path.remove(str(path))
    lines = refusal(Path("experiment.yaml"))
    assert [line.partition(" must be ")[0] for line in lines] == [
        "experiment.yaml:4: model.name:",
        "experiment.yaml:5: strategy.name:",
    ]
    assert [line.partition(", got ")[2] for line in lines] == ['"tiny_lm"', '"ramped"']
    with pytest.raises(
        UnavailableError, match="model tiny_lm: the package that brings it is not installed here"
    ) as errors:
        stored_trial(trial)
    assert errors.value.exit_code == 69
    with pytest.raises(
        UnavailableError, match="the package toy-lm, which brings its task, model or strategy, is not installed"
    ):
        require_packages({"toy-lm": "0.3"})


OFFERS = "    offers = frozenset({'generation', 'mixtures'})\n"
PLUGIN = "MINE = Plugin(Mine, print)\n"
GOOD = (
    "from typing import Literal\n"
    "from intelligen.config.schema.declarations import PluginModel, StrategySettings\n"
    "from intelligen.config.schema.plugins import Plugin\n"
    "class Mine(PluginModel):\n"
    f"{OFFERS}"
    "    name: Literal['mine'] = 'mine'\n"
    "    max_positions: int = 600\n"
)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import nothing_like_it\n", "cannot be loaded: ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("", "cannot be loaded: AttributeError"),
        ("import sys\nsys.exit(4)\n", "cannot be loaded: SystemExit: 4"),
        (f"{GOOD}MINE = Mine\n", "must be a Plugin of intelligen.config.schema.plugins, got ModelMetaclass"),
        (f"{GOOD}MINE = Plugin(StrategySettings, print)\n", "must have settings that inherit intelligen.config."),
        (
            GOOD.replace("'mine'", "'yours'") + PLUGIN,
            'must have settings with `name: Literal["mine"]',
        ),
        (f"{GOOD}MINE = Plugin(Mine, None)\n", "must have a `build` that can be called"),
        (
            GOOD.replace(OFFERS, "") + PLUGIN,
            "cannot be loaded: TypeError: Mine does not declare offers",
        ),
    ],
)
def test_an_entry_point_that_is_not_as_it_must_be_is_reported_with_its_package(
    code, reason, folder, monkeypatch, request
):
    installed(folder, monkeypatch, code, module=f"mine_{abs(hash(request.node.name))}")
    assert_reported(Path("experiment.yaml"), f"{EXPERIMENT}model: {{name: mine}}  #!\n", "model", reason)
    (line,) = refusal(Path("experiment.yaml"))
    assert "of mine-package 1.2 in intelligen.models" in line
    assert line.endswith("; correct or uninstall that package")
    Path("experiment.yaml").write_text(TINY)
    assert load_experiment(Path("experiment.yaml")).model.name == "tiny_lm"  # who does not name it is not bothered


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        ("lambda *_: 3", "must build a intelligen.models.interfaces.Generator, got int"),
        ("toy_lm.plugins.MODEL.build", "declares mixtures, which its network does not offer"),
    ],
)
def test_a_plugin_that_builds_something_else_than_it_declares_is_reported(build, reason, folder, monkeypatch):
    code = f"import toy_lm.plugins\n{GOOD}    width: int = 8\n    layers: int = 1\n    dropout: float = 0.0\n"
    installed(folder, monkeypatch, f"{code}MINE = Plugin(Mine, {build})\n", module=f"built_{len(build)}")
    Path("experiment.yaml").write_text(f"{EXPERIMENT}model: {{name: mine}}\n")
    model = load_experiment(Path("experiment.yaml")).model
    with pytest.raises(ConfigError, match=reason):
        build_model(model, {"source": 9, "target": 9}, seed=1)


def test_a_plugin_builds_a_classifier_for_a_task_that_asks_for_one(folder, monkeypatch):
    code = (
        "from intelligen.config.schema.model import Seq2Seq\n"
        "from intelligen.models.transformer_classifier import TransformerClassifier\n"
        f"{GOOD.replace(OFFERS, OFFERS.replace('generation', 'classification'))}"
        "    right: bool = True\n"
        "def build(settings, vocabularies, *, classes):\n"
        "    shape = Seq2Seq(d_model=8, heads=2, d_ff=8)\n"
        "    return TransformerClassifier(shape, vocabularies=vocabularies, classes=classes) if settings.right else 3\n"
    )
    installed(folder, monkeypatch, f"{code}MINE = Plugin(Mine, build)\n", module="sorting")
    model = TypeAdapter(Model).validate_python({"name": "mine"})
    assert build_classifier(model, [9], classes=5).classes == 5
    with pytest.raises(ConfigError, match=r"must build a intelligen\.models\.interfaces\.Classifier, got int"):
        build_classifier(model.model_copy(update={"right": False}), [9], classes=5)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        ("lambda settings: TextGeneration(settings, ())", "cannot build: TypeError: Can't instantiate abstract class"),
        ("lambda settings: CopyingTask(Copying())", "it must have `loss`"),
        ("lambda settings: settings.nothing", "cannot build: AttributeError"),
    ],
)
def test_a_task_that_cannot_be_built_is_reported_with_its_package(build, reason, folder, monkeypatch):
    code = (
        "from toy_lm.plugins import Copying, CopyingTask, Plugin\n"
        "from intelligen.tasks import Task, TextGeneration\n"
        "TextGeneration = Task\n"
        "from typing import Literal\n"
        "class Mine(Copying):\n    columns = Copying.columns\n    needs = ()\n    metrics = Copying.metrics\n"
        "    watched = Copying.watched\n    name: Literal['mine'] = 'mine'\n"
        f"MINE = Plugin(Mine, {build})\n"
    )
    installed(folder, monkeypatch, code, module=f"task_{len(build)}", group="intelligen.tasks")
    with pytest.raises(ConfigError, match=r"of mine-package 1\.2 in intelligen\.tasks") as caught:
        build_task(TypeAdapter(Task).validate_python({"name": "mine"}))
    assert reason in str(caught.value)


def test_two_packages_of_one_name_are_reported_with_both(folder, monkeypatch):
    installed(folder, monkeypatch, GOOD, module="twice", name="tiny_lm")
    assert_reported(
        Path("experiment.yaml"), TINY.replace("\nmodel: {name", "\nmodel:  #!\n  {name"), "model", "uninstall one"
    )
    assert "mine-package 1.2 and toy-lm 0.3" in refusal(Path("experiment.yaml"))[0]


def installed(folder, monkeypatch, code, *, module, name="mine", group="intelligen.models"):
    """A package of one module, whose entry point is `MINE` there."""
    (folder / f"{module}.py").write_text(code)
    metadata = folder / "mine_package-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mine-package\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:MINE\n")
    monkeypatch.syspath_prepend(folder)
