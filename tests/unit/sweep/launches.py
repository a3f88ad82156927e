"""Searches whose trials train nothing, launch by launch, with all files that real ones leave."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from searches import report
from torch import nn

from intelligen.config.schema.experiment import Experiment, Trial
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ConfigError
from intelligen.state.atomic_files import write_atomically
from intelligen.state.failure_file import FAILURE_FILE
from intelligen.state.history import History
from intelligen.state.ledger import Ledger
from intelligen.state.trial_result import (
    Result,
    claim_directory,
)
from intelligen.sweep.execution.workers import WorkerConfig
from intelligen.sweep.preflight.verify_files import require_files
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.search.optuna_study import open_study
from intelligen.sweep.search.searcher import StudySearcher, Suggestion
from intelligen.sweep.search.study_rebuild import ledgers_study
from intelligen.sweep.stages import prepare_search
from intelligen.sweep.sweep_context import SweepContext
from intelligen.sweep.trial_lifecycle import SearchedTrials, tell_known_ends, trial_name
from intelligen.training.selected_weights import write_result

TWO_OBJECTIVES = [
    {"metric": "valid/bleu", "direction": "maximize"},
    {"metric": "time/epoch_s", "direction": "minimize"},
]
POINTS = {"points": [{"finetuning.optimizer.learning_rate": 2e-4, "strategy": "standard"}]}
# How the trials end, and what they score.
ENDS = [("complete", 3.0), ("pruned", 1.0), ("failed", 0.0), ("complete", 2.0), ("complete", 5.0), ("complete", 4.0)]


class IdleTrials(SearchedTrials):
    """Trials that train nothing; some are refused, though their values go together."""

    def __init__(self, run: SweepContext, started: list[Suggestion], refused: set[int]) -> None:
        super().__init__(run)
        self._started = started
        self._refused = refused

    def start(self, suggestion: Suggestion) -> WorkerConfig:
        if suggestion.number in self._refused:
            raise ConfigError("finetuning.epochs: too few")
        self._started.append(suggestion)
        return super().start(suggestion)


class Launches:
    """A search whose trials train nothing, launch by launch, with its ledger, its study and its trials' files."""

    def __init__(self, store: Path, settings: Sweep, *, search: int = 0) -> None:
        self.directory = store / "sweeps" / settings.name
        self.settings = settings
        self.search = search
        """Which of several searches is run."""
        self.refused: set[int] = set()

    @contextmanager
    def run(self) -> Iterator[SweepContext]:
        with Ledger.open(self.directory, {"sweep_id": "0"}) as ledger:
            store = self.directory.parents[1]
            run = SweepContext(
                self.settings, Experiment(version=1, name="e"), DataOfRows("x"), store, self.directory, ledger
            )
            require_files(run)
            yield run

    def launch(self, *ends: tuple[str, float], left_running: int = 0) -> list[Suggestion]:
        """So many trials that end thus, then some that a kill leaves running."""
        started: list[Suggestion] = []
        with self.run() as run:
            prepare_search(run)
            run = run.searches[self.search]
            study = ledgers_study(run)
            tell_known_ends(run, study, lambda strategy: None)

            searcher = StudySearcher(
                study,
                sweep=run.sweep,
                spent=lambda strategy: None,
                trials=IdleTrials(run, started, self.refused),
            )
            for number, (state, value) in enumerate(ends):
                assert isinstance(searcher.suggest(f"{number}"), dict), searcher.error
                train(run, started[-1].number, state, value)
                searcher.on_trial_complete(f"{number}")
                assert searcher.error is None
            for number in range(left_running):
                searcher.suggest(f"left {number}")
        return started

    def study(self) -> list[tuple]:
        """All that a sampler reads of it."""
        with self.run() as run:
            replicate = run.searches[self.search].replicate
        trials = open_study(self.directory, self.settings, sweep_id="0", replicate=replicate).get_trials()
        return [
            (t.state, t.values, t.params, t.distributions, t.intermediate_values, t.user_attrs, without(t.system_attrs))
            for t in trials
        ]


def without(system_attrs: dict) -> dict:
    return {name: value for name, value in system_attrs.items() if name != "fixed_params"}


def train(run: SweepContext, number: int, state: str, value: float) -> None:
    record = run.ledger.trials[trial_name(number, run.replicate)]
    directory = run.directory_of(record)
    claim_directory(directory, Trial.model_validate_json(json.dumps(record.config)))
    for epoch in (1, 2):
        History(directory).append(report(epoch, value / (3 - epoch), **{"time/epoch_s": 9.0 - value}))
    if state == "complete":
        write_result(directory, Result("best", {"valid/bleu": value}, "finished"), model=nn.Linear(1, 1))
    if state == "failed":
        write_atomically(directory / FAILURE_FILE, json.dumps({"reason": "diverged"}))
