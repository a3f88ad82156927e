"""Fragments lie below the file that includes them; every value is reported at the file and line where it is written."""

import os
from pathlib import Path

import pytest
import refusals
import yaml
from hypothesis import HealthCheck, given, settings
from refusals import EXPERIMENT, SWEEP, VARIED, json_values, messages_of, refusal

from intelligen.config.document import Document
from intelligen.config.files.includes import with_fragments
from intelligen.config.load import load_experiment, load_sweep
from intelligen.config.schema.data import Tokenizer
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.generative_strategies import Generative
from intelligen.config.schema.single_strategies import Standard
from intelligen.config.schema.strategy_mixture import Intelligen
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ConfigError

folder = refusals.folder

ASHA = "scheduler: {name: asha, grace_epochs: 3}\nsearch: {seed: 7, startup_trials: 9}\n"


@pytest.fixture
def project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of experiments, search spaces and fragments, the working directory."""
    root = folder / "project"
    for name in ("experiments", "search_spaces/fragments", "fragments"):
        (root / name).mkdir(parents=True)
    (root / "experiments/experiment.yaml").write_text(EXPERIMENT)
    monkeypatch.chdir(root)
    return root


def write(path: str, text: str) -> None:
    Path(path).write_text(text)


def sweep(text: str, *overrides: str) -> Sweep:
    write("search_spaces/sweep.yaml", VARIED.replace("experiment.yaml", "../experiments/experiment.yaml") + text)
    return load_sweep(Path("search_spaces/sweep.yaml"), overrides)[0]


def refused(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        sweep(text)
    return messages_of(caught.value)


def experiment(own: str, fragment: str) -> Experiment:
    write("fragments/f.yaml", fragment)
    write("experiments/e.yaml", f"{EXPERIMENT}include: [../fragments/f.yaml]\n{own}")
    return load_experiment(Path("experiments/e.yaml"))


def test_a_fragment_fills_what_the_file_leaves_out(project: Path) -> None:
    write("search_spaces/fragments/asha.yaml", ASHA)
    loaded = sweep("include: [fragments/asha.yaml]\n")
    assert (loaded.search.seed, loaded.search.startup_trials) == (7, 9)
    assert loaded.scheduler.model_dump()["grace_epochs"] == 3
    assert "include" not in loaded.model_dump()


def test_the_files_own_keys_win_one_by_one(project: Path) -> None:
    write("fragments/asha.yaml", ASHA)
    loaded = sweep("include: [../fragments/asha.yaml]\nsearch: {seed: 8}\nscheduler: {grace_epochs: 4}\n")
    assert (loaded.search.seed, loaded.search.startup_trials) == (8, 9)
    assert loaded.scheduler.model_dump()["grace_epochs"] == 4


def test_overrides_win_over_all(project: Path) -> None:
    write("fragments/asha.yaml", ASHA)
    assert sweep("include: [../fragments/asha.yaml]\n", "search.startup_trials=5").search.startup_trials == 5


def test_a_later_fragment_wins_over_an_earlier_one(project: Path) -> None:
    write("fragments/a.yaml", "search: {seed: 1, startup_trials: 1}\n")
    write("fragments/b.yaml", "search: {seed: 2}\n")
    assert sweep("include: [../fragments/a.yaml, ../fragments/b.yaml]\n").search.model_dump()["seed"] == 2
    assert sweep("include: [../fragments/b.yaml, ../fragments/a.yaml]\n").search.model_dump()["seed"] == 1


def test_a_fragment_may_include_fragments_and_starts_where_it_lies(project: Path) -> None:
    write("fragments/inner.yaml", "search: {seed: 5, startup_trials: 5}\n")
    write("search_spaces/fragments/outer.yaml", "include: [../../fragments/inner.yaml]\nsearch: {seed: 6}\n")
    loaded = sweep("include: [fragments/outer.yaml, ../fragments/inner.yaml]\nsearch: {startup_trials: 1}\n")
    assert (loaded.search.seed, loaded.search.startup_trials) == (5, 1)


def test_the_experiment_of_a_sweep_may_include_too(project: Path) -> None:
    write("fragments/f.yaml", "training: {epochs: 9}\n")
    write("experiments/experiment.yaml", f"{EXPERIMENT}include: [../fragments/f.yaml]\n")
    sweep("")
    assert load_sweep(Path("search_spaces/sweep.yaml"))[1].training.epochs == 9


def test_required_keys_may_stand_in_a_fragment(project: Path) -> None:
    write("fragments/f.yaml", "budget: {trials: 4}\nexperiment: ../experiments/experiment.yaml\n")
    text = "version: 1\nname: s\ninclude: [../fragments/f.yaml]\nspace: {model.dropout: {uniform: [0, 0.1]}}\n"
    write("search_spaces/sweep.yaml", text)
    assert load_sweep(Path("search_spaces/sweep.yaml"))[0].budget.trials == 4


def test_another_option_replaces_the_fragments_option_with_its_settings(project: Path) -> None:
    fragment = "strategy: {name: generative, alpha: 2}\ntraining: {optimizer: {name: adam, epsilon: 1e-8}}\n"
    loaded = experiment("strategy: {name: standard}\ntraining: {optimizer: {name: adamw}}\n", fragment)
    assert loaded.strategy == Standard()
    assert (loaded.training.optimizer.name, loaded.training.optimizer.epsilon) == ("adamw", 1e-8)
    assert experiment("strategy: {candidates: 8}\n", fragment).strategy == Generative(alpha=2, candidates=8)


def test_an_option_that_has_no_name_is_filled_up_too(project: Path) -> None:
    fragment = "data: {tokenizer: {vocabulary: 900, character_coverage: 0.99}}\n"
    tokenizer = experiment("data: {tokenizer: {vocabulary: 500}}\n", fragment).data.tokenizer
    assert tokenizer == Tokenizer(vocabulary=500, character_coverage=0.99)


def test_lists_are_replaced_as_a_whole(project: Path) -> None:
    stages = "[{weights: {standard: 1.0}, until_share: 0.5}, {weights: {standard: 0.5, seqgan: 0.5}}]"
    fragment = f"strategy: {{name: intelligen, policy: {{name: curriculum, stages: {stages}}}}}\n"
    shorter = "[{weights: {standard: 1.0}, until_share: 0.1}, {weights: {recurrent: 1.0}}]"
    loaded = experiment(f"strategy: {{name: intelligen, policy: {{stages: {shorter}}}}}\n", fragment).strategy
    assert isinstance(loaded, Intelligen)
    assert loaded.policy.model_dump()["stages"][1]["weights"]["recurrent"] == 1.0


def test_strategies_of_fragments_are_put_together(project: Path) -> None:
    write("fragments/gen.yaml", "space: {strategy: {choice: {generative: {alpha: {uniform: [1, 2]}}}}}\n")
    write("fragments/std.yaml", "space: {strategy: {choice: {standard: {}}}, finetuning.epochs: {int: [1, 2]}}\n")
    write(
        "search_spaces/sweep.yaml",
        "version: 1\nname: s\nexperiment: ../experiments/experiment.yaml\nbudget: {trials_per_strategy: 1}\n"
        "include: [../fragments/gen.yaml, ../fragments/std.yaml]\n"
        "space:\n  strategy: {choice: {generative: {candidates: {int: [2, 4]}}}}\n  finetuning.epochs: {const: 3}\n",
    )
    loaded = load_sweep(Path("search_spaces/sweep.yaml"))[0]
    assert loaded.strategies() == ("generative", "standard")
    space = loaded.model_dump(mode="json")["space"]
    assert set(space["strategy"]["choice"]["generative"]) == {"alpha", "candidates"}
    assert space["finetuning.epochs"] == {"const": 3}


def test_a_mistake_is_reported_where_it_was_written(project: Path) -> None:
    write("fragments/f.yaml", "# a comment\nsearch:\n  seed: -1\n  startup_trials: 0\nsurch: 1\n")
    assert refused("include: [../fragments/f.yaml]\nsearch: {startup_trials: -2}\n") == [
        "fragments/f.yaml:3: search.seed: must be at least 0, got -1",
        "search_spaces/sweep.yaml:8: search.startup_trials: must be above 0, got -2",
        'fragments/f.yaml:5: surch: unknown key; did you mean "search"?',
    ]


def test_a_value_that_the_file_replaces_is_not_checked(project: Path) -> None:
    write("fragments/f.yaml", "search: {seed: -1}\nscheduler: {name: asha, grace_epochs: 0}\n")
    loaded = sweep("include: [../fragments/f.yaml]\nsearch: {seed: 1}\nscheduler: {name: none}\n")
    assert loaded.scheduler.model_dump() == {"name": "none"}


def test_a_mistake_in_a_fragments_space_is_reported_where_it_was_written(project: Path) -> None:
    write("fragments/f.yaml", "space:\n  finetuning.epochs:\n    int: [0, 2]\n")
    (message,) = refused("include: [../fragments/f.yaml]\n")
    assert message.startswith("fragments/f.yaml:3: space.finetuning.epochs: finetuning.epochs must be at least 1")


@pytest.mark.parametrize(
    ("include", "reason"),
    [
        ("[/etc/passwd]", 'include[0]: "/etc/passwd" is outside the project'),
        ("[../../x.yaml]", 'include[0]: "search_spaces/../../x.yaml" is outside the project'),
        ("[../fragments/f.yaml, nowhere.yaml]", "include[1]: search_spaces/nowhere.yaml: no such file"),
        ("[fragments]", "include[0]: search_spaces/fragments: is a directory"),
        ("../fragments/f.yaml", 'include: must be a list of paths, got "../fragments/f.yaml"; write ['),
        ("{a: b}", "include: must be a list of paths, got a mapping"),
        ("[3]", "include[0]: must be a path, got 3"),
        ('[""]', 'include[0]: must be a path, got ""'),
        ("[sweep.yaml]", "include[0]: search_spaces/sweep.yaml would include itself"),
        ("[../fragments/link.yaml]", 'include[0]: "search_spaces/../fragments/link.yaml" is outside the project'),
    ],
)
def test_a_fragment_that_cannot_be_included_is_reported_where_it_is_named(
    project: Path, include: str, reason: str
) -> None:
    write("fragments/f.yaml", "search: {seed: 3}\n")
    (project.parent / "x.yaml").write_text("search: {seed: 3}\n")
    Path("fragments/link.yaml").symlink_to(project.parent / "x.yaml")
    (message,) = refused(f"include: {include}\n")
    assert message.startswith(f"search_spaces/sweep.yaml:7: {reason}")


@pytest.mark.timeout(20)
def test_fragments_that_include_each_other_are_refused(project: Path) -> None:
    write("fragments/a.yaml", "search: {seed: 1}\ninclude: [b.yaml]\n")
    write("fragments/b.yaml", "include: [a.yaml]\n")
    assert refused("include: [../fragments/a.yaml]\n") == [
        "fragments/b.yaml:1: include[0]: fragments/a.yaml would include itself; remove one of the two includes"
    ]


@pytest.mark.timeout(20)
def test_fragments_cannot_multiply_without_end(project: Path) -> None:
    for number in range(20):
        write(f"fragments/{number}.yaml", f"include: [{number + 1}.yaml, {number + 1}.yaml]\n")
    write("fragments/20.yaml", "search: {seed: 1}\n")
    (message,) = refused("include: [../fragments/0.yaml]\n")
    assert "more than 32 included files; merge some of them" in message


def test_a_fragment_is_as_strict_as_a_file(project: Path) -> None:
    write("fragments/f.yaml", "search: {seed: 010}\n")
    (message,) = refused("include: [../fragments/f.yaml]\n")
    assert message.startswith("fragments/f.yaml:1: search.seed: 010 may mean decimal or octal")


def test_an_include_belongs_at_the_root_of_a_file(project: Path) -> None:
    (message,) = refused("search: {include: [../fragments/f.yaml]}\n")
    assert message.startswith("search_spaces/sweep.yaml:7: search.include: unknown key")
    with pytest.raises(ConfigError, match="-o include=x: include: unknown key"):
        sweep("", "include=x")


def test_files_of_a_project_may_be_named_by_their_absolute_path(project: Path) -> None:
    write("fragments/f.yaml", "search: {seed: 3}\n")
    assert sweep(f"include: [{project}/fragments/f.yaml]\n").search.seed == 3
    write("search_spaces/sweep.yaml", VARIED.replace("experiment.yaml", f"{project}/experiments/experiment.yaml"))
    assert load_sweep(Path("search_spaces/sweep.yaml"))[1].name == "tiny"


def test_whoever_starts_the_command_may_choose_any_experiment(project: Path) -> None:
    elsewhere = project.parent / "experiment.yaml"
    sweep("")
    assert load_sweep(Path("search_spaces/sweep.yaml"), [f"experiment={elsewhere}"])[1].name == "tiny"
    name = os.path.relpath(elsewhere, "search_spaces")
    write("search_spaces/sweep.yaml", SWEEP.replace("experiment.yaml", name) + "space: {model.dropout: {const: 0}}\n")
    (message,) = refusal(Path("search_spaces/sweep.yaml"))
    told = f'search_spaces/sweep.yaml:3: experiment: "search_spaces/{name}" is outside the project'
    assert message.startswith(told)


def test_what_is_replaced_leaves_no_lines_behind(folder: Path) -> None:
    Path("f.yaml").write_text(
        "space: {strategy: {const: {name: generative, alpha: 1}}, finetuning.epochs: {const: 1}}\n"
    )
    own = {"include": ["f.yaml"], "space": {"strategy": {"const": {"name": "standard"}}}}
    lines = {(): "x:1", ("space",): "x:2", ("space", "strategy"): "x:3", ("space", "strategy", "const"): "x:3"}
    merged = with_fragments(Document(own, lines), Path("x.yaml"), Sweep)
    assert merged.data["space"] == own["space"] | {"finetuning.epochs": {"const": 1}}
    assert merged.origin(("space", "strategy", "const", "alpha")) == "x:3"
    assert merged.origin(("space", "finetuning.epochs", "const")) == "f.yaml:1"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(include=json_values, above=json_values, below=json_values)
def test_no_fragment_raises_anything_but_a_reported_mistake(
    folder: Path, include: object, above: object, below: object
) -> None:
    Path("x").write_text(yaml.safe_dump({"include": include, "space": below, "scheduler": below}))
    Path("sweep.yaml").write_text(yaml.safe_dump({"include": ["x"], "space": above, "scheduler": above}))
    try:
        load_sweep(Path("sweep.yaml"))
    except ConfigError as error:
        messages_of(error)
