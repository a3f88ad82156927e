"""What a message says to type is typed, and the problem is gone."""

import re
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from conftest import REPOSITORY, TINY_EXPERIMENT, write_tiny_corpus

from intelligen.analysis.suggested_command import command_line
from intelligen.cli.main import commands, guarded
from intelligen.cli.verb_sections import VERBS
from intelligen.config.files.suggested_fixes import fixes_for_sweep, fixes_in_file
from intelligen.config.load import load_sweep
from intelligen.config.schema.columns import Column
from intelligen.config.schema.data import OfExperiment
from intelligen.config.schema.experiment import Experiment
from intelligen.data.preparation import prepare
from intelligen.data.prepared_data import Prepared
from intelligen.data.vocabularies import borrow
from intelligen.errors import ChangedError, DataError
from intelligen.sweep.fingerprint import require_unchanged, sweep_fingerprint
from intelligen.sweep.row_data import DataOfRows

SWEEP = """
version: 1
name: tiny
experiment: experiment.yaml
space: {finetuning.optimizer.learning_rate: {log_uniform: [1.0e-4, 5.0e-3]}}
budget: {trials: 2}
"""
Run = Callable[[str], tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Types a command in a directory with the tiny sweep, and returns its exit code and its error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus").mkdir()
    write_tiny_corpus(tmp_path / "corpus")
    (tmp_path / "experiment.yaml").write_text(TINY_EXPERIMENT)
    (tmp_path / "sweep.yaml").write_text(SWEEP)

    def typed(command: str) -> tuple[int, str]:
        code = guarded(lambda: commands.main(shlex.split(command)[1:], standalone_mode=False))
        return code, capfd.readouterr().err

    return typed


def change(file: str, old: str, new: str) -> None:
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new))


# What breaks, the command that says so, and what its placeholders stand for.
BROKEN = {
    "vocabulary": ("vocabulary: 90", "vocabulary: 4000", {}),
    "folder": ("folder: corpus", "folder: nowhere", {"PATH": "corpus"}),
    "file": ("folder: corpus", "folder: .", {"PATH": "corpus"}),
}


@pytest.mark.parametrize("command", ["intelligen prepare experiment.yaml", "intelligen plan sweep.yaml"])
@pytest.mark.parametrize("broken", BROKEN)
def test_an_override_works_in_the_command_whose_message_names_it(run: Run, broken: str, command: str) -> None:
    old, new, values = BROKEN[broken]
    change("experiment.yaml", old, new)
    code, error = run(command)
    assert code == 65
    (fix,) = re.findall(r"-o \S+", error)
    assert ("-o experiment." in fix) == ("plan" in command)
    for placeholder, value in values.items():
        fix = fix.replace(placeholder, value)
    assert run(f"{command} {fix}") == (0, "")


