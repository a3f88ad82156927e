"""Trials of several workers that a scheduler stops give everything back: what is left of them is counted as they end.

    python benchmarks/leftovers.py [--trials 20]

A sweep of two-worker trials runs through `launch.py` on a Ray cluster that this process started, so that it can look:
at the placement groups, Ray's processors and the processes, once a second. Every trial learns more slowly than the one
before, so ASHA stops it after its first report. When Ray's job ends, Ray itself cleans up after it, so
what counts is how the figures stand while the sweep goes on: after the hundredth trial as after the first.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import ray

from intelligen.state import layout
from intelligen.state.ledger import read_ledger
from intelligen.state.trial_records import TrialState
from intelligen.sweep.cluster.ray_session import ENVIRONMENT, TRIAL_SLOT

LAUNCH = Path(__file__).parents[1] / "launch.py"
WORKERS, CPUS = 2, 2
EXPERIMENT = """
version: 1
name: leftovers
data:
  corpus: {name: embedded, train: 500, valid: 20, test: 20}
  tokenizer: {vocabulary: 400}
  max_tokens: 100
model: {d_model: 32, d_ff: 64, heads: 2, encoder_layers: 1, decoder_layers: 1, max_positions: 128}
training: {epochs: 1, epoch_updates: 50, batch_tokens: 500, optimizer: {learning_rate: 5.0e-3}}
finetuning:
  epochs: 3
  epoch_updates: 20
  batch_tokens: 500
  schedule: {name: constant, warmup_updates: 0}
  health: {patience: null}
task: {selection_metric: valid/loss}
"""
SWEEP = """
version: 1
name: leftovers
experiment: experiment.yaml
space: {{finetuning.optimizer.learning_rate: {{choice: {rates}}}}}
search: {{sampler: grid}}
scheduler: {{name: asha, grace_epochs: 1, reduction_factor: 4}}
objective: {{metric: valid/loss, direction: minimize}}
resources: {{workers: {workers}, concurrent_trials: 1}}
baseline: {{workers: 1}}
"""


@dataclass(frozen=True)
class Sample:
    """What there is at one moment."""

    trials_ended: int
    groups: int
    """Placement groups that have not been removed."""
    free_cpus: float
    processes: int
    """Of Ray that do something, its services apart."""
    memory_mib: float
    """Of all processes below this one."""


class Watch:
    """Samples once a second, until it is told to stop."""

    def __init__(self, sweep: Path) -> None:
        self.samples: list[Sample] = []
        self._sweep = sweep
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on)
        self._thread.start()

    def stop(self) -> None:
        """End with one more sample."""
        self._over.set()
        self._thread.join()
        self.samples.append(self.sample())

    def sample(self) -> Sample:
        """As of now."""
        groups: dict[str, Any] = ray.util.placement_group_table()
        titles, memory = [], 0
        for process in psutil.Process().children(recursive=True):
            try:
                titles.append(" ".join(process.cmdline()))
                memory += process.memory_info().rss
            except psutil.Error:
                continue  # it has just ended
        return Sample(
            trials_ended=self._ended(),
            groups=sum(group["state"] != "REMOVED" for group in groups.values()),
            free_cpus=ray.available_resources().get("CPU", 0.0),
            processes=sum(title.startswith("ray::") and not title.startswith("ray::IDLE") for title in titles),
            memory_mib=memory / 2**20,
        )

    def _ended(self) -> int:
        if not (self._sweep / layout.LEDGER_FILE).exists():
            return 0
        trials = read_ledger(self._sweep)[1].values()
        return sum(record.kind == "trial" and record.state is not TrialState.RUNNING for record in trials)

    def _look_on(self) -> None:
        while not self._over.wait(1.0):
            self.samples.append(self.sample())


@contextmanager
def ray_to_look_at() -> Iterator[str]:
    """The address of a Ray cluster on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    # What frees the placement groups of stopped trials asks the dashboard: this one, whatever else runs here.
    os.environ.update({**ENVIRONMENT, "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{port}"})
    ray.init(
        address="local",
        num_cpus=CPUS,
        resources={TRIAL_SLOT: CPUS},
        include_dashboard=True,
        dashboard_host="127.0.0.1",
        dashboard_port=port,
        log_to_driver=False,
        configure_logging=False,
    )
    try:
        yield ray.get_runtime_context().gcs_address
    finally:
        ray.shutdown()


def sweep_of(place: Path, *, trials: int, address: str) -> tuple[int, list[Sample]]:
    """Run the sweep to its end."""
    rates = [2e-3 * 0.9**number for number in range(trials)]
    (place / "experiment.yaml").write_text(EXPERIMENT)
    (place / "sweep.yaml").write_text(SWEEP.format(rates=rates, workers=WORKERS))
    watch = Watch(layout.sweep(place / "runs", "leftovers"))
    with (place / "output").open("w") as output:
        code = subprocess.call(
            [sys.executable, str(LAUNCH), "sweep.yaml"],
            cwd=place,
            env=os.environ | {"RAY_ADDRESS": address},
            stdout=output,
            stderr=output,
        )
    watch.stop()
    return code, watch.samples


def main() -> int:
    """Print how the figures went; 1 where something is left, or grew."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--trials", type=int, default=20, help="of two workers each")
    trials = options.parse_args().trials
    with tempfile.TemporaryDirectory() as name, ray_to_look_at() as address:
        place = Path(name)
        code, samples = sweep_of(place, trials=trials, address=address)
        records = read_ledger(layout.sweep(place / "runs", "leftovers"))[1].values()
        early = sum((record.stop_reason or "").startswith("stopped by the scheduler") for record in records)
    print(f"exit code {code}; {trials} trials of {WORKERS} workers, {early} of them stopped by ASHA")
    print("| trials ended | most placement groups | most processes at work | most memory, MiB | most free CPUs |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    running = [sample for sample in samples[:-1] if sample.trials_ended < trials]
    for ended in sorted({sample.trials_ended for sample in running}):
        those = [sample for sample in running if sample.trials_ended == ended]
        print(
            f"| {ended} | {max(one.groups for one in those)} | {max(one.processes for one in those)}"
            f" | {max(one.memory_mib for one in those):,.0f} | {max(one.free_cpus for one in those):.0f} |"
        )
    last = samples[-1]
    print(f"in the end: {last.groups} placement groups, {last.processes} processes, {last.free_cpus:.0f} free CPUs")
    first_groups, last_groups = (
        max((one.groups for one in running if one.trials_ended == ended), default=0) for ended in (0, trials - 1)
    )
    return int(bool(code or last.groups or last.free_cpus < CPUS or last_groups > first_groups))


if __name__ == "__main__":
    sys.exit(main())
