"""A finished sweep of a classification's variants, listed or crossed from two axes: real files, invented figures."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from intelligen.config.load import load_sweep, row_experiments, trial_experiment
from intelligen.config.schema.experiment import Trial, training_trial
from intelligen.data.preparation import prepare
from intelligen.evaluation import interval
from intelligen.evaluation.evaluate import Shard
from intelligen.optimization import MetricSums
from intelligen.state.history import History, Report
from intelligen.state.ledger import Ledger
from intelligen.state.trial_records import SweepStatus, TrialState
from intelligen.state.trial_result import RESULT
from intelligen.sweep.fingerprint import sweep_fingerprint
from intelligen.sweep.provenance import record_provenance
from intelligen.sweep.row_data import DataOfRows
from intelligen.tasks import build_task
from intelligen.training.trained_model import named_scores

EPOCHS, TESTED = 3, 200
QUALITY = {"pre-0.lm-0": 0.7, "pre-0.lm-0.5": 0.75, "pre-20.lm-0": 0.95, "pre-20.lm-0.5": 0.9}
"""Share of the test rows that come out right."""
EXPERIMENT = """
version: 1
name: reviews
task: {{name: classification}}
data:
  corpus:
    name: files
    folder: {folder}
    splits:
      train: {{file: train.jsonl, fields: {{text: text, label: label}}}}
      valid: {{file: valid.jsonl, fields: {{text: text, label: label}}}}
      test: {{file: test.jsonl, fields: {{text: text, label: label}}}}
  max_tokens: 40
  tokenizer: {{vocabulary: 60}}
model: {{name: decoder_only, d_model: 32, d_ff: 64, heads: 2, layers: 1, max_positions: 64}}
training: {{epochs: 3}}
"""
SWEEP = """
version: 1
name: rows
question: Does pre-training help?
experiment: reviews.yaml
stages: [train]
rows:
{rows}objective: {{metric: valid/accuracy, direction: maximize}}
{more}
"""
AXES = """\
  axes:
    control: {pre: "0", lm: "0"}
    label: "gpt-pre:{pre}-lm:{lm}"
    of:
      pre: {"0": {}, "20": {model.d_ff: 128}}
      lm: {"0": {}, "0.5": {training.label_smoothing: 0.0}}
