"""A sweep of variants: a language model is pre-trained, and classifiers start from its epochs; killed and resumed."""

import json
import os
import signal
from pathlib import Path

import numpy as np
from test_sweep import Project, require_closed, wait_for

from intelligen.analysis.status import read_status
from intelligen.state.history import read_history
from intelligen.state.ledger import read_ledger
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import SweepStatus, TrialState
from intelligen.state.trial_result import read_trial

WORDS = {"good": ("fine", "warm", "bright", "kind"), "bad": ("cold", "dull", "harsh", "grim")}
SHARED = ("the", "film", "was", "and", "a", "day")
MODEL = "model: {name: decoder_only, d_model: 16, d_ff: 32, heads: 2, layers: 1, max_positions: 32}"
PRETRAINING = f"""
version: 1
name: language
task: {{name: language_modelling, n_seq: 16}}
data:
  corpus:
    name: files
    folder: corpus
    splits:
      train: {{documents: documents.txt}}
      valid: {{from: train, rows: 6}}
  tokenizer: {{vocabulary: 60}}
  max_tokens: 30
{MODEL}
training: {{epochs: 2, epoch_updates: 4, batch_tokens: 200, keep_epochs: [1, 2]}}
"""
EXPERIMENT = f"""
version: 1
name: reviews
task: {{name: classification}}
data:
  corpus:
    name: files
    folder: corpus
    splits:
      train: {{file: train.tsv}}
      valid: {{from: train, rows: 12}}
      test: {{file: test.tsv}}
  tokenizer: {{name: of_experiment, experiment: pretraining.yaml}}
  max_tokens: 30
{MODEL}
training:
  epochs: 4
  epoch_updates: 6
  batch_rows: 16
  optimizer: {{learning_rate: 0.01}}
  schedule: {{name: linear, warmup_ratio: 0.1}}
"""
SWEEP = """
version: 1
name: tiny
experiment: experiment.yaml
stages: [train]
rows:
  axes:
    control: {pretrain: "0", lm: "0"}
    label: gpt-pre:{pretrain}-lm:{lm}
    of:
      pretrain: {"0": {}, "2": {initial.experiment: pretraining.yaml, initial.epoch: 2}}
      lm: {"0": {}, "0.5": {strategy: {name: auxiliary, head: lm, weight: 0.5}}}
objective: {metric: valid/accuracy}
scheduler: {name: none}
"""
ROWS = ["pretrain-0.lm-0", "pretrain-0.lm-0.5", "pretrain-2.lm-0", "pretrain-2.lm-0.5"]


def write_corpus(folder: Path) -> None:
    """Reviews whose adjectives say their class, and documents of the same words."""
    draws = np.random.default_rng(7)

    def review(label: str) -> str:
        return " ".join([*draws.choice(SHARED, 4), *draws.choice(WORDS[label], 2)])

    for split, rows in (("train", 120), ("test", 30)):
        lines = [f"{review(label)}\t{label}" for label in ("good", "bad") for _ in range(rows // 2)]
        (folder / f"{split}.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n")
    documents = [f"{review('good')}\n{review('bad')}\n" for _ in range(40)]
    (folder / "documents.txt").write_text("\n".join(documents))


def test_rows_start_from_the_epochs_of_one_pre_training_and_a_kill_loses_none(tmp_path: Path) -> None:
    project = Project(tmp_path, SWEEP)
    write_corpus(tmp_path / "corpus")
    (tmp_path / "pretraining.yaml").write_text(PRETRAINING)
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    launched = project.launch()
    wait_for(
        lambda: "t0002" in project.trials() and bool(read_history(project.history(project.trials()["t0002"]))), launched
    )
    os.kill(launched.pid, signal.SIGKILL)
    launched.communicate()
    before = {name: record.evidence for name, record in project.trials().items() if record.evidence}

    code, output = project.run()

    assert code == 0, output
    require_closed(project, SweepStatus.COMPLETE)
    trials = project.trials()
    assert [record.row for record in trials.values() if record.kind == "trial"] == ROWS
    assert {record.state for record in trials.values()} == {TrialState.COMPLETE}
    assert before.items() <= {name: record.evidence for name, record in trials.items()}.items()
    assert [(record.id, record.kind) for record in trials.values() if record.kind != "trial"] == [
        ("language-1", "start")
    ]
    starts = [read_trial(record.within(project.sweep)).initial for record in trials.values() if record.kind == "trial"]
    assert starts[0] is starts[1] is None
    assert starts[2] == starts[3] is not None
    for record in trials.values():
        if record.kind == "trial":
            assert {"test/accuracy", "test/macro_f1", "test/loss"} <= record.scores.keys()
    accuracies = project.query("select count(distinct run_uuid) from metrics where key = 'test/accuracy'")
    perplexities = project.query("select count(distinct run_uuid) from metrics where key = 'valid/perplexity'")
    assert (accuracies[0][0] >= 4, perplexities) == (True, [(1,)])
    leading = project.query(
        "select key from metrics where run_uuid in (select run_uuid from tags where key = 'kind' and value = 'sweep')"
    )
    names = [f"{split}/{metric}" for split in ("selected/valid", "test") for metric in ("accuracy", "macro_f1")]
    assert sorted(key for (key,) in leading) == names
    assert "prepared_pretraining" in read_ledger(project.sweep)[0]
    table = json.loads((project.sweep / "ledger.jsonl").read_text().splitlines()[-1])["summary"]
    assert "pretrain-2.lm-0.5" in table["table_markdown"] or "gpt-pre:2-lm:0.5" in table["table_markdown"]
    efforts = {row.strategy: row.target_tokens for row in read_status(SweepFiles(project.sweep)).strategies}
    assert efforts.pop("language") is None  # tokens, and the others' are rows
    assert all(effort for effort in efforts.values())
