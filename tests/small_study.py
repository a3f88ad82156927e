"""A finished study of three strategies and three seeds: real ledger, real files, a tiny corpus, invented figures."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from conftest import TINY_EXPERIMENT, write_tiny_corpus
from invented import drawn, exposure, report, spoilt

from intelligen.config.load import apply_settings, load_sweep
from intelligen.config.metric_direction import direction
from intelligen.config.schema.experiment import Experiment, Trial, baseline_trial, finetuning_trial
from intelligen.config.schema.replicates import Replicate
from intelligen.config.schema.single_strategies import StandardMatched
from intelligen.config.schema.sweep import Sweep
from intelligen.config.schema.tasks import Translation
from intelligen.data.preparation import prepare
from intelligen.evaluation import interval, score
from intelligen.evaluation.evaluate import Shard
from intelligen.optimization import MetricSums
from intelligen.state.history import History, Report
from intelligen.state.ledger import Ledger
from intelligen.state.trial_records import SweepStatus, TrialState
from intelligen.state.trial_result import RESULT
from intelligen.sweep.fingerprint import sweep_fingerprint
from intelligen.sweep.provenance import record_provenance
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.trial_lifecycle import trial_name
from intelligen.tasks import build_task
from intelligen.training.trained_model import named_scores

SENTENCES = 30
EPOCHS = 4
SEARCHES = ("beam", "greedy")
QUALITY = {"baseline": 0.5, "standard": 0.6, "standard_matched": 0.62, "intelligen": 0.85}
"""Share of the words that come out right."""

SWEEP = """
version: 1
name: {name}
question: Does a mixture of strategies beat more teacher forcing?
experiment: experiment.yaml
space:
  finetuning.optimizer.learning_rate: {{log_uniform: [1.0e-4, 2.0e-3]}}
  strategy:
    choice:
      standard: {{finetuning.label_smoothing: {{uniform: [0.0, 0.2]}}}}
      standard_matched: {{updates_ratio: {{choice: [2.0, 4.0]}}}}
      intelligen:
        policy: {{choice: {{static: {{weights: {{simplex: [auxiliary, recurrent, generative]}}}}}}}}