"""


@dataclass
class SmallRows:
    """Writes a sweep into a runs directory."""

    store: Path
    seeds: Sequence[int] = (2, 3, 4)
    """That confirm; none = nothing is confirmed."""
    quality: Mapping[str, float] = field(default_factory=lambda: QUALITY)
    unlearnt: Sequence[str] = ()
    """Rows whose training loss stays at chance's."""
    failed: Sequence[str] = ()
    """Rows that fail."""
    published: str = ""
    rows: str = AXES
    """As the sweep's file has them."""
    ran: Sequence[str] = ()
    """Rows in the order in which they ran; not given = the file's."""

    @property
    def directory(self) -> Path:
        return self.store / "sweeps" / "rows"

    def write(self) -> Path:
        """All of it; returns the sweep's directory."""
        sweep, experiment = load_sweep(self.files())
        prepared = prepare(experiment.data, self.store, columns=experiment.task.columns)
        self.references = prepared.split("test").texts("label")
        rows = row_experiments(sweep, experiment)
        data = DataOfRows(prepared.identity, dict.fromkeys(rows, prepared.identity))
        with Ledger.open(self.directory, sweep_fingerprint(sweep, experiment, data=data)) as ledger:
            record_provenance(self.directory)
            for number, row in enumerate(self.ran or rows):
                trial = training_trial(trial_experiment(experiment, rows, {"row": row}), prepared=prepared.identity)
                self._run(ledger, f"t{number:04d}", row, trial, number=number)
                for seed in self.seeds if row not in self.failed else ():
                    again = trial.model_copy(update={"seed": seed})
                    self._run(ledger, f"{row}-s{seed}", row, again, confirms=f"t{number:04d}")
            ledger.close_sweep(SweepStatus.COMPLETE, {"table_markdown": ""})
        return self.directory

    def files(self) -> Path:
        """The sweep file, beside its experiment and its data."""
        folder = self.store.parent / "files"
        folder.mkdir(parents=True, exist_ok=True)
        rng = random.Random(1)
        for split, count in {"train": 300, "valid": 40, "test": TESTED}.items():
            lines = [{"text": f"a {rng.choice(['good', 'bad'])} film {n}", "label": str(n % 2)} for n in range(count)]
            (folder / f"{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (folder / "reviews.yaml").write_text(EXPERIMENT.format(folder=json.dumps(str(folder))))
        more = (f"confirm: {{seeds: {len(self.seeds)}}}\n" if self.seeds else "") + self.published
        (folder / "rows.yaml").write_text(SWEEP.format(rows=self.rows, more=more))
        return folder / "rows.yaml"

    def _run(
        self,
        ledger: Ledger,
        name: str,
        row: str,
        trial: Trial,
        *,
        number: int | None = None,
        confirms: str | None = None,
    ) -> None:
        place = f"{'confirm' if confirms else 'trials'}/{name}"
        ledger.start(
            name,
            kind="confirm" if confirms else "trial",
            row=row,
            seed=trial.seed,
            params={"row": row},
            config=trial.model_dump(mode="json"),
            directory=place,
            number=number,
            confirms=confirms,
        )
        directory = self.directory / place
        directory.mkdir(parents=True)
        if row in self.failed:
            ledger.finish(name, TrialState.FAILED, "its loss was nan")
            return
        history = History(directory)
        for epoch in range(1, EPOCHS + 1):
            history.append(self._report(epoch, row, trial.seed))
        valid = {key: value for key, value in history.reports[1].metrics.items() if key.startswith("valid/")}
        result = {"selected": f"best of {EPOCHS} epochs (update 20)", "metrics": valid, "stop_reason": "finished"}
        (directory / RESULT).write_text(json.dumps(result))
        ledger.finish(name, TrialState.COMPLETE, "finished")
        if confirms or not self.seeds:
            ledger.score(name, self._test(directory, row, trial))

    def _report(self, epoch: int, row: str, seed: int) -> Report:
        quality = self.quality[row] + 0.001 * seed - (0.01 if epoch != 2 else 0.0)
        metrics = {
            "train/loss": 0.693 if row in self.unlearnt else 1.2 - quality - 0.05 * epoch,
            "valid/loss": 1.3 - quality,
            "valid/accuracy": 100 * quality,
            "valid/macro_f1": 100 * quality - 1,
            **{"time/epoch_s": 2.0, "time/validation_s": 1.0, "cost/device_s": 3.0, "gpu/count": 0.0},
            **{"cpu/memory_avg_mib": 300.0, "cpu/memory_peak_mib": 350.0},
        }
        return Report(epoch, 10 * epoch, 300 * epoch, 1_700_000_000_000 + epoch, metrics)

    def _test(self, directory: Path, row: str, trial: Trial) -> dict[str, float]:
        rng, task = random.Random(f"{row} {trial.seed}"), build_task(trial.task)
        said = [label if rng.random() < self.quality[row] else str(1 - int(label)) for label in self.references]
        found = task.score(
            [Shard(dict(enumerate(said)), MetricSums({"loss": (0.5 * TESTED, TESTED)}))], self.references
        )
        intervals = {one.name: interval(said, self.references, metric=one, resamples=20) for one in task.reported}
        metrics = named_scores("test", found, intervals)
        record = {
            "search": None,
            "metrics": metrics,
            **{name: asdict(one) for name, one in intervals.items()},
            "signatures": dict(found.signatures),
            "hypotheses": said,
        }
        (directory / "scores").mkdir()
        (directory / "scores" / "test.json").write_text(json.dumps(record))
        return metrics