def test_an_override_for_the_copy_on_the_hub_has_the_key_of_the_copy(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    rows = {"source": [f"ape bee {n}" for n in range(400)], "target": [f"biene affe {n}" for n in range(400)]}
    split = datasets.Dataset.from_dict(rows)
    datasets.DatasetDict(
        {"train": split, "validation": split.select(range(9)), "test": split.select(range(9))}
    ).save_to_disk("saved")
    hub = "hub: {name: hub, dataset: nobody/nothing, source_field: source, target_field: target}"
    change("experiment.yaml", "folder: corpus", hub)
    change("experiment.yaml", "vocabulary: 90", "vocabulary: 30")
    code, error = run("intelligen prepare experiment.yaml")
    assert code == 69
    (fix,) = re.findall(r"-o \S+", error)
    code, error = run(f"intelligen prepare experiment.yaml {fix.replace('PATH', 'saved')}")
    assert "cannot be read" not in error
    assert "unknown key" not in error


@pytest.mark.parametrize(
    ("wrong", "pattern", "right"),
    [
        ("-o seed=3", r'did you mean "(.+)"', "-o {}=3"),
        ("-o objective.metric=valid/chrf", r"set (-o \S+)", "-o objective.metric=valid/chrf {}"),
        ("-o strategy=standard", r'did you mean "(.+)"', "-o {}=standard"),
        ("-o budget.trails=3", r'did you mean "(.+)"', "-o budget.{}=3"),
        ("-o search.sampler=tpee", r'did you mean "(.+)"', "-o search.sampler={}"),
        ("-o search.seed=\"'1'\"", r"write it without quotation marks", "-o search.seed=1"),
    ],
)
def test_an_override_is_corrected_as_its_message_says(run: Run, wrong: str, pattern: str, right: str) -> None:
    code, error = run(f"intelligen validate sweep.yaml {wrong}")
    assert code == 2
    found = re.search(pattern, error)
    assert found, error
    assert run(f"intelligen validate sweep.yaml {right.format(*found.groups())}") == (0, "")


def test_an_override_in_quotation_marks_is_spelt_for_a_sweep_too() -> None:
    message = "draw it: -o 'data.corpus.splits.valid={from: train}', or -o name=NEW; -o is an option"
    with (
        pytest.raises(
            DataError, match=r"^draw it: -o 'experiment.data.corpus.splits.valid=.*, or -o name=NEW; -o is an"
        ),
        fixes_for_sweep(),
    ):
        raise DataError(message)


def test_no_override_is_named_for_an_experiment_that_another_one_names() -> None:
    with (
        pytest.raises(DataError, match=r"^no such: data\.corpus\.folder=PATH in lm\.yaml; or a=b c in lm\.yaml$"),
        fixes_for_sweep(),
        fixes_in_file("lm.yaml"),
    ):
        raise DataError("no such: -o data.corpus.folder=PATH; or -o 'a=b c'")


def test_the_data_that_a_vocabulary_is_of_are_corrected_in_their_own_file(tmp_path: Path) -> None:
    (tmp_path / "lm.yaml").write_text(
        "version: 1\nname: lm\ntask: {name: language_modelling}\nmodel: {name: decoder_only}\n"
        "data:\n  corpus:\n    name: files\n    folder: nowhere\n"
        "    splits: {train: {documents: a.txt}, valid: {documents: b.txt}}\n"
    )
    settings = OfExperiment(name="of_experiment", experiment=str(tmp_path / "lm.yaml"))
    with pytest.raises(DataError, match=r"nowhere: no such folder; .*: data\.corpus\.folder=PATH in .*lm\.yaml$"):
        borrow(settings, (Column("text", read=True),), partial(prepared_of, store=tmp_path))


def prepared_of(experiment: Experiment, *, store: Path) -> Prepared:
    return prepare(experiment.data, store, columns=experiment.task.columns)


def test_another_sweep_is_started_as_the_message_says(run: Run, tmp_path: Path) -> None:
    before, after = (
        sweep_fingerprint(*load_sweep(Path("sweep.yaml"), overrides), data=DataOfRows("x"))
        for overrides in ([], ["search.seed=2"])
    )
    with pytest.raises(ChangedError) as caught:
        require_unchanged(before, after, tmp_path)
    found = re.search(r"intelligen run FILE (-o \S+)$", str(caught.value))
    assert found
    assert load_sweep(Path("sweep.yaml"), [found[1].removeprefix("-o ")])[0].name == "NEW"


def test_a_command_names_the_runs_folder_that_it_needs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "other runs" / "sweeps" / "tiny"
    assert command_line("resume", tmp_path / "runs" / "sweeps" / "tiny") == "intelligen resume tiny"
    assert command_line("resume", elsewhere) == f"intelligen resume tiny --runs '{tmp_path}/other runs'"
    assert run(command_line("status", elsewhere))[1].startswith("error: no sweep 'tiny' in")
    monkeypatch.setenv("INTELLIGEN_RUNS", str(tmp_path / "other runs"))
    assert command_line("resume", elsewhere) == "intelligen resume tiny"


def test_every_command_that_the_code_names_exists() -> None:
    """`intelligen VERB --option`, in messages and in docs alike."""
    texts = [path.read_text() for path in (REPOSITORY / "intelligen").rglob("*.py")]
    texts += [path.read_text() for path in (*(REPOSITORY / "docs").glob("*.md"), REPOSITORY / "README.md")]
    named = {
        (verb, option)
        for text in texts
        for verb, rest in re.findall(r"(?:`|    |: |\(|\")intelligen ([a-z]+)\b([^`\n]*)", text)
        for option in ["", *re.findall(r"(?<=\s)--[a-z][a-z-]*", rest)]
    }
    assert len(named) > 20
    known = {
        verb.name: {"", *(word for one in verb.load().params for word in (*one.opts, *one.secondary_opts))}
        for verb in VERBS
    }
    assert [f"{verb} {option}" for verb, option in named if option not in known.get(verb, ())] == []
