"""Only a trial's own failures are counted; a fault of the host ends the launch, or the attempt is repeated."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import ray
from conftest import tiny_trial
from searches import sweep

from intelligen.analysis.trial_outcome import read_outcome
from intelligen.config.schema.experiment import Experiment
from intelligen.errors import CrashedError, MemoryShortageError, ShrunkError, StorageError
from intelligen.state.failure_file import read_failure, write_failure
from intelligen.state.heartbeat import WorkerProcess
from intelligen.state.layout import HEARTBEAT_FILE
from intelligen.state.ledger import Ledger
from intelligen.state.memory_bounds import MemoryBound, MemoryBounds
from intelligen.state.memory_peak import PEAK_FILE
from intelligen.state.trial_records import TrialState
from intelligen.sweep.cluster import oom_kills
from intelligen.sweep.execution.failure_causes import at_host
from intelligen.sweep.execution.retries import Attempts, Next
from intelligen.sweep.row_data import DataOfRows
from intelligen.sweep.sweep_context import SweepContext

TRIAL = "t0000"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[SweepContext]:
    directory = tmp_path / "sweeps" / "s"
    with Ledger.open(directory, {"sweep_id": "0"}) as ledger:
        run = SweepContext(sweep(), Experiment(version=1, name="e"), DataOfRows("x"), tmp_path, directory, ledger)
        ledger.start(
            TRIAL,
            kind="trial",
            row="standard",
            seed=1,
            params={},
            config={},
            directory=f"trials/{TRIAL}",
            number=0,
        )
        yield run


def reason(run: SweepContext) -> str | None:
    return read_failure(run.directory / "trials" / TRIAL)


def attempts(run: SweepContext) -> Attempts:
    return Attempts(run, run.sweep.resources)


def test_a_trial_that_crashes_at_every_attempt_has_failed_with_what_it_raised(run):
    tried = attempts(run)
    assert tried.failed(TRIAL, CrashedError("ValueError: a bug")) is Next.AGAIN
    assert reason(run) is None
    assert tried.failed(TRIAL, CrashedError("ValueError: a bug")) is Next.FAILED
    assert reason(run) == "it crashed at every attempt: ValueError: a bug; its trial.log shows where"
    outcome = read_outcome(run.directory / "trials" / TRIAL, objectives=["valid/bleu"], crashed=True)
    assert (outcome.state, outcome.reason) == (TrialState.FAILED, reason(run))


def test_a_trial_that_goes_on_in_smaller_parts_begins_again_as_often_as_it_must_and_no_attempt_is_counted(run):
    tried = attempts(run)
    for tokens in (800, 400, 200):
        error = at_host(ShrunkError(f"in parts of at most {tokens} tokens"), directory=run.directory)
        assert tried.failed(TRIAL, error) is Next.AGAIN
    assert tried.failed(TRIAL, MemoryShortageError("out of memory: not even a row fits")) is Next.ALONE
    assert tried.failed(TRIAL, CrashedError("ValueError: a bug")) is Next.AGAIN


def test_a_trial_begins_with_what_earlier_trials_of_its_row_found_to_fit(run):
    def hints(row: str) -> dict[str, int]:
        trial = tiny_trial("x")
        return run.worker_config(trial, run.directory / "trials" / "t0001", run.sweep.resources, row=row)[
            "memory_hints"
        ]

    assert hints("standard") == {}
    directory = run.directory / "trials" / TRIAL
    directory.mkdir(parents=True)
    entries = (MemoryBound(0, 800, None, "A100"), MemoryBound(4, 400, None, "A100"), MemoryBound(9, 400, 64, "T4"))
    MemoryBounds(entries).write(directory)
    assert hints("standard") == {"A100": 400, "T4": 400}
    assert hints("generative") == {}


def test_a_trial_whose_process_dies_says_that(run):
    tried = attempts(run)
    tried.failed(TRIAL, ray.exceptions.ActorDiedError())
    assert tried.failed(TRIAL, ray.exceptions.ActorDiedError()) is Next.FAILED
    assert (reason(run) or "").startswith("its process died at every attempt")


def test_a_trial_killed_for_memory_runs_again_alone_and_has_failed_where_that_kills_it_too(run):
    tried, killed = attempts(run), ray.exceptions.OutOfMemoryError("1 worker(s) were killed\nand more")
    assert tried.failed(TRIAL, killed) is Next.ALONE
    assert tried.failed(TRIAL, ValueError("a bug")) is Next.AGAIN  # the one crash that it may have
    assert tried.failed(TRIAL, killed) is Next.FAILED
    assert reason(run) == "out of memory: 1 worker(s) were killed, though nothing ran beside it"


def test_the_reason_of_a_trial_killed_for_memory_has_its_peak_and_the_memory_that_there_was(run):
    tried, killed = attempts(run), ray.exceptions.OutOfMemoryError("1 worker(s) were killed\nand more")
    directory = run.directory / "trials" / TRIAL
    directory.mkdir(parents=True)
    tried.failed(TRIAL, killed)
    (directory / PEAK_FILE).write_text(json.dumps({"peak_bytes": 12 * 2**30, "total_bytes": 31 * 2**29}))
    assert tried.failed(TRIAL, killed) is Next.FAILED
    killed_alone = "out of memory: 1 worker(s) were killed, though nothing ran beside it"
    assert reason(run) == f"{killed_alone}; it had taken 12.0 GiB or more of 15.5 GiB"


def test_a_fault_of_the_host_is_raised_counts_no_attempt_and_leaves_no_failure_file(run):
    tried = attempts(run)
    for _ in range(5):
        with pytest.raises(StorageError, match="a full disk"):
            tried.failed(TRIAL, StorageError("a full disk"))
    assert reason(run) is None
    assert tried.failed(TRIAL, ValueError("a bug")) is Next.AGAIN


def test_a_trial_that_was_ended_from_outside_is_not_tried_again(run):
    write_failure(run.directory / "trials" / TRIAL, "no progress for 8 s")
    assert attempts(run).failed(TRIAL, ray.exceptions.ActorDiedError()) is Next.FAILED
    assert reason(run) == "no progress for 8 s"


def test_a_trial_whose_storage_hung_is_scheduled_again_and_no_attempt_is_counted(run):
    tried = attempts(run)
    for _ in range(5):
        run.stalled.add(TRIAL)
        assert tried.failed(TRIAL, ray.exceptions.ActorDiedError()) is Next.AGAIN
    assert tried.failed(TRIAL, ray.exceptions.ActorDiedError()) is Next.AGAIN


def test_a_trial_that_raised_an_error_was_not_killed_whatever_else_was(run, monkeypatch):
    worker = replace(WorkerProcess.this_process(), memory_kills=0)
    (run.directory / "trials" / TRIAL).mkdir(parents=True)
    (run.directory / "trials" / TRIAL / HEARTBEAT_FILE).write_text(json.dumps(asdict(worker)))
    monkeypatch.setattr(oom_kills, "query_host", lambda host, task: 1)  # which asks a cluster
    assert attempts(run).failed(TRIAL, CrashedError("ValueError: a bug")) is Next.AGAIN
    assert attempts(run).failed(TRIAL, ray.exceptions.ActorDiedError()) is Next.ALONE


def test_an_error_of_our_own_says_for_itself_that_memory_was_short(run):
    assert attempts(run).failed(TRIAL, MemoryShortageError("out of memory: 5 GB")) is Next.ALONE
