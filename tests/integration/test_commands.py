"""The source projects' modes in sequence, without Ray: prepare, train, finetune, test, inference."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TINY_EXPERIMENT, write_tiny_corpus
from in_this_process import run_here

from intelligen.cli.main import commands, guarded

# Large and long enough to learn the tiny language.
EXPERIMENT = (
    TINY_EXPERIMENT.replace("d_model: 32, d_ff: 64", "d_model: 64, d_ff: 128, dropout: 0.0")
    .replace("epochs: 2\n  epoch_updates: 20", "epochs: 12\n  epoch_updates: 40")
    .replace("learning_rate: 5.0e-3", "learning_rate: 3.0e-3")
    .replace("{name: constant, warmup_updates: 2}", "{name: inverse_sqrt, warmup_updates: 20}")
    .replace("epochs: 4\n  epoch_updates: 10", "epochs: 1\n  epoch_updates: 5")
    .replace("learning_rate: 2.0e-3", "learning_rate: 2.0e-4")
    + "task: {name: translation, moses_bleu: de}\n"
)


class Shell:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, *arguments: str, typed: str | None = None) -> tuple[int, str, str]:
        """A command; what is typed goes to a process of its own."""
        if typed is None:
            done = run_here(*arguments, directory=self.directory)
        else:
            command = [sys.executable, "-m", "intelligen", *arguments]
            done = subprocess.run(
                command, cwd=self.directory, input=typed, capture_output=True, text=True, timeout=120, check=False
            )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    directory = tmp_path_factory.mktemp("a place with spaces, ü")
    (directory / "corpus").mkdir()
    write_tiny_corpus(directory / "corpus", train=2000)
    (directory / "e.yaml").write_text(EXPERIMENT)
    return Shell(directory)


def test_the_modes_work_in_sequence(shell):
    code, out, _ = shell("prepare", "e.yaml")
    assert code == 0
    assert "train: 2,000 of 2,000 rows kept" in out

    code, out, err = shell("train", "e.yaml")
    assert code == 0, err
    lines = [line for line in out.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 12
    for word in ("loss", "BLEU", "epoch time"):
        assert word in lines[-1]
    (memory,) = (line for line in out.splitlines() if "memory avg" in line)
    assert " max " in memory

    code, out, err = shell("finetune", "e.yaml", "--strategy", "gen")
    assert code == 0, err
    assert "generative_position-" in out

    for arguments in (["--search", "greedy"], ["--strategy", "gen", "--search", "beam", "--beam-size", "2"]):
        code, out, err = shell("test", "e.yaml", *arguments)
        assert code == 0, err
        assert "nrefs:1|case:mixed" in out
        assert re.search(r"^Moses BLEU [89]\d\.\d\d  nrefs:1\|case:lc\S+\|moses:de\|", out, re.MULTILINE)
    bleu = float(out.split("BLEU ")[1].split()[0])
    assert bleu > 80

    code, out, err = shell("inference", "e.yaml", "--strategy", "generative_position", typed="ape bee\n\ncat\n")
    assert code == 0, err
    assert out == "biene affe\n\nkatze\n"


def test_training_again_does_nothing_again(shell):
    shell("train", "e.yaml")
    code, out, _ = shell("train", "e.yaml")
    assert code == 0
    assert "epoch " not in out.replace("epochs", "")


def test_inference_prints_one_line_for_each_line_whatever_is_in_it(shell):
    shell("train", "e.yaml")
    lines = [
        b"\xef\xbb\xbfape bee\r\n",
        b"\n",
        b"ape\xe2\x80\xa8bee\x0c\n",
        b"cat " * 60 + b"\n",
        b"ape\r\xc2\x85bee\n",
    ]
    # Where the locale is C.UTF-8, as in most containers, Python's own standard input lets bad bytes pass.
    done = subprocess.run(
        [sys.executable, "-m", "intelligen", "inference", "e.yaml"],
        cwd=shell.directory,
        input=b"".join([*lines, b"cat\n", b"b\xff\n", b"ape\n"]),
        env={**os.environ, "LC_ALL": "C.UTF-8", "PYTHONIOENCODING": ""},
        capture_output=True,
        timeout=120,
        check=False,
    )
    translations, said = done.stdout.decode().split("\n"), done.stderr.decode().splitlines()
    assert done.returncode == 65, said
    assert translations[:3] == ["biene affe", "", "biene affe"]
    assert set(translations[3].split()) == {"katze"}
    assert translations[4:] == ["biene affe", "katze", ""]
    assert done.stdout.decode().splitlines() == translations[:-1]
    assert said == [
        "1 line cut to 40 pieces (data.max_tokens); the rest was not read",
        "2 lines with line breaks inside, such as U+2028, replaced by spaces",
        "error: standard input:7:2: byte 0xff is not UTF-8; convert it, e.g. with iconv",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["train", "absent.yaml"], 2, "absent.yaml"),
        (["train", "e.yaml", "-o", "training.epchs=3"], 2, 'did you mean "epochs"'),
        (["finetune", "e.yaml", "--strategy", "magic"], 2, "unknown strategy 'magic'"),
        (["test", "e.yaml", "-o", "seed=9"], 69, "intelligen train e.yaml -o seed=9"),
        (["test", "e.yaml", "--split", "tset"], 2, "no split 'tset'"),
        (["test", "e.yaml", "--search", "greedy", "--beam-size", "3"], 2, "greedy search has no beam"),
        (["train", "e.yaml", "--device", "cuda:7", "-o", "seed=8"], 69, "cuda:7"),
        (["train", "e.yaml", "--device", "abacus", "-o", "seed=8"], 2, "unknown device 'abacus'"),
        (["prepare", "e.yaml", "-o", "data.corpus.folder=nowhere"], 65, "nowhere"),
        (["prepare", "e.yaml", "-o", "data.tokenizer.vocabulary=5000"], 65, "vocabulary"),
        (["prepare", "e.yaml", "--runs", "/proc/nowhere"], 73, "/proc/nowhere"),
    ],
)
def test_mistakes_get_one_line_and_their_exit_code(shell, monkeypatch, capfd, arguments, code, said):
    monkeypatch.chdir(shell.directory)
    found = guarded(lambda: commands.main(arguments, standalone_mode=False))
    out, err = capfd.readouterr()
    assert found == code, out + err
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in out + err


def test_help_needs_neither_torch_nor_ray():
    script = (
        "import sys, intelligen.cli.main; print([m for m in ('torch', 'ray', 'mlflow', 'optuna') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
