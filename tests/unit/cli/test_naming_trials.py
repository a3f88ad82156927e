"""Every verb takes trials by the same names, has a JSON document, and completes names and keys."""

import json
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from small_study import SmallStudy

from intelligen.analysis.find_sweep import find_trial, named_in
from intelligen.cli.main import commands
from intelligen.cli.verb_sections import VERBS
from intelligen.errors import ConfigError


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("named") / "runs"
    SmallStudy(runs, confirm=False).write()
    SmallStudy(runs, name="other", confirm=False, strategies=("standard",)).write()
    for name in ("t0003", "t0007"):
        (runs / "sweeps" / "small" / "trials" / name / "trial.json").write_text("{}")
    return runs


def test_a_trial_has_the_same_names_everywhere(runs: Path) -> None:
    directory = runs / "sweeps" / "small" / "trials" / "t0007"
    for named in (("t0007",), ("small/t0007",), (str(directory),)):
        assert named_in(runs, *named) == ("small", "t0007")
        assert find_trial(runs, *named)[1].id == "t0007"
    for beside in ("t0007", "small/t0007", str(directory)):
        assert named_in(runs, "small", beside) == ("small", "t0007")
    assert named_in(runs, "small") == ("small", None)


def test_a_trial_s_directory_names_its_runs_directory_too(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    directory = runs / "sweeps" / "small" / "trials" / "t0007"
    commands.main(["logs", str(directory), "--json"], standalone_mode=False)
    assert [one["trial"] for one in json.loads(capsys.readouterr().out)["trials"]] == ["t0007"]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (("t0003",), "t0003 is a trial of other, small; write other/t0003"),
        (("other", "small/t0003"), "small/t0003 is no trial of other"),
        (("small/t0003", "t0003"), "names a trial already"),
    ],
)
def test_what_names_no_trial_or_several_is_refused(runs: Path, named: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        named_in(runs, *named)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_has_a_document(verb) -> None:
    assert "as_json" in {parameter.name for parameter in verb.load().params}


def test_documents_of_small_verbs_have_a_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("schema",), ("completion", "bash"), ("init", str(tmp_path / "new"))):
        commands.main([*words, "--json"], standalone_mode=False)
        assert json.loads(capsys.readouterr().out)["format"] == 1


def completed(runs: Path, *words: str) -> list[str]:
    *before, incomplete = words
    before[1:1] = ["--runs", str(runs)]
    found = ShellComplete(commands, {}, "intelligen", "_INTELLIGEN_COMPLETE").get_completions(before, incomplete)
    return [item.value for item in found]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("status", "sm"), ["small"]),
        (("logs", "small", "t000"), [f"t000{number}" for number in range(10)]),
        (("logs", "small/t001"), ["small/t0010", "small/t0011"]),
        (("promote", "other", "--trial", "t0003"), ["t0003"]),
        (("test", "other/t0003"), ["other/t0003", "other/t0003"]),
        (("finetune", "e.yaml", "--strategy", "gen"), ["generative_position", "gen"]),
        (("train", "e.yaml", "-o", "finetuning.ep"), ["finetuning.epochs=", "finetuning.epoch_updates="]),
        (("run", "s.yaml", "-o", "experiment.finet"), ["experiment.finetuning."]),
        (("run", "s.yaml", "-o", "budget.trials_"), ["budget.trials_per_strategy="]),
        (("train", "e.yaml", "-o", "strategy.mle_w"), ["strategy.mle_weight="]),
    ],
)
def test_a_shell_completes_names_and_keys(runs: Path, words: tuple[str, ...], expected: list[str]) -> None:
    found = completed(runs, *words)
    assert set(expected) <= set(found)
    assert all(one.startswith(words[-1]) for one in found)
