"""Shipped files that start from another model: what they say without one that their user must name, and with it."""

import re
from pathlib import Path

import pytest
from conftest import REPOSITORY
from shipped_copy import copy_shipped

from intelligen.cli.main import commands, guarded
from intelligen.config.load import load_experiment, load_sweep

EXPERIMENT, SWEEP = "experiments/qa_friend_t5.yaml", "search_spaces/pretrained_strategies.yaml"
FRIEND, GPT = "experiments/qa_friend.yaml", "experiments/qa_friend_gpt.yaml"
VERBS = [
    *(("validate", file) for file in (EXPERIMENT, SWEEP)),
    *((verb, EXPERIMENT) for verb in ("prepare", "train", "finetune", "test", "inference", "chat")),
    ("export-model", EXPERIMENT, "exported"),
    *((verb, SWEEP) for verb in ("plan", "run")),
]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped files; the model lies where they do not look for it."""
    place = copy_shipped(tmp_path_factory.mktemp("shipped"))
    (place / "models").rename(place / "elsewhere")
    return place


@pytest.fixture(autouse=True)
def here(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shipped)


def call(*words: str) -> int:
    return guarded(lambda: commands.main(list(words), standalone_mode=False))


def line_of(key: str) -> int:
    """At which line of the experiment it stands."""
    lines = (REPOSITORY / EXPERIMENT).read_text().splitlines()
    return next(number for number, line in enumerate(lines, start=1) if line.startswith(key))


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_without_the_directory_every_verb_names_the_override(
    words: tuple[str, ...], shipped: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call(*words) == 65
    (line,) = capfd.readouterr().err.splitlines()
    where, _, what = line.removeprefix("error: ").partition(": ")
    assert Path(where.rpartition(":")[0]).resolve() == shipped / EXPERIMENT
    assert where.endswith(f":{line_of('model:')}")
    prefix = "experiment." if words[1] == SWEEP else ""
    fix = f"name that of a pre-trained model: -o {prefix}model.path=DIR"
    assert what == f"model.path: {shipped}/models/ke-t5-small: no such directory; {fix}"
    if words[0] == "validate":
        assert call(*words, "-o", f"{prefix}model.path=elsewhere/ke-t5-small") == 0


def test_all_files_are_examined_whatever_one_of_them_lacks(capfd: pytest.CaptureFixture[str]) -> None:
    assert call("validate", EXPERIMENT, FRIEND, SWEEP) == 65
    out, err = capfd.readouterr()
    assert out == f"{FRIEND}: experiment is valid\n"
    assert len(err.splitlines()) == 2
    assert call("validate", EXPERIMENT, FRIEND, "-o", "seed=-1") == 2
    assert len(capfd.readouterr().err.splitlines()) == 2


def test_a_pretrained_model_without_a_path_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    for verb in ("validate", "train", "test", "inference", "chat"):
        assert call(verb, FRIEND, "-o", "model=pretrained") == 2
        (line,) = capfd.readouterr().err.splitlines()
        assert line.removeprefix("error: ") == "-o model=pretrained: model.path: required, but missing; add it"


def test_a_tokenizer_that_does_not_fit_is_told_at_the_model_s_line(
    shipped: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((shipped / "elsewhere" / "ke-t5-small" / name).read_bytes())
    config = (shipped / "elsewhere" / "ke-t5-small" / "config.json").read_text()
    (tmp_path / "config.json").write_text(re.sub(r'"vocab_size": \d+', '"vocab_size": 20', config))
    (tmp_path / "data").mkdir()
    for split in ("train", "valid"):
        rows = [f"{split} {number}\tja {number}\n" for number in range(600)]
        (tmp_path / "data" / f"{split}.tsv").write_text("question\tanswer\n" + "".join(rows))
    splits = "{train: {file: train.tsv}, valid: {from: train, rows: 5}, test: {file: valid.tsv}}"
    changes = (f"data.corpus={{name: files, folder: {tmp_path}/data, splits: {splits}}}", f"model.path={tmp_path}")
    overrides = [word for change in changes for word in ("-o", change)]
    for verb in ("prepare", "train", "chat"):
        assert call(verb, EXPERIMENT, *overrides, "--runs", str(tmp_path / "runs")) == 65
        line = capfd.readouterr().err.splitlines()[-1]
        assert line.startswith(f"error: -o model.path={tmp_path}: model.path: {tmp_path}: its tokenizer has ")
        assert "and its embedding 20 rows" in line


def header(file: str) -> str:
    """What a file says of itself."""
    return "".join(line for line in (REPOSITORY / file).read_text().splitlines(True) if line.startswith("#"))


def overrides_in(text: str) -> list[str]:
    """Those that it names."""
    return [quoted or plain for quoted, plain in re.findall(r"-o (?:'([^']+)'|(\S+))", text)]


def test_the_overrides_that_a_file_names_fit_it() -> None:
    text = header(EXPERIMENT).replace("DIR", "elsewhere/ke-t5-small").partition("#\n")[0]
    epochs, lora, checkpointing, precision = overrides_in(text[text.index("-o training.epochs") :])
    base = ["model.path=elsewhere/ke-t5-small"]
    assert load_experiment(Path(EXPERIMENT), base).training.epochs == 0
    assert load_experiment(Path(EXPERIMENT), [*base, epochs]).training.epochs == 3
    sparing = load_experiment(Path(EXPERIMENT), [*base, lora, checkpointing, precision])
    assert (sparing.model.lora.rank, sparing.model.checkpointing) == (8, True)


def test_the_strategies_of_a_friend_are_those_of_a_pretrained_model_and_of_a_translator() -> None:
    friend, _ = load_sweep(Path("search_spaces/qa_friend.yaml"))
    text = header(SWEEP).replace("DIR", "elsewhere/ke-t5-small")
    named = overrides_in(text[text.index("python launch.py") : text.index("# From a baseline")])
    sweep, experiment = load_sweep(Path(SWEEP), named)
    assert (sweep.space, len(sweep.strategies())) == (friend.space, 9)
    assert (sweep.objective.metric, experiment.training.epochs) == ("valid/token_f1", 0)
    captions = overrides_in(text[text.index("# A translation model") :])
    sweep, experiment = load_sweep(Path(SWEEP), captions)
    assert (sweep.objective.metric, experiment.training.epochs) == ("valid/bleu", 0)
    assert (experiment.name, experiment.model.name) == ("multi30k", "pretrained")


def test_a_friend_has_the_shape_of_the_language_model_that_it_starts_from_in_both_sizes() -> None:
    small, full = (load_experiment(Path(f"experiments/gpt_kowiki{size}.yaml")) for size in ("_small", ""))
    text = header(GPT)
    for named, overrides in ((small, []), (full, overrides_in(text[text.index("its full size") :]))):
        friend = load_experiment(Path(GPT), overrides)
        assert friend.model == named.model
        assert friend.data.tokenizer.experiment == friend.initial.experiment
        assert load_experiment(Path(friend.initial.experiment)) == named
    assert load_experiment(Path(GPT), ["initial=null"]).initial is None
