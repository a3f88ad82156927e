"""Commands on an experiment that starts from another's weights: the other is trained first, once per seed."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TINY_EXPERIMENT, WORDS, write_tiny_corpus

from intelligen.cli.main import commands, guarded
from intelligen.models.matmul import offers

Call = Callable[..., tuple[int, str, str]]
BRIEF = TINY_EXPERIMENT.replace("epochs: 4", "epochs: 1").replace("epoch_updates: 20", "epoch_updates: 5")
FIRST = BRIEF.replace("name: tiny", "name: first").replace("epochs: 2", "epochs: 1\n  keep_epochs: [1]")
NEXT = BRIEF.replace("name: tiny", "name: next").replace("epochs: 2", "epochs: 1")
INITIAL = "initial:\n  experiment: first.yaml\n  epoch: 1\n  part: encoder\n  freeze: true\n"
TEXTS = """
version: 1
name: {name}
task: {{name: {task}}}
data:
  corpus: {{name: files, folder: corpus, splits: {{{splits}}}}}
  tokenizer: {{vocabulary: 30}}
  max_tokens: 40
model: {{name: decoder_only, d_model: 16, d_ff: 32, heads: 2, layers: 1, max_positions: 256}}
training: {{epochs: 1, keep_epochs: [1], batch_tokens: 300, schedule: {{warmup_updates: 1}}}}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "corpus").mkdir()
    write_tiny_corpus(tmp_path / "corpus", train=100)
    (tmp_path / "first.yaml").write_text(FIRST)
    (tmp_path / "next.yaml").write_text(NEXT + INITIAL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(project: Path, capfd: pytest.CaptureFixture[str]) -> Call:
    def called(*arguments: str) -> tuple[int, str, str]:
        code = guarded(lambda: commands.main([*arguments, "--runs", "runs"], standalone_mode=False))
        return code, *capfd.readouterr()

    return called


def products(project: Path) -> set[str]:
    """By what those that were trained computed products."""
    return {json.loads(path.read_text())["matmul"] for path in (project / "runs" / "baselines").glob("*/lock.json")}


def names(project: Path) -> list[str]:
    return sorted(
        json.loads(path.read_text())["experiment"] for path in (project / "runs" / "baselines").glob("*/trial.json")
    )


def test_the_named_experiment_is_trained_first_and_found_again(project: Path, call: Call) -> None:
    code, out, _ = call("train", "next.yaml", "-o", "compute.matmul=onednn")
    assert code == 0
    assert products(project) == {"onednn" if offers("onednn") else "mkl"}
    assert "first, from which next starts, is trained first" in out
    assert "initial weights: first, seed 1, epoch 1 (" in out
    assert "loaded and frozen" in out
    assert names(project) == ["first", "next"]
    code, out, _ = call("train", "next.yaml")
    assert code == 0
    assert "first, from which next starts, has been trained: runs/baselines/" in out
    assert names(project) == ["first", "next"]
    assert call("train", "next.yaml", "-o", "seed=2")[0] == 0
    assert names(project) == ["first", "first", "next", "next"]
    assert call("finetune", "next.yaml", "--strategy", "std")[0] == 0
    code, out, _ = call("test", "next.yaml", "--strategy", "std", "--search", "greedy")
    assert code == 0
    assert "BLEU" in out
    (tuned,) = (project / "runs" / "finetuned").iterdir()
    code, out, err = call("reproduce", str(tuned))
    assert (code, err) == (0, "")
    assert "bit for bit" in out


def write_texts(folder: Path) -> None:
    """A language model's documents, and a classifier's rows, in the same words."""
    sentences = (folder / "corpus" / "train.en").read_text().splitlines()
    rows = [f"{sentence}\t{len(sentence) % 2}\n" for sentence in sentences]
    for split, part in (("train", slice(0, 60)), ("valid", slice(60, 80)), ("test", slice(80, 100))):
        (folder / "corpus" / f"{split}.txt").write_text("\n\n".join(sentences[part]))
        (folder / "corpus" / f"{split}.tsv").write_text("text\tlabel\n" + "".join(rows[part]))
    splits = ", ".join(f"{split}: {{documents: {split}.txt}}" for split in ("train", "valid"))
    (folder / "language.yaml").write_text(TEXTS.format(name="language", task="language_modelling", splits=splits))
    splits = ", ".join(f"{split}: {{file: {split}.tsv}}" for split in ("train", "valid", "test"))
    (folder / "class.yaml").write_text(
        TEXTS.format(name="class", task="classification", splits=splits).replace(
            "{vocabulary: 30}", "{name: of_experiment, experiment: language.yaml}"
        )
        + "initial: {experiment: language.yaml, epoch: 1}\n"
    )


def test_a_language_model_s_trunk_becomes_a_classifier_s(project: Path, call: Call) -> None:
    write_texts(project)
    code, out, err = call("train", "class.yaml")
    assert code == 0, err
    assert "loaded; 2 (head.weight, head.bias) random; none left over" in out
    code, _, err = call("train", "class.yaml", "-o", "data.tokenizer={vocabulary: 30, model: unigram}")
    assert code == 65
    assert "has another vocabulary than `text` here, and token ids would mean other words" in err
    code, _, err = call("train", "class.yaml", "-o", "model.d_ff=16", "-o", "model.layers=2")
    assert code == 65
    assert "has 3 tensors of another shape (trunk.layers.0" in err


def test_a_language_model_becomes_one_that_answers_without_a_random_weight(project: Path, call: Call) -> None:
    write_texts(project)
    for split in ("train", "valid", "test"):
        _, *rows = (project / "corpus" / f"{split}.tsv").read_text().splitlines()
        pairs = [f"{row.partition(chr(9))[0]}\t{WORDS[len(row) % 10]}\n" for row in rows]
        (project / "corpus" / f"{split}.tsv").write_text("question\tanswer\n" + "".join(pairs))
    text = (project / "class.yaml").read_text().replace("classification", "question_answering")
    (project / "answer.yaml").write_text(text)
    code, out, err = call("train", "answer.yaml")
    assert code == 0, err
    assert "loaded; none random; none left over" in out
    code, _, err = call("train", "answer.yaml", "-o", "model.d_model=32")
    assert code == 65
    assert "of another shape" in err


def test_preparing_says_how_many_windows_a_language_model_has_and_that_they_hold_every_piece(
    project: Path, call: Call
) -> None:
    write_texts(project)
    code, out, _ = call("prepare", "language.yaml", "-o", "task.n_seq=8", "-o", "task.packing=true")
    assert code == 0
    found = re.search(r"^train: ([\d,]+) of .*\n  text: ([\d,]+) tokens", out, re.MULTILINE)
    assert found is not None
    tokens = sum(int(number.replace(",", "")) for number in found.groups())
    windows = f"train: {-(-tokens // 8):,} packed windows of at most 8 tokens"
    assert f"{windows}; of {tokens:,} pieces and ends of documents 0 are lost" in out
    assert re.search(r"^valid: \d+ windows of at most 8 tokens; of .* 0 are lost$", out, re.MULTILINE)


def test_weights_that_will_not_fit_are_refused_before_they_are_trained(project: Path, call: Call) -> None:
    line = NEXT.count("\n") + 1
    for override, what in (
        ("model.d_model=16", "first has "),
        ("data.tokenizer.vocabulary=80", "first has another vocabulary than `source` here"),
    ):
        code, out, err = call("train", "next.yaml", "-o", override)
        assert code == 65
        assert f"error: next.yaml:{line}: initial: {what}" in err
        assert "is trained first" not in out
        assert not (project / "runs" / "baselines").exists()


def test_an_epoch_that_a_run_does_not_have_is_refused_where_it_is_asked_for(project: Path, call: Call) -> None:
    call("train", "first.yaml")
    for kept in (project / "runs" / "baselines").glob("*/epochs"):
        shutil.rmtree(kept)  # as if the training had ended before
    code, _, err = call("train", "next.yaml")
    assert code == 65
    line = NEXT.count("\n") + 1
    assert re.match(rf"error: next\.yaml:{line}: initial: .*: has not kept the weights of epoch 1; ", err)


def test_what_was_not_trained_yet_is_named_with_the_command_that_trains_it(call: Call) -> None:
    for verb in ("finetune", "test", "inference"):
        code, _, err = call(verb, "next.yaml")
        assert code == 69
        assert "its training has not finished; run: intelligen train next.yaml" in err


def test_both_experiments_data_are_prepared_and_both_files_are_validated(project: Path, call: Call) -> None:
    code, out, _ = call("prepare", "next.yaml")
    assert code == 0
    assert [line for line in out.splitlines() if line.startswith("data of")] == ["data of first", "data of next"]
    assert call("validate", "next.yaml")[0] == 0
    (project / "first.yaml").write_text(FIRST.replace("heads: 2", "heads: 3"))
    code, _, err = call("validate", "next.yaml")
    assert code == 2
    assert err.startswith("next.yaml:")
    assert "first.yaml:" in err
    assert "heads (3) must divide d_model (32)" in err


def test_an_epoch_that_will_not_be_kept_is_refused_before_anything_is_trained(project: Path, call: Call) -> None:
    code, _, err = call("train", "next.yaml", "-o", "initial.epoch=3")
    assert code == 2
    assert "keeps the weights of 1 alone, not those of initial.epoch 3" in err
    assert not (project / "runs").exists()
