"""Workers whose address space is limited while they train: a trial goes on in parts, or fails where no row fits."""

import re
import shutil
import subprocess
import time
from collections import defaultdict
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from conftest import TIERE, WORDS
from test_cluster_faults import searched
from test_sweep import SWEEP, Project, require_nothing_left, require_records_agree

from intelligen.state.heartbeat import read_worker
from intelligen.state.history import HISTORY_FILE, read_history
from intelligen.state.memory_bounds import MEMORY_FILE, MEMORY_TAG, MemoryBounds
from intelligen.state.trial_records import TrialRecord, TrialState
from intelligen.training.replay import Recorded, replay

pytestmark = [
    pytest.mark.slow,
    pytest.mark.extended,
    pytest.mark.skipif(not psutil.LINUX, reason="only Linux limits the address space of another process"),
]

MIB = 2**20
# 2,800 padded tokens are the whole corpus: an update of each worker holds four tensors of 175 MiB at a time.
WIDE = {"d_model: 32, d_ff: 64": "d_model: 8, d_ff: {units}", "max_positions: 64": "max_positions: 1000, dropout: 0.0"}
UNITS, TOKENS = 16384, 2800
SHORT = {"epoch_updates: 20": "epoch_updates: 2", "epoch_updates: 10": "epoch_updates: 2", "epochs: 4": "epochs: 2"}
ONE_TRY = (
    "-o",
    "resources.attempts=1",
    "-o",
    "baseline.attempts=1",
    "-o",
    "experiment.finetuning.health.patience=null",
)
RANDOM = "scheduler: {name: none}"
POPULATION = "scheduler: {name: pbt, population: 2, interval_epochs: 1}\nsearch: {sampler: random}"
GENERATIVE = "      generative: {probability.start: {uniform: [0.05, 0.5]}}\n"


def project(directory: Path, sweep: str, *, tokens: int, units: int, scheduler: str = RANDOM) -> Project:
    made = Project(directory, sweep.replace("scheduler: {name: asha, grace_epochs: 1, reduction_factor: 2}", scheduler))
    text = (directory / "experiment.yaml").read_text()
    for before, after in (WIDE | SHORT | {"batch_tokens: 300": f"batch_tokens: {tokens}"}).items():
        assert before in text
        text = text.replace(before, after.replace("{units}", str(units)))
    (directory / "experiment.yaml").write_text(text)
    return made


class Limiter:
    """Limits the processes of rank 0 that train a trial, once so many of its epochs have ended.

    Args:
        project: Its sweep's trials are limited.
        room: Bytes that a process may have beyond the least that it was seen to have.
        epochs: So many.
        only: Name of the only trial that is limited; none = all are.

    """

    def __init__(self, project: Project, *, room: int, epochs: int = 1, only: str | None = None) -> None:
        self._project, self._room, self._epochs, self._only = project, room, epochs, only
        self._sizes: dict[int, list[int]] = defaultdict(list)
        self._limited: set[int] = set()

    def watch(self, launch: subprocess.Popen[str], *, timeout_s: float = 900) -> str:
        """Until a launch has ended; what it printed."""
        deadline = time.monotonic() + timeout_s
        while launch.poll() is None:
            assert time.monotonic() < deadline, "it did not end in time"
            for name, record in self._project.trials().items():
                if self._only in (None, name) and record.state is TrialState.RUNNING:
                    with suppress(psutil.NoSuchProcess):
                        self._look(record)
            time.sleep(0.05)
        output, _ = launch.communicate()
        return output

    def _look(self, record: TrialRecord) -> None:
        worker = read_worker(record.within(self._project.sweep))
        process = None if worker is None else worker.process()
        if process is None or process.pid in self._limited:
            return
        sizes = self._sizes[process.pid]
        sizes.append(process.memory_info().vms)
        # Of several looks one comes between two updates.
        if len(sizes) >= 8 and len(read_history(self._project.history(record))) >= self._epochs:
            process.rlimit(psutil.RLIMIT_AS, (min(sizes) + self._room, psutil.RLIM_INFINITY))
            self._limited.add(process.pid)


def bounds_of(made: Project, record: TrialRecord) -> MemoryBounds:
    return MemoryBounds.read(record.within(made.sweep))


def logs_of(made: Project, record: TrialRecord) -> str:
    return "".join(path.read_text() for path in sorted(record.within(made.sweep).glob("trial*.log")))


def shortage_s(made: Project, record: TrialRecord) -> float:
    """When a trial first ran out of memory."""
    (first, *_) = re.findall(r"^(\S+ \S+),\d+ INFO out of memory in ", logs_of(made, record), re.MULTILINE)
    return datetime.strptime(first, "%Y-%m-%d %H:%M:%S").astimezone().timestamp()


def require_the_same(made: Project, record: TrialRecord, into: Path) -> None:
    """As one that was told its bounds bit for bit, and as one that had room to rounding."""
    into.mkdir()
    roomy = shutil.copytree(record.within(made.sweep), into / "roomy")
    (roomy / MEMORY_FILE).unlink()
    for name, trial in (("told", record.within(made.sweep)), ("in-one-part", roomy)):
        recorded = Recorded.read(trial, store=made.directory / "runs")
        (into / name).mkdir()
        again = replay(recorded, into / name)
        # That its bounds are gone is all that is said of the one that has room.
        assert bool(recorded.changes) == (name != "told")
        assert all(re.search(rf" {MEMORY_FILE}: .* → none$", change) for change in recorded.changes)
        assert (again.identical, (into / name / MEMORY_FILE).exists()) == ((name == "told",) * 2)
    parts, whole = (read_history(into / name / HISTORY_FILE)[-1].metrics for name in ("told", "in-one-part"))
    for name in ("train/loss", "valid/loss"):
        assert parts[name] == pytest.approx(whole[name], rel=1e-4)


