"""A sweep costs a fixed start, and then at most a second a trial more than the same `fit` calls in a bare loop.

    python benchmarks/overhead.py [--full] [--threads 1]

The sweep runs through `launch.py`, in a process of its own, over real Ray, Optuna and MLflow on SQLite; no scheduler
stops a trial. The bare loop then fits the very trials that stand in the sweep's directory, in one process for every
trial that ran at a time, with as many threads and as low a priority. A trial's time in the sweep runs from the end of
the trial whose place it takes to its own end, by the ledger's clock, so that whatever happens between two trials
counts. Everything up to the end of the first trial is the start: a row of its own.

Tracking is measured in the same sweep: the processor time of the mirror's own thread inside `MlflowMirror.sync`, from
the first trial's end to the last one's, over the trials' time; a full run has a sweep of longer trials for it. Who else
uses the processors is sampled once a second. What one more report costs is measured apart, on a fresh store that holds
all of the sweep but its last report, of a trial that runs: MLflow calls (over HTTP each one is a request) and seconds.
"""

import inspect
import json
import multiprocessing
import os
import runpy
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from processes import ProcessorTimes
from rounds import Remark, Row, Rows, Table, compare, parser, print_table

from intelligen.config.schema.experiment import Trial
from intelligen.state import layout
from intelligen.state.history import HISTORY_FILE
from intelligen.state.ledger import read_ledger
from intelligen.state.trial_records import TrialRecord
from intelligen.state.trial_result import read_trial
from intelligen.tracking.mlflow_mirror import MlflowMirror
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime

LAUNCH = Path(__file__).parents[1] / "launch.py"
EXPERIMENT = """
version: 1
name: overhead
data:
  corpus: {{name: embedded, train: 2000, valid: 60, test: 20}}
  tokenizer: {{vocabulary: 400}}
  max_tokens: 100
model: {{d_model: 32, d_ff: 64, heads: 2, encoder_layers: 1, decoder_layers: 1, max_positions: 128}}
training: {{epochs: 1, epoch_updates: 150, batch_tokens: 500, optimizer: {{learning_rate: 5.0e-3}}}}
finetuning:
  {{epochs: 4, epoch_updates: {epoch_updates}, batch_tokens: 500, schedule: {{name: constant, warmup_updates: 0}}}}
"""
SWEEP = """
version: 1
name: overhead
experiment: experiment.yaml
space: {{finetuning.optimizer.learning_rate: {{log_uniform: [1.0e-4, 1.0e-3]}}}}
scheduler: {{name: none}}
budget: {{trials: {trials}}}
resources: {{workers: 1, cpus_per_worker: {threads}, gpus_per_worker: 0, concurrent_trials: {concurrent}}}
baseline: {{workers: 1, cpus_per_worker: {threads}, gpus_per_worker: 0}}
"""
SHORT, LONG = 50, 400
"""Updates between two reports: about a second's, and five seconds'; the quickstart reports every eight."""


class Watch:
    """What the mirror does in this process."""

    def __init__(self) -> None:
        self.passes: list[tuple[float, float]] = []
        """Of each pass: when it ended (seconds since 1970), and its thread's processor seconds."""
        self.calls: Counter[str] = Counter()

    def begin(self) -> None:
        """Count the real calls from now on."""
        from mlflow import MlflowClient

        for name, call in inspect.getmembers(MlflowClient, inspect.isfunction):
            if not name.startswith("_"):
                setattr(MlflowClient, name, self._counted(name, call))
        MlflowMirror.sync = self._timed(MlflowMirror.sync)

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            self.calls[name] += 1
            return call(*arguments, **named)

        return counted

    def _timed(self, sync: Callable[[MlflowMirror], None]) -> Callable[[MlflowMirror], None]:
        def timed(mirror: MlflowMirror) -> None:
            used = time.thread_time()
            sync(mirror)
            self.passes.append((time.time(), time.thread_time() - used))

        return timed


def launched(place: Path) -> None:
    """`python launch.py sweep.yaml` in a directory, with the mirror watched."""
    os.chdir(place)
    with open("output", "wb") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    watch = Watch()
    watch.begin()
    sys.argv = ["launch.py", "sweep.yaml", "--local"]
    try:
        runpy.run_path(str(LAUNCH), run_name="__main__")
    finally:
        Path("passes.json").write_text(json.dumps(watch.passes))


def bare_fit(trial: Trial, store: Path, directory: Path, threads: int) -> float:
    """Seconds of one trial without the platform."""
    torch.set_num_threads(threads)
    started = time.perf_counter()
    fit(trial, Runtime(store=store, directory=directory))
    return time.perf_counter() - started


