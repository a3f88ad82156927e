"""The shipped space of all strategies on a tiny pre-trained model, up to the export of its best row."""

import contextlib
import csv
import gzip
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import REPOSITORY
from pretrained_models import WORDS, make_pretrained
from test_sweep import ON_PROCESSORS
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from intelligen.cli.main import commands
from intelligen.config.load import load_sweep
from intelligen.state.ledger import read_ledger
from intelligen.state.trial_records import SweepStatus, TrialState

pytestmark = pytest.mark.extended
FILE = "search_spaces/pretrained_strategies.yaml"
NAME = "pretrained-strategies"
SHORT = (
    "experiment.model.path=model",
    "experiment.data.corpus.folder=corpus",
    "experiment.data.corpus.splits.valid.rows=8",
    *("experiment.finetuning.epochs=1", "experiment.finetuning.epoch_updates=3"),
    "experiment.finetuning.batch_tokens=200",
    "experiment.decoding.max_length_offset=4",
    *(
        f"space.strategy.choice.{name}.discriminator.pretraining_updates={{const: 2}}"
        for name in ("seqgan", "seqgan_constant", "seqgan_random", "intelligen.seqgan")
    ),
    *("resources.concurrent_trials=1", "baseline.workers=1"),
)


def write_chatbot(folder: Path) -> list[str]:
    """Tables as the Korean chatbot's are; returns their texts."""
    folder.mkdir()
    draw = random.Random(1)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(1, 5))) for _ in range(200)]
    for split, part in (("train", texts[:160]), ("valid", texts[160:])):
        rows = [f"{question}\t{answer}\n" for question, answer in zip(part[::2], part[1::2], strict=True)]
        with gzip.open(folder / f"{split}.tsv.gz", "wt", encoding="utf-8") as file:
            file.write("question\tanswer\n" + "".join(rows))
    return texts


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sweep has run."""
    place = tmp_path_factory.mktemp("strategies")
    make_pretrained("t5", place / "model", sentences=write_chatbot(place / "corpus"), positions=128)
    overrides = [word for change in SHORT for word in ("-o", change)]
    done = subprocess.run(
        [sys.executable, REPOSITORY / "launch.py", FILE, *overrides, *ON_PROCESSORS],
        cwd=place,
        env={name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))},
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return place


def sweep_of(place: Path) -> Path:
    return place / "runs" / "sweeps" / NAME


def said(place: Path, *words: str) -> str:
    result = CliRunner().invoke(commands, [*words, "--runs", str(place / "runs")], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def strategies() -> set[str]:
    """Those of the space, whatever the model."""
    sweep, _ = load_sweep(REPOSITORY / FILE, [f"experiment={REPOSITORY}/experiments/qa_friend.yaml"])
    return set(sweep.strategies())


def test_the_table_has_the_model_itself_and_all_nine_rows(place: Path) -> None:
    rows = [line.split(" | ") for line in (sweep_of(place) / "table.md").read_text().splitlines() if " | " in line]
    heads, *cells = [[cell.strip("| ") for cell in row] for row in rows]
    found = [dict(zip(heads, row, strict=True)) for row in cells[1:]]
    assert {row["strategy"] for row in found} == {"baseline", *strategies()}
    assert len(found) == 10
    baseline = next(row for row in found if row["strategy"] == "baseline")
    assert (baseline["cost"], baseline["epoch time"]) == ("0 device-s", "–")
    assert all(row["test/token_f1"].endswith("]") and float(row["valid/token_f1"]) >= 0 for row in found)


def test_ledger_and_mlflow_have_each_trial_and_its_scores(place: Path) -> None:
    _, trials, closing = read_ledger(sweep_of(place))
    assert closing is not None
    assert closing.status is SweepStatus.COMPLETE
    assert {record.row for record in trials.values() if record.kind == "trial"} == strategies()
    assert {record.state for record in trials.values()} == {TrialState.COMPLETE}
    with contextlib.closing(sqlite3.connect(place / "mlflow.db")) as database:
        found = database.execute(
            "select t.value, r.status, m.key from runs r join tags t on r.run_uuid = t.run_uuid"
            " join metrics m on m.run_uuid = r.run_uuid where t.key = 'trial_id'"
        ).fetchall()
    for name in trials:
        keys = {key for trial, status, key in found if trial == name and status == "FINISHED"}
        assert {"selected/valid/chrf", "selected/valid/token_f1", "test/chrf"} <= keys, name


def test_the_report_shows_every_row(place: Path) -> None:
    said(place, "report", NAME)
    page = (sweep_of(place) / "report.html").read_text()
    assert all(strategy in page for strategy in ("baseline", *strategies()))


def test_the_best_row_becomes_a_model_of_transformers(place: Path) -> None:
    rows = list(csv.DictReader(said(place, "export", NAME, "--csv", "-").splitlines()))
    compared = (row for row in rows if row["strategy"] != "baseline")
    best = max(compared, key=lambda row: float(row["token_f1"]))["strategy"]
    trials = read_ledger(sweep_of(place))[1].values()
    (name,) = [record.id for record in trials if (record.kind, record.row) == ("trial", best)]
    said(place, "export-model", f"{NAME}/{name}", str(place / "exported"))
    assert f"Strategy: {best}" in (place / "exported" / "README.md").read_text()
    model, tokenizer = (one.from_pretrained(place / "exported") for one in (AutoModelForSeq2SeqLM, AutoTokenizer))
    asked = tokenizer("die alte katze", return_tensors="pt")["input_ids"]
    assert model.generate(asked, max_new_tokens=3).shape[0] == 1
