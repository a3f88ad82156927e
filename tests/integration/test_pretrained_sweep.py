"""A sweep whose baseline is a pre-trained model as it was loaded: no epoch of it, so its history is empty."""

import csv
import json
from itertools import islice

import pytest
from click.testing import CliRunner
from conftest import TINY_EXPERIMENT
from pretrained_models import make_pretrained
from test_sweep import Project, require_closed

from intelligen.cli.main import commands
from intelligen.config.schema.data import EmbeddedCorpus
from intelligen.data.embedded.corpus import sentence_pairs
from intelligen.state.trial_records import SweepStatus

pytestmark = pytest.mark.extended
SWEEP = """
version: 1
name: tiny
question: Does a strategy help the model as it was loaded?
experiment: experiment.yaml
space: {strategy: {choice: {standard: {}, recurrent: {}}}}
budget: {trials_per_strategy: 1}
resources: {workers: 1, concurrent_trials: 1}
"""
_, FINETUNING = TINY_EXPERIMENT.split("finetuning:")
EXPERIMENT = f"""
version: 1
name: tiny
data:
  corpus: {{name: embedded, train: 200, valid: 8, test: 8}}
  tokenizer: {{name: pretrained}}
  max_tokens: 126
  prompt: "to German: {{source}}"
model: {{name: pretrained, path: model}}
training: {{epochs: 0}}
finetuning:{FINETUNING.replace("epochs: 4", "epochs: 2").replace("epoch_updates: 10", "epoch_updates: 3")}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("pretrained"), SWEEP)
    pairs = islice(sentence_pairs("train", EmbeddedCorpus()), 200)
    sentences = [text for pair in pairs for text in (f"to German: {pair[0]}", pair[1])]
    make_pretrained("t5", made.directory / "model", sentences=sentences, positions=128)
    (made.directory / "experiment.yaml").write_text(EXPERIMENT)
    code, output = made.run()
    assert code == 0, output
    assert "MLflow at" not in output  # which would say that it lacks something
    return made


def said(project: Project, *words: str) -> str:
    arguments = [*words, "--runs", str(project.directory / "runs")]
    result = CliRunner().invoke(commands, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_baseline_is_a_row_with_scores_and_without_cost(project: Project) -> None:
    rows = [line.split(" | ") for line in (project.sweep / "table.md").read_text().splitlines() if " | " in line]
    heads, baseline = rows[0], rows[2]
    cells = dict(zip([head.strip("| ") for head in heads], [cell.strip("| ") for cell in baseline], strict=True))
    assert cells["strategy"] == "baseline"
    assert (cells["trials"], cells["cost"], cells["epoch time"]) == ("1", "0 device-s", "–")
    assert float(cells["valid/bleu"]) >= 0
    assert cells["test/bleu"].endswith("]")
    assert {row[0].strip("| ") for row in rows[3:]} == {"standard", "recurrent"}


def test_mlflow_has_its_scores(project: Project) -> None:
    found = project.query(
        "select m.key, m.step from metrics m join tags t on m.run_uuid = t.run_uuid"
        " where t.key = 'trial_id' and t.value = 'baseline-1'"
    )
    names = {key for key, _ in found}
    assert {"selected/valid/bleu", "selected/valid/loss", "test/bleu"} <= names
    assert not any(name.startswith(("trial/", "valid/")) for name in names)
    require_closed(project, SweepStatus.COMPLETE)


def test_what_looks_at_the_sweep_shows_it(project: Project) -> None:
    assert json.loads(said(project, "status", "tiny", "--json"))
    said(project, "report", "tiny")
    page = (project.sweep / "report.html").read_text()
    assert "baseline" in page
    rows = {row["strategy"]: row for row in csv.DictReader(said(project, "export", "tiny", "--csv", "-").splitlines())}
    assert rows["baseline"]["bleu"]
    assert (rows["baseline"]["device_hours"], rows["baseline"]["epoch_s"]) == ("", "")
    assert float(rows["standard"]["device_hours"]) > 0


def test_the_same_command_finds_everything_there(project: Project) -> None:
    before = project.trials()
    code, output = project.run()
    assert code == 0, output
    assert project.trials() == before
