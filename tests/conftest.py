"""What several test files need: a tiny corpus, prepared once, and trials over it."""

import gc
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import Data, FilesCorpus, Tokenizer
from intelligen.config.schema.decoding import Beam, Decoding
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.model import Seq2Seq
from intelligen.config.schema.single_strategies import Standard
from intelligen.config.schema.split_forms import ParallelText
from intelligen.config.schema.tasks import Translation
from intelligen.config.schema.training import Optimizer, Schedule, Training
from intelligen.data.preparation import prepare

# For the commands that tests start: two of them with two threads each would wait for each other on two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What other tests, and whoever works on this machine, have running is none of their business.
os.environ["INTELLIGEN_LOCAL"] = "1"
# By what products are computed, `auto` would leave to the machine.
os.environ["INTELLIGEN_MATMUL"] = "mkl"

REPOSITORY = Path(__file__).parents[1]
LONGEST = "test_stages_of_a_study.py"
WORDS = ["ape", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay"]
TIERE = ["affe", "biene", "katze", "hund", "aal", "fuchs", "gnu", "henne", "ibis", "häher"]


# The tiny corpus as an experiment file, in a directory that holds it as `corpus`.
TINY_EXPERIMENT = """
version: 1
name: tiny
data:
  corpus:
    name: files
    folder: corpus
    splits:
      train: {source: train.en, target: train.de}
      valid: {source: valid.en, target: valid.de}
      test: {source: test.en, target: test.de}
  tokenizer: {vocabulary: 90}
  max_tokens: 40
model: {d_model: 32, d_ff: 64, heads: 2, encoder_layers: 1, decoder_layers: 1, max_positions: 64}
training:
  epochs: 2
  epoch_updates: 20
  batch_tokens: 300
  optimizer: {learning_rate: 5.0e-3}
  schedule: {name: constant, warmup_updates: 2}
finetuning:
  epochs: 4
  epoch_updates: 10
  batch_tokens: 300
  optimizer: {learning_rate: 2.0e-3}
  schedule: {name: constant, warmup_updates: 0}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes longest, so that no process is left with it at the end."""
    items.sort(key=lambda item: item.path.name != LONGEST)


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of all further collections of garbage: tests make hundreds of them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def _handlers() -> Iterator[None]:
    """Ray takes this signal for itself in the process that starts or joins one."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture(scope="session")
def optional_data() -> Path:
    """Where real data sets may lie; tests skip where they do not."""
    return Path(os.environ.get("INTELLIGEN_TEST_DATA", REPOSITORY / ".." / "shared" / "data")).resolve()


def write_tiny_corpus(folder: Path, *, train: int = 400, held_out: int = 24) -> None:
    """Word-by-word translation in reverse order: learnable in seconds, and not by copying."""
    rng = random.Random(1)
    for split, count in (("train", train), ("valid", held_out), ("test", held_out)):
        rows = [[rng.randrange(len(WORDS)) for _ in range(rng.randint(1, 6))] for _ in range(count)]
        (folder / f"{split}.en").write_text("".join(" ".join(WORDS[i] for i in row) + "\n" for row in rows))
        (folder / f"{split}.de").write_text("".join(" ".join(TIERE[i] for i in row[::-1]) + "\n" for row in rows))


def tiny_data(folder: Path) -> Data:
    """The tiny corpus with a vocabulary to match."""
    splits = {name: ParallelText(source=f"{name}.en", target=f"{name}.de") for name in ("train", "valid", "test")}
    return Data(
        corpus=FilesCorpus(folder=str(folder), splits=splits), tokenizer=Tokenizer(vocabulary=90), max_tokens=40
    )


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """(store, identity of the prepared tiny corpus)"""
    store, folder = tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("corpus")
    write_tiny_corpus(folder)
    return store, prepare(tiny_data(folder), store, columns=SOURCE_AND_TARGET).identity


def tiny_trial(prepared: str, **changes: object) -> Trial:
    """A trial that runs in about a second."""
    trial = Trial(
        experiment="tiny",
        task=Translation(selection_metric="valid/loss"),
        prepared=prepared,
        model=Seq2Seq(d_model=32, d_ff=64, heads=2, encoder_layers=1, decoder_layers=1, dropout=0.1, max_positions=64),
        training=Training(
            epochs=2,
            epoch_updates=6,
            batch_tokens=300,
            optimizer=Optimizer(learning_rate=5e-3),
            schedule=Schedule(name="constant", warmup_updates=2),
        ),
        strategy=Standard(),
        decoding=Decoding(test=Beam(size=2)),
        seed=1,
        start=None,
    )
    return trial.model_copy(update=changes)