def require_bounded(made: Project) -> None:
    """All trials ended COMPLETE at their first attempt, in parts, and the records say so."""
    trials = made.trials()
    assert {record.state for record in trials.values()} == {TrialState.COMPLETE}
    for record in trials.values():
        assert bounds_of(made, record).newest_micro_batch_tokens is not None, record.id
        history = read_history(made.history(record))
        assert [report.epoch for report in history] == [*range(1, len(history) + 1)]
        assert MEMORY_TAG in history[-1].tags
        assert "Traceback" not in logs_of(made, record)
    shrunk = {record.kind for record in trials.values() if "goes on from update " in logs_of(made, record)}
    assert shrunk == {record.kind for record in trials.values()}
    tagged = made.query("select count(*) from tags where key = ?", MEMORY_TAG)
    assert tagged == [(len(trials),)]
    assert "updates were made in parts of at most" in (made.sweep / "report.html").read_text()
    require_records_agree(made)
    require_nothing_left(made)


@pytest.mark.parametrize(("workers", "confirmed"), [(1, "confirm: {seeds: 2}\n"), (2, "")])
def test_trials_whose_workers_have_too_little_memory_end_complete_at_their_first_attempt(tmp_path, workers, confirmed):
    sweep = SWEEP.replace(GENERATIVE, "").replace("trials_per_strategy: 3", "trials_per_strategy: 1")
    sweep = sweep.replace("workers: 1", f"workers: {workers}") + confirmed
    made = project(tmp_path, sweep, tokens=TOKENS, units=UNITS * workers)
    launch = made.launch(*ONE_TRY)
    output = Limiter(made, room=600 * MIB).watch(launch)
    assert launch.returncode == 0, output
    assert "Traceback" not in output
    kinds = {record.kind: record for record in made.trials().values()}
    assert kinds.keys() == {"baseline", "trial"} | ({"confirm"} if confirmed else set())
    require_bounded(made)
    for kind, record in kinds.items():
        require_the_same(made, record, tmp_path / kind)


def test_two_trials_of_a_population_that_run_out_of_memory_at_once_both_go_on_in_parts(tmp_path):
    sweep = SWEEP.replace(GENERATIVE, "").replace("trials_per_strategy: 3", "trials_per_strategy: 2")
    made = project(tmp_path, sweep, tokens=TOKENS, units=UNITS, scheduler=POPULATION)
    launch = made.launch(*ONE_TRY, "-o", "resources.concurrent_trials=2")
    output = Limiter(made, room=600 * MIB, epochs=0).watch(launch)
    assert launch.returncode == 0, output
    require_bounded(made)
    # Neither had ended its first epoch when the other one ran out of memory in it.
    ended = [read_history(made.history(one))[0].time_ms / 1000 for one in searched(made)]
    assert max(shortage_s(made, one) for one in searched(made)) < min(ended)


def test_a_row_that_fits_nowhere_fails_its_trial_in_one_line_and_the_sweep_goes_on(tmp_path):
    """Rows of 800 words, two to an update: a row takes 300 MiB, and there is room for half of that."""
    sweep = SWEEP.replace(GENERATIVE, "      standard_matched: {updates_ratio: {const: 1.0}}\n")
    sweep = sweep.replace("trials_per_strategy: 3", "trials_per_strategy: 2")
    made = project(tmp_path, sweep.replace("concurrent_trials: 1", "concurrent_trials: 2"), tokens=1700, units=24576)
    for name, words in (("en", WORDS), ("de", TIERE)):
        (tmp_path / "corpus" / f"train.{name}").write_text((" ".join(words * 80) + "\n") * 8)
    text = (tmp_path / "experiment.yaml").read_text()
    (tmp_path / "experiment.yaml").write_text(text.replace("max_tokens: 40", "max_tokens: 900"))
    launch = made.launch(*ONE_TRY, "-o", "experiment.finetuning.epochs=3")
    output = Limiter(made, room=150 * MIB, only="t0000").watch(launch)
    assert launch.returncode == 3, output
    assert "Traceback" not in output
    victim, *others = searched(made)
    line = (
        r"out of memory: not even a row of [\d,]+ tokens fits by itself: [\d,]+ bytes were asked for,"
        r" [\d,]+ were free \(on host \S+\), though nothing ran beside it"
    )
    assert victim.state is TrialState.FAILED
    assert re.fullmatch(line, victim.stop_reason or "")
    assert "Traceback" not in logs_of(made, victim)
    assert len([one for one in output.splitlines() if "not even a row" in one]) == 1
    assert [(one.state, bounds_of(made, one).entries) for one in others] == [(TrialState.COMPLETE, ())] * 3
    assert {one.row for one in others} == {"standard", "standard_matched"}
    ledger, before = (made.sweep / "ledger.jsonl").read_text(), made.trials()
    code, output = made.run(*ONE_TRY, "-o", "experiment.finetuning.epochs=3")
    assert code == 3, output
    assert (made.sweep / "ledger.jsonl").read_text().startswith(ledger)
    assert made.trials() == before
    require_records_agree(made)
    require_nothing_left(made)