objective: {{metric: {metric}, direction: {direction}}}
budget: {{trials_per_strategy: 4}}
{confirm}
"""


@dataclass
class SmallStudy:
    """Writes a study into a runs directory, part by part."""

    store: Path
    name: str = "small"
    confirm: bool = True
    strategies: Sequence[str] = ("standard", "standard_matched", "intelligen")
    trials_of: Mapping[str, int] = field(default_factory=dict)
    """Trials of the search where a strategy has other than four."""
    failed: Sequence[str] = ()
    """Trials that fail."""
    quality: Mapping[str, float] = field(default_factory=lambda: QUALITY)
    objective: str = "valid/bleu"
    slow: Sequence[str] = ("standard_matched", "intelligen")
    """Strategies whose epochs take twice as long."""
    joined: Sequence[str] = ()
    """Strategies that leave out the spaces between words: BLEU sees no word right, chrF sees no difference."""
    margin: float | None = None
    """Of the sweep's `confirm`."""
    seeds: int = 3
    """That every strategy is confirmed with."""
    looks: str = ""
    """What `confirm` has in place of fixed seeds."""
    more: str = ""
    """Further lines of the sweep file."""
    closed: bool = True
    """Whether the launch has come to its end."""
    own: Sequence[str] = ()
    """Strategies that have an own control, trained at the point of their best trial."""
    searches: int = 1
    """Each with as many trials, and as many seeds."""
    found: Mapping[tuple[str, int], float] = field(default_factory=dict)
    """Strategy and number of a search → quality of what that has found, where it is another."""
    beam_sizes: Sequence[int] = ()
    """Further sizes of the beam, by which test sets are decoded where the study is confirmed."""
    hypothesis: str | None = None
    """What every model says of the first sentence of the samples, where it is given."""

    search: Replicate = field(init=False)
    """That is being written."""

    @property
    def directory(self) -> Path:
        return self.store / "sweeps" / self.name

    def write(self) -> Path:
        """All of it; returns the sweep's directory."""
        sweep, experiment = self.settings()
        prepared = prepare(experiment.data, self.store, columns=experiment.task.columns)
        self.references = prepared.split("test").texts("target")
        self.sources = prepared.split("test").texts("source")
        fingerprint = sweep_fingerprint(sweep, experiment, data=DataOfRows(prepared.identity))
        with Ledger.open(self.directory, fingerprint) as ledger:
            record_provenance(self.directory)
            base = baseline_trial(experiment, prepared=prepared.identity)
            for self.search in sweep.search.all_replicates(experiment.seed):
                self._write_search(ledger, experiment, base)
            if self.closed:
                ledger.close_sweep(SweepStatus.COMPLETE, {"table_markdown": ""})
        return self.directory

    def _write_search(self, ledger: Ledger, experiment: Experiment, base: Trial) -> None:
        """One search, with what confirms it."""
        first = self.search.seed
        seeds = tuple(range(first + 1, first + 1 + self.seeds)) if self.confirm else ()
        for seed in (first, *seeds):
            again = base.model_copy(update={"seed": seed})
            self._run(
                ledger,
                f"baseline-{seed}",
                "baseline",
                again,
                {},
                f"../../baselines/{seed}",
                decoded=seed > first or not self.confirm,
            )
        chosen = self._search(ledger, experiment.model_copy(update={"seed": first}), base)
        for strategy, (trial_id, trial, params) in chosen.items():
            for seed in seeds:
                name = f"{strategy}-s{seed}"
                again = trial.model_copy(update={"seed": seed})
                place = f"confirm/{name}"
                self._run(ledger, name, "confirm", again, params, place, row=strategy, decoded=True, confirms=trial_id)

    def settings(self) -> tuple[Sweep, Experiment]:
        folder = self.store.parent / "files"
        (folder / "corpus").mkdir(parents=True, exist_ok=True)
        write_tiny_corpus(folder / "corpus", held_out=SENTENCES)
        here = f"folder: {json.dumps(str(folder / 'corpus'))}"
        task = f"task: {{selection_metric: {self.objective}}}\n"
        (folder / "experiment.yaml").write_text(TINY_EXPERIMENT.replace("folder: corpus", here) + task)
        margin = "" if self.margin is None else f", margin: {self.margin}"
        asked = self.looks or f"{{seeds: {self.seeds}{margin}}}"
        searches = ["greedy", "beam", *(f"{{beam: {size}}}" for size in self.beam_sizes)]
        confirm = f"confirm: {asked}\ntest: {{searches: [{', '.join(searches)}]}}\n" if self.confirm else ""
        several = f"search: {{replicates: {self.searches}}}\n" if self.searches > 1 else ""
        more = confirm + several + self.more
        (folder / f"{self.name}.yaml").write_text(
            SWEEP.format(name=self.name, confirm=more, metric=self.objective, direction=direction(self.objective))
        )
        return load_sweep(folder / f"{self.name}.yaml")

    def _search(
        self, ledger: Ledger, experiment: Experiment, base: Trial
    ) -> dict[str, tuple[str, Trial, dict[str, Any]]]:
        """Run the trials, the strategies in turn; each one's best is its last."""
        chosen: dict[str, tuple[str, Trial, dict[str, Any]]] = {}
        number = 0
        for strategy in self.strategies:
            for nth in range(count := self.trials_of.get(strategy, 4)):
                rate = 1e-4 * 20 ** ((nth + 0.5) / count)
                params, changes = drawn(strategy, nth, rate)
                trial = finetuning_trial(
                    apply_settings(experiment, changes), prepared=base.prepared, start=base.identity
                )
                name = trial_name(number, self.search if self.searches > 1 else None)
                best = nth == count - 1
                stopped = nth == 0
                self._run(
                    ledger,
                    name,
                    "trial",
                    trial,
                    params,
                    f"trials/{name}",
                    number=number,
                    decoded=best and not self.confirm,
                    epochs=2 if stopped else EPOCHS,
                    gain=nth,
                )
                chosen[strategy] = (name, trial, params)
                number += 1
        for strategy in self.own:
            best_id, trial, params = chosen[strategy]
            row, matched = f"{strategy}_matched", trial.model_copy(update={"strategy": StandardMatched()})
            name = f"{row}-{best_id}"
            self._run(
                ledger, name, "trial", matched, {}, f"trials/{name}", row=row, decoded=not self.confirm, matches=best_id
            )
            chosen[row] = (name, matched, {})
        return chosen

    def _run(
        self,
        ledger: Ledger,
        name: str,
        kind: str,
        trial: Trial,
        params: dict[str, Any],
        place: str,
        *,
        decoded: bool,
        row: str | None = None,
        number: int | None = None,
        confirms: str | None = None,
        matches: str | None = None,
        epochs: int = EPOCHS,
        gain: float = 3.0,
    ) -> None:
        strategy = "baseline" if kind == "baseline" else trial.strategy.name
        ledger.start(
            name,
            kind=kind,  # type: ignore[arg-type]
            row=row or trial.strategy.name,
            seed=trial.seed,
            params=params,
            config=trial.model_dump(mode="json"),
            directory=place,
            number=number,
            confirms=confirms,
            matches=matches,
        )
        directory = (self.directory / place).resolve()
        reports = self._train(directory, strategy, epochs=epochs, gain=gain)
        if name in self.failed:
            ledger.finish(name, TrialState.FAILED, "its process died at every attempt")
        elif epochs < EPOCHS:
            ledger.finish(name, TrialState.PRUNED, f"stopped by the scheduler after epoch {epochs}")
        else:
            valid = {key: value for key, value in reports[-1].metrics.items() if key.startswith("valid/")}
            result = {"selected": f"best of {epochs} epochs", "metrics": valid, "stop_reason": "all epochs are done"}
            (directory / RESULT).write_text(json.dumps(result))
            ledger.finish(name, TrialState.COMPLETE, "all epochs are done")
            if decoded:
                ledger.score(name, self._decode(directory, strategy, trial.seed))

    def _train(self, directory: Path, strategy: str, *, epochs: int, gain: float) -> list[Report]:
        directory.mkdir(parents=True, exist_ok=True)
        quality = self.quality[strategy] + 0.01 * (gain - 3.0)
        history = History(directory)
        for epoch in range(1, epochs + 1):
            history.append(report(epoch, quality, slow=strategy in self.slow))
        return history.reports

    def _decode(self, directory: Path, strategy: str, seed: int) -> dict[str, float]:
        """Write hypotheses and their scores as the test stage does; returns what goes into the ledger."""
        scores: dict[str, float] = {}
        (directory / "scores").mkdir(exist_ok=True)
        sized = {f"beam_size{size}": {"name": "beam", "size": size} for size in self.beam_sizes}
        best = self.found.get((strategy, self.search.number), self.quality[strategy])
        for search in (*SEARCHES, *sized) if self.confirm else SEARCHES[:1]:
            quality = best - (0.03 if search == "greedy" else 0.0)
            hypotheses = spoilt(self.references, quality, random.Random(f"{strategy} {seed} {search}"))
            if self.hypothesis is not None:
                hypotheses[len(hypotheses) // 12] = self.hypothesis
            if strategy in self.joined:
                hypotheses = [text.replace(" ", "") for text in hypotheses]
            sums = {name: (value * 1000, 1000) for name, value in exposure(quality).items()}
            found = score([Shard(dict(enumerate(hypotheses)), MetricSums(sums))], self.references)
            task = build_task(Translation(selection_metric=self.objective))  # type: ignore[arg-type]
            intervals = {
                metric.name: interval(found.hypotheses, self.references, metric=metric, resamples=20)
                for metric in task.reported
            }
            metrics = named_scores("test", found, intervals)
            record = {
                "search": sized.get(search, {"name": search}),
                "metrics": metrics,
                **{name: asdict(one) for name, one in intervals.items()},
                "signatures": dict(found.signatures),
                "hypotheses": hypotheses,
            }
            (directory / "scores" / f"test-{search}.json").write_text(json.dumps(record, ensure_ascii=False))
            prefix = "test" if search == SEARCHES[0] else f"test-{search}"
            scores |= {name.replace("test/", f"{prefix}/"): value for name, value in metrics.items()}
        return scores