class SweepTimes:
    """One sweep in an empty directory, and the bare fits of its trials."""

    def __init__(self, place: Path, *, trials: int, concurrent: int, epoch_updates: int, threads: int) -> None:
        self.place, self.concurrent, self.epoch_updates, self.threads = place, concurrent, epoch_updates, threads
        (place / "experiment.yaml").write_text(EXPERIMENT.format(epoch_updates=epoch_updates))
        (place / "sweep.yaml").write_text(SWEEP.format(trials=trials, concurrent=concurrent, threads=threads))
        self.sweep = layout.sweep(place / "runs", "overhead")
        self.launched_s = time.time()
        process = multiprocessing.get_context("spawn").Process(target=launched, args=(place,))
        process.start()
        self.processors = ProcessorTimes(process.pid)
        process.join()
        self.processors.stop()
        if process.exitcode:
            raise RuntimeError(f"the sweep exited with {process.exitcode}: {(place / 'output').read_text()}")
        records = read_ledger(self.sweep)[1]
        self.baseline = next(record for record in records.values() if record.kind == "baseline")
        self.trials = [record for record in records.values() if record.kind == "trial"]
        self.bare_baseline, *self.bare = self._bare([self.baseline, *self.trials])

    def _bare(self, records: list[TrialRecord]) -> list[float]:
        # Ray's workers run at a low priority, which would count against them wherever the machine has other work.
        spawned = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(self.concurrent, mp_context=spawned, initializer=os.nice, initargs=(15,)) as pool:
            waiting = [
                pool.submit(
                    bare_fit,
                    read_trial(self.sweep / record.directory),
                    self.place / "runs",
                    self.place / "bare" / record.id,
                    self.threads,
                )
                for record in records
            ]
            return [future.result() for future in waiting]

    @property
    def periods(self) -> list[float]:
        """Seconds of every trial but the first ones, from the end of the one whose place it took."""
        ends = sorted(_ended_s(record) for record in self.trials)
        return [_ended_s(record) - ends[index] for index, record in enumerate(self.trials[self.concurrent :])]

    @property
    def tracking(self) -> float:
        """Processor time of the mirror's thread, as a share of the trials' time after the start."""
        passes: list[tuple[float, float]] = json.loads((self.place / "passes.json").read_text())
        first, last = self._span_s
        return sum(used for ended, used in passes if first < ended <= last) / (last - first)

    @property
    def use(self) -> str:
        """Who used the processors between the first trial's end and the last one's."""
        first, last = self._span_s
        kinds = self.processors.between(first, last)
        used = ", ".join(f"{kind} {seconds:.0f} s" for kind, seconds in kinds.items())
        return f"processor time in {last - first:.0f} s: {used}"

    @property
    def _span_s(self) -> tuple[float, float]:
        ends = [_ended_s(record) for record in self.trials]
        return min(ends), max(ends)


def _ended_s(record: TrialRecord) -> float:
    if record.ended_ms is None:
        raise RuntimeError(f"{record.id} has not ended")
    return record.ended_ms / 1000


def report_cost(sweep: Path, place: Path) -> tuple[Counter[str], float]:
    """MLflow's calls and the seconds for the last report of a trial that runs, all else standing there already."""
    shutil.copytree(sweep, place, ignore=shutil.ignore_patterns("tune", "checkpoints", "*.lock"))
    last = list(read_ledger(place)[1].values())[-1]
    entries = (place / layout.LEDGER_FILE).read_text(encoding="utf-8").splitlines(keepends=True)
    ended = next(at for at, entry in enumerate(entries) if '"finish"' in entry and f'"{last.id}"' in entry)
    (place / layout.LEDGER_FILE).write_text("".join(entries[:ended]), encoding="utf-8")
    history = place / last.directory / HISTORY_FILE
    lines = history.read_text(encoding="utf-8").splitlines(keepends=True)
    history.write_text("".join(lines[:-1]), encoding="utf-8")
    mirror = MlflowMirror(place, tracking_uri=f"sqlite:///{place}/mlflow.db", experiment="overhead")
    mirror.sync()
    watch = Watch()
    watch.begin()
    history.write_text("".join(lines), encoding="utf-8")
    started = time.perf_counter()
    mirror.sync()
    seconds = time.perf_counter() - started
    mirror.close(60)
    if not watch.calls["log_batch"]:
        raise RuntimeError("the report never reached MLflow")
    return watch.calls, seconds


def rows(times: SweepTimes) -> Table:
    """What one sweep shows."""
    concurrent = times.concurrent
    title = f"{len(times.trials)} trials of 4 × {times.epoch_updates} updates, {concurrent} at a time"
    ours, bare = times.periods, times.bare[concurrent:]
    overheads = [in_sweep - alone for in_sweep, alone in zip(ours, bare, strict=True)]
    start = _ended_s(times.trials[0]) - times.launched_s
    return [
        compare(f"{title}: a trial against its bare fit", ours, bare, unit="s", faster=False),
        _bounded(f"{title}: overhead of a trial, against the bound", overheads, bound=1.0, unit="s"),
        Remark(f"{title}: who used the processors", times.use),
        _bounded(f"{title}: tracking, share of a trial's time", [100 * times.tracking], bound=1.0, unit="%"),
        compare(
            f"{title}: launch to the end of the first trial, against baseline and trial alone",
            [start],
            [times.bare_baseline + times.bare[0]],
            unit="s",
            faster=False,
        ),
    ]


def _bounded(what: str, figures: list[float], *, bound: float, unit: str) -> Row:
    return compare(what, figures, [bound] * len(figures), unit=unit, target="≤ 1.0", faster=False)


def measure(*, full: bool, threads: int) -> Rows:
    """The rows of every variant."""
    variants = ((16, 1, SHORT), (16, 2, SHORT), (4, 1, LONG)) if full else ((6, 1, SHORT),)
    for trials, concurrent, updates in variants:
        with tempfile.TemporaryDirectory() as directory:
            place = Path(directory)
            times = SweepTimes(place, trials=trials, concurrent=concurrent, epoch_updates=updates, threads=threads)
            yield from rows(times)
            if (concurrent, updates) == (1, SHORT):
                calls, seconds = report_cost(times.sweep, place / "copy")
                what = f"one more report in MLflow ({1000 * seconds:.0f} ms)"
                yield _bounded(what, [float(calls.total())], bound=1.0, unit="requests")


def main() -> None:
    """Print the table."""
    arguments = parser(__doc__).parse_args()
    print_table(measure(full=arguments.full, threads=arguments.threads), threads=arguments.threads)


if __name__ == "__main__":
    main()
