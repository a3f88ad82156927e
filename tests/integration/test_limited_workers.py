"""Workers whose address space is limited while they train: all trials end COMPLETE, in parts, at one attempt."""

import time
from pathlib import Path

import psutil
import pytest
from test_sweep import SWEEP, Project, require_nothing_left, require_records_agree

from intelligen.state.heartbeat import read_worker
from intelligen.state.history import read_history
from intelligen.state.memory_bounds import MEMORY_TAG, MemoryBounds
from intelligen.state.trial_records import TrialRecord, TrialState

pytestmark = [
    pytest.mark.slow,
    pytest.mark.extended,
    pytest.mark.skipif(not psutil.LINUX, reason="only Linux limits the address space of another process"),
]

MORE = 64 * 2**20
"""What a worker may take beyond what it has when it is limited: some parts of the updates below, and not all of one."""
# Tensors of an update are too large for the C library to keep when they are freed.
WIDE = {"d_model: 32, d_ff: 64": "d_model: 16, d_ff: 8192"}
SHORT = {"epoch_updates: 20": "epoch_updates: 6", "epoch_updates: 10": "epoch_updates: 6", "epochs: 4": "epochs: 3"}
POPULATION = "scheduler: {name: pbt, population: 2, interval_epochs: 1}\nsearch: {sampler: random}"
ONE_ROW = SWEEP.replace("      generative: {probability.start: {uniform: [0.05, 0.5]}}\n", "").replace(
    "trials_per_strategy: 3", "trials_per_strategy: 2"
)


def project(directory: Path, *, workers: int, scheduler: str) -> Project:
    sweep = ONE_ROW.replace("scheduler: {name: asha, grace_epochs: 1, reduction_factor: 2}", scheduler)
    confirmed = "" if scheduler == POPULATION else "confirm: {seeds: 2}\n"
    made = Project(directory, sweep.replace("workers: 1", f"workers: {workers}") + confirmed)
    experiment = directory / "experiment.yaml"
    text = experiment.read_text()
    for before, after in (WIDE | SHORT | {"batch_tokens: 300": f"batch_tokens: {1100 * workers}"}).items():
        assert before in text
        text = text.replace(before, after)
    experiment.write_text(text)
    return made


class Limiter:
    """Limits the process of rank 0 of each trial once, when the trial's first epoch has ended."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._limited: set[str] = set()

    def look(self) -> None:
        for name, record in self._project.trials().items():
            if name not in self._limited and read_history(self._project.history(record)):
                self._limit(name, record)

    def _limit(self, name: str, record: TrialRecord) -> None:
        worker = read_worker(record.within(self._project.sweep))
        if worker is not None and (process := worker.process()) is not None:
            most = process.memory_info().vms + MORE
            process.rlimit(psutil.RLIMIT_AS, (most, psutil.RLIM_INFINITY))  # the next trial's may be higher
            self._limited.add(name)


@pytest.mark.parametrize(
    ("workers", "scheduler"), [(1, "scheduler: {name: none}"), (2, "scheduler: {name: none}"), (1, POPULATION)]
)
def test_trials_whose_workers_have_too_little_memory_end_complete_at_their_first_attempt(tmp_path, workers, scheduler):
    made = project(tmp_path, workers=workers, scheduler=scheduler)
    limiter = Limiter(made)
    at_once = 2 if scheduler == POPULATION else 1
    once = (
        "-o",
        "resources.attempts=1",
        "-o",
        "baseline.attempts=1",
        "-o",
        "experiment.finetuning.health.patience=null",
    )
    launch = made.launch(*once, "-o", f"resources.concurrent_trials={at_once}")
    while launch.poll() is None:
        limiter.look()
        time.sleep(0.1)
    output, _ = launch.communicate()
    assert launch.returncode == 0, output
    trials = made.trials()
    assert {record.state for record in trials.values()} == {TrialState.COMPLETE}
    kinds = {"baseline", "trial"} if scheduler == POPULATION else {"baseline", "trial", "confirm"}
    assert {record.kind for record in trials.values()} == kinds
    bounded = {
        name: bounds
        for name, record in trials.items()
        if (bounds := MemoryBounds.read(record.within(made.sweep)).entries)
    }
    assert bounded
    for name in bounded:
        directory = trials[name].within(made.sweep)
        assert "goes on from update " in "".join(path.read_text() for path in directory.glob("trial*.log"))
        epochs = read_history(directory / "history.jsonl")
        assert [one.epoch for one in epochs] == [*range(1, len(epochs) + 1)]
    tagged = {value for (value,) in made.query("select value from tags where key = ?", MEMORY_TAG)}
    assert tagged
    assert "updates were made in parts of at most" in (made.sweep / "report.html").read_text()
    require_records_agree(made)
    require_nothing_left(made)
