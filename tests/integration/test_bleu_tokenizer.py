"""Chinese references: nothing is trained until a tokenizer is chosen, and then every score is by it."""

import contextlib
import json

import pytest
import ray
from conftest import TIERE
from test_sweep import Project

from intelligen.cli.main import commands, guarded

CHINESE = dict(zip(TIERE, "猿蜂猫犬鰻狐牛鸡鹮鸦", strict=True))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("project"))
    for path in (project.directory / "corpus").glob("*.de"):
        rows = [line.split() for line in path.read_text().splitlines()]
        path.write_text("".join("".join(map(CHINESE.__getitem__, row)) + "\n" for row in rows))
    return project


def call(project: Project, *arguments: str) -> int:
    with contextlib.chdir(project.directory):
        return guarded(lambda: commands.main(list(arguments), standalone_mode=False))


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (["prepare", "experiment.yaml"], "task.bleu_tokenizer=zh"),
        (["train", "experiment.yaml"], "task.bleu_tokenizer=zh"),
        (["finetune", "experiment.yaml"], "task.bleu_tokenizer=zh"),
        (["plan", "sweep.yaml"], "experiment.task.bleu_tokenizer=zh"),
        (["run", "sweep.yaml"], "experiment.task.bleu_tokenizer=zh"),
    ],
)
def test_nothing_is_trained_until_a_tokenizer_is_chosen(project, arguments, fix, capfd):
    assert call(project, *arguments) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert "100% of the characters of the valid references are Han" in line
    assert f"-o {fix};" in line
    assert not list(project.directory.glob("runs/*/*/ledger.jsonl"))
    assert not (project.directory / "runs" / "baselines").exists()
    assert not ray.is_initialized()
    assert call(project, "validate", arguments[1], "-o", fix) == 0


def test_with_the_line_added_every_score_is_by_that_tokenizer(project, capfd):
    experiment = project.directory / "experiment.yaml"
    before = experiment.read_text()
    experiment.write_text(before + "task: {bleu_tokenizer: zh}\n")
    assert call(project, "train", "experiment.yaml") == 0
    assert call(project, "test", "experiment.yaml") == 0
    assert "|tok:zh|" in capfd.readouterr().out
    (baseline,) = (project.directory / "runs" / "baselines").iterdir()
    for line in (baseline / "history.jsonl").read_text().splitlines():
        assert "|tok:zh|" in json.loads(line)["tags"]["bleu_signature"]
    experiment.write_text(before)


def test_an_explicit_13a_is_obeyed(project, capfd):
    assert call(project, "prepare", "experiment.yaml", "-o", "task.bleu_tokenizer=13a") == 0
