"""Two workers make the same updates as one, faster; what they lose is the exchange of gradients.

    python benchmarks/scaling.py [--full] [--threads 1]

Every side is the product's own `fit` in processes of its own: one worker, two workers over gloo (as Ray Train's are on
processors), and one worker with as many threads as the two have together. An epoch is a round: the sides take turns,
each held in its report until its next turn, and the figure is the report's own target tokens per second, without
validation and checkpoint. The global batch is the same everywhere. The exchange is one all-reduce of as many bytes as
the model's gradients have, by the same two processes while the others rest; DistributedDataParallel runs it beside
the backward pass, so that its share of an update is an upper bound of what it costs.
"""

import multiprocessing
import statistics
import tempfile
import time
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from rounds import Row, Rows, compare, parser, print_table, round_robin
from torch import distributed

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import Data, EmbeddedCorpus, Tokenizer
from intelligen.config.schema.experiment import Experiment, Trial, baseline_trial
from intelligen.config.schema.model import Seq2Seq
from intelligen.config.schema.training import Training
from intelligen.data.preparation import prepare
from intelligen.data.prepared_data import open_prepared
from intelligen.models.build import build_model
from intelligen.state.history import Report
from intelligen.training.fit import fit
from intelligen.training.runtime import Runtime

SHAPES = {
    "d = 128": Seq2Seq(d_model=128, d_ff=256, heads=4, encoder_layers=2, decoder_layers=2, max_positions=256),
    # Of the first source project.
    "shape T": Seq2Seq(d_model=256, d_ff=512, heads=8, encoder_layers=3, decoder_layers=3, max_positions=256),
}
BATCH_TOKENS = 2500
EXCHANGES = 10


def work(trial: Trial, store: Path, directory: Path, rank: int, ranks: int, threads: int, parent: Connection) -> None:
    """One worker: tells the seconds of its exchanges, then fits an epoch for every word it gets."""
    torch.set_num_threads(threads)
    if ranks > 1:
        directory.mkdir(exist_ok=True)
        rendezvous = f"file://{directory}/rendezvous"
        distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=ranks)
        parent.send(exchanges(trial, store))

    def report(report: Report) -> None:
        parent.send([report.metrics["throughput/target_tokens_per_s"], report.metrics["time/epoch_s"]])
        parent.recv()

    parent.recv()
    fit(trial, Runtime(store=store, directory=directory, report=report))


def gradients(trial: Trial, store: Path) -> torch.Tensor:
    """As many numbers as a model's gradients have."""
    prepared = open_prepared(store / "prepared" / trial.prepared)
    model = build_model(trial.model, prepared.vocabularies, seed=trial.seed)
    return torch.ones(sum(weight.numel() for weight in model.parameters()))


def exchanges(trial: Trial, store: Path) -> list[float]:
    """Seconds of each all-reduce, after one that warms up."""
    flat, seconds = gradients(trial, store), []
    for _ in range(EXCHANGES + 1):
        distributed.barrier()
        started = time.perf_counter()
        distributed.all_reduce(flat)
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


class Workers:
    """The processes of one side."""

    def __init__(self, trial: Trial, store: Path, directory: Path, *, ranks: int, threads: int) -> None:
        spawned = multiprocessing.get_context("spawn")
        pipes = [spawned.Pipe() for _ in range(ranks)]
        self._connections = [ours for ours, _ in pipes]
        self._processes = [
            spawned.Process(target=work, args=(trial, store, directory, rank, ranks, threads, theirs), daemon=True)
            for rank, (_, theirs) in enumerate(pipes)
        ]
        for process in self._processes:
            process.start()
        self.exchange_s: list[float] = self._hear() if ranks > 1 else []
        self.epoch_s: list[float] = []

    def epoch(self) -> float:
        """Train one epoch; target tokens per second."""
        for connection in self._connections:
            connection.send(None)
        tokens_per_s, seconds = self._hear()
        self.epoch_s.append(seconds)
        return tokens_per_s

    def stop(self) -> None:
        """End the processes where they stand."""
        for process in self._processes:
            process.terminate()
            process.join()

    def _hear(self) -> list[float]:
        """What rank 0 says, once all have spoken."""
        first, *_ = [list[float](connection.recv()) for connection in self._connections]
        return first


def rows(name: str, trial: Trial, store: Path, *, rounds: int, threads: int) -> list[Row]:
    """Two workers against each other side, and against their own exchange."""
    layouts = {"two": (2, threads), "one": (1, threads), "wide": (1, 2 * threads)}
    sides = {
        side: Workers(trial, store, store / f"{name} {side}", ranks=ranks, threads=each)
        for side, (ranks, each) in layouts.items()
    }
    try:
        figures = round_robin({side: workers.epoch for side, workers in sides.items()}, rounds=rounds)
    finally:
        for workers in sides.values():
            workers.stop()
    versus = partial(compare, unit="tokens/s", faster=True)
    size = gradients(trial, store).nbytes
    two = sides["two"]
    update_s = [seconds / (trial.training.epoch_updates or 1) for seconds in two.epoch_s[1:]]
    exchange = compare(
        f"{name}: exchange of {size / 1e6:.1f} MB against an update of two workers",
        [statistics.median(two.exchange_s)] * rounds,
        update_s,
        unit="s",
        faster=False,
    )
    return [
        versus(f"{name}: 2 workers × {threads} thread(s) against 1 × {threads}", figures["two"], figures["one"]),
        versus(f"{name}: 2 workers × {threads} thread(s) against 1 × {2 * threads}", figures["two"], figures["wide"]),
        exchange,
    ]


def measure(*, full: bool, threads: int) -> Rows:
    """The rows of both shapes; a quick look takes the smaller one."""
    rounds, updates = (5, 5) if full else (3, 5)
    data = Data(corpus=EmbeddedCorpus(train=5000, valid=8, test=8), tokenizer=Tokenizer(vocabulary=4000))
    training = Training(epochs=rounds + 1, epoch_updates=updates, batch_tokens=BATCH_TOKENS)
    with tempfile.TemporaryDirectory() as directory:
        store = Path(directory)
        prepared = prepare(data, store, columns=SOURCE_AND_TARGET).identity
        for name, shape in SHAPES.items() if full else [*SHAPES.items()][:1]:
            experiment = Experiment(version=1, name="scaling", data=data, model=shape, training=training)
            trial = baseline_trial(experiment, prepared=prepared)
            yield from rows(name, trial, store, rounds=rounds, threads=threads)


def main() -> None:
    """Print the table."""
    arguments = parser(__doc__).parse_args()
    print_table(measure(full=arguments.full, threads=arguments.threads), threads=arguments.threads)


if __name__ == "__main__":
    main()
