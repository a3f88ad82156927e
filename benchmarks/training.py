"""How fast we train beside the peers: target tokens per second, optimizer included, on the same batches in turn.

Every side has our shape, tied embeddings, label smoothing, clipping, schedule and a fused Adam; ours goes through the
`standard` strategy that `fit` trains with, and its process keeps freed memory and computes products by the faster
library, as `fit` has it; each side has a process of its own. In further rows the peers' processes have these settings
too, and ours computes fp32 by the library that was not chosen. One thread is timed by its process' own clock, which
other programs move little. On a processor the shape is T of the first source project; on CUDA it is the Transformer
base of Vaswani et al. (2017) in bf16, with torch.compile as further variants.
"""

import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from peers.our_settings import take_our_settings
from rounds import Remark, Row, Rows, Side, Table, apart, compare, machine, missing, parser, print_table, round_robin
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.compute import Compute, Matmul
from intelligen.config.schema.data import Data, EmbeddedCorpus, FilesCorpus, Tokenizer
from intelligen.config.schema.experiment import Experiment, baseline_trial
from intelligen.config.schema.model import Seq2Seq
from intelligen.config.schema.split_forms import ParallelText
from intelligen.config.schema.training import Precision, Training
from intelligen.data.batches import Batch, SentencePairs
from intelligen.data.loader import Loader
from intelligen.data.preparation import prepare
from intelligen.data.prepared_data import Prepared
from intelligen.models.build import build_model
from intelligen.models.matmul import offers, use_matmul
from intelligen.optimization.updater import autocast, build_optimizer, learning_rate
from intelligen.strategies.base import Strategy, UpdateContext
from intelligen.strategies.build import build_strategy
from intelligen.tasks import build_task
from intelligen.training.matmul_choice import chosen_matmul
from intelligen.training.memory_allocator import keep_freed_memory

SHAPE_T = Seq2Seq(d_model=256, d_ff=512, heads=8, encoder_layers=3, decoder_layers=3, max_positions=256)
SHAPE_BASE = Seq2Seq(d_model=512, d_ff=2048, heads=8, encoder_layers=6, decoder_layers=6, max_positions=256)
UPDATES = 100_000
OTHER, EQUAL = "ours, the other library", "our settings"
OURS, MARIAN, JOEY, PLAIN = "ours", "Hugging Face MarianMT", "JoeyNMT", "nn.Transformer loop"
NEEDS = {MARIAN: ("transformers",), JOEY: ("joeynmt",), PLAIN: ()}
TARGETS = {"AMD": {MARIAN: "≥ 1.8", PLAIN: "≥ 1.8"}, "Intel": {MARIAN: "≥ 1.21", JOEY: "≥ 1.54", PLAIN: "≥ 1.26"}}
"""Of updates of `FULL` tokens against peers as they are, by the processor's vendor."""
FULL, SMALL = 4096, 1024
"""Tokens of an update on a processor."""
EQUAL_TARGETS = {MARIAN: "≥ 1.2", PLAIN: "≥ 1.2"}
CUDA_TARGETS = {MARIAN: "≥ 2.0"}
# Dense bf16, without sparsity, in TFLOP/s: the vendor's data sheets. The first name within the device's counts.
PEAKS = {"H100 PCIe": 756.0, "H100 NVL": 835.0, "H100": 989.4, "H200": 989.4, "A100": 312.0, "L40S": 362.0, "L4": 121.0}

Update = Callable[[list[Batch], int], object]


@dataclass(frozen=True)
class Work:
    """What every side does."""

    prepared: Prepared
    shape: Seq2Seq
    vocabulary: int
    """The models' tokens: as many as the data's, or more."""
    training: Training
    """The product's settings of a trial."""
    device: torch.device
    threads: int
    """Processor threads of every side."""
    updates: int
    """Of a round."""
    rounds: int

    @property
    def label(self) -> str:
        """What the table says of it."""
        threads = f"{self.threads} thread(s)" if self.device.type == "cpu" else "CUDA"
        return f"{self.training.precision}, {threads}, {self.training.batch_tokens} tokens"

    def clock(self) -> float:
        """Seconds of this process: those that its one thread computed, or else of the wall."""
        alone = self.device.type == "cpu" and self.threads == 1
        return time.process_time() if alone else time.perf_counter()

    def matmul(self) -> Matmul:
        """By what the product computes here."""
        return chosen_matmul(Compute(), self.shape, self.training, device=self.device)


def our_strategy(work: Work, *, compiled: bool = False) -> Strategy:
    """The standard strategy over a fresh model."""
    experiment = Experiment(version=1, name="benchmark", model=work.shape, training=work.training)
    trial = baseline_trial(experiment, prepared=work.prepared.identity)
    model = build_model(work.shape, {"source": work.vocabulary, "target": work.vocabulary}, seed=1)
    return build_strategy(
        trial,
        model=model.to(work.device).train(),
        wrap=partial(torch.compile, dynamic=True) if compiled else lambda module: module,
        decode=work.prepared.tokenizer("target").decode,
        loss=build_task(trial.task).loss,
        total_updates=UPDATES,
        world_size=1,
    )


def our_update(work: Work, *, compiled: bool = False, matmul: Matmul | None = None) -> Update:
    """The standard strategy's update, by the library that the product chooses or another."""
    keep_freed_memory()
    use_matmul(matmul or work.matmul())
    strategy = our_strategy(work, compiled=compiled)
    return lambda batches, update: strategy.train_step(batches, UpdateContext(1, update, UPDATES))


def peer_update(work: Work, name: str, *, compiled: bool = False, equal: bool = False) -> Update:
    """A peer's update: its own model and loss; its process may have ours' settings."""
    if equal:
        take_our_settings(work.matmul())
    return plain_loop(work, *build_peer(work, name), compiled=compiled)


def plain_loop(
    work: Work, model: nn.Module, mean_loss: Callable[[nn.Module, Batch], Tensor], *, compiled: bool = False
) -> Update:
    """The plainest loop, with our optimizer's settings."""
    model.to(work.device)
    forward = torch.compile(model, dynamic=True) if compiled else model
    settings = work.training
    optimizer = build_optimizer(settings.optimizer, model)

    def update(batches: list[Batch], number: int) -> None:
        peak = settings.optimizer.learning_rate
        rate = learning_rate(settings.schedule, peak=peak, update=number, total_updates=UPDATES)
        for group in optimizer.param_groups:
            group["lr"] = rate
        for batch in batches:
            with autocast(work.device, settings.precision):
                loss = mean_loss(forward, batch)
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), settings.optimizer.clip_norm or float("inf"))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return update


def build_peer(work: Work, name: str) -> tuple[nn.Module, Callable[[nn.Module, Batch], Tensor]]:
    """A peer's model and its mean loss over a batch; a peer is imported only where it is asked for."""
    smoothing = work.training.label_smoothing
    if name == MARIAN:
        from peers import marian

        return marian.build(work.shape, work.vocabulary), partial(marian.mean_loss, label_smoothing=smoothing)
    if name == JOEY:
        from peers import joey

        return joey.build(work.shape, work.vocabulary, label_smoothing=smoothing), joey.mean_loss
    from peers import plain

    return plain.build(work.shape, work.vocabulary), partial(plain.mean_loss, label_smoothing=smoothing)


def batches_of(work: Work) -> list[list[Batch]]:
    """The updates of all rounds, the one that warms up included; each is one micro-batch."""
    loader = Loader(SentencePairs(work.prepared.split("train")), batch_tokens=work.training.batch_tokens, seed=1)
    return [loader.next_update() for _ in range((work.rounds + 1) * work.updates)]


def side(work: Work, make_update: Callable[[Work], Update]) -> Side:
    """A side that goes on to the next updates at every call, and returns target tokens per second."""
    torch.set_num_threads(work.threads)
    update, waiting = make_update(work), iter(enumerate(batches_of(work), start=1))

    def run() -> float:
        _wait_for(work.device)
        started, tokens = work.clock(), 0
        for _ in range(work.updates):
            number, batches = next(waiting)
            update([batch.to(work.device) for batch in batches], number)
            tokens += batches[0].update_targets
        _wait_for(work.device)
        return tokens / (work.clock() - started)

    return run


def targets(work: Work) -> dict[str, str]:
    """Against peers as they are."""
    if work.device.type == "cuda":
        return CUDA_TARGETS
    if work.training.batch_tokens < FULL:
        return {}
    return next((found for vendor, found in TARGETS.items() if vendor in machine(1)), {})


def compared(work: Work) -> Table:
    """Ours against every peer that is here."""
    cuda = work.device.type == "cuda"
    chosen = work.matmul()
    other: Matmul = "mkl" if chosen == "onednn" else "onednn"
    present = [name for name, modules in NEEDS.items() if not missing(*modules)]
    makers = {OURS: our_update, **{name: partial(peer_update, name=name) for name in present}}
    if cuda:
        compiling = (OURS, *(name for name in present if name != JOEY))  # its model is no graph
        makers |= {f"{name}, compiled": partial(makers[name], compiled=True) for name in compiling}
    else:
        if work.training.precision == "fp32" and offers(other):
            makers[OTHER] = partial(our_update, matmul=other)
        makers |= {f"{name}, {EQUAL}": partial(peer_update, name=name, equal=True) for name in present}
    with apart({name: partial(side, work, make) for name, make in makers.items()}) as sides:
        figures = round_robin(sides, rounds=work.rounds)
    table: Table = []
    for name, modules in NEEDS.items():
        title = f"training against {name}, {work.label}"
        if name not in figures:
            table.append(Remark(title, missing(*modules)))
            continue
        target = targets(work).get(name, "")
        table.append(compare(title, figures[OURS], figures[name], unit="tokens/s", target=target, faster=True))
        if equal := figures.get(f"{name}, {EQUAL}"):
            same, target = f"{title}, which has our settings too", EQUAL_TARGETS.get(name, "")
            table.append(compare(same, figures[OURS], equal, unit="tokens/s", target=target, faster=True))
        both = [figures.get(f"{one}, compiled") for one in (OURS, name)]
        if both[0] and both[1]:
            table.append(compare(f"{title}, both compiled", both[0], both[1], unit="tokens/s", faster=True))
    if OTHER in figures:
        title = f"training by {chosen} against {other}, {work.label}"
        table.append(compare(title, figures[OURS], figures[OTHER], unit="tokens/s", faster=True))
    if cuda:
        compiled = f"{OURS}, compiled"
        table += [utilisation(work, name, figures[name]) for name in (OURS, compiled)]
    return table


def utilisation(work: Work, name: str, tokens_per_s: list[float]) -> Row | Remark:
    """Matrix products of forward and backward pass, padding counted, against the chip's peak."""
    title, chip = f"model-flop utilisation, {name}, {work.label}", torch.cuda.get_device_name(work.device)
    peak = next((peak for part, peak in PEAKS.items() if re.search(rf"\b{part}\b", chip)), None)
    if peak is None:
        return Remark(title, f"the peak of {chip} is not known here")
    measured, update = batches_of(work)[: work.updates], our_update(work)
    with FlopCounterMode(display=False) as counter:
        for number, batches in enumerate(measured, start=1):
            update([batch.to(work.device) for batch in batches], number)
    flops_per_token = counter.get_total_flops() / sum(batches[0].update_targets for batches in measured)
    achieved = [flops_per_token * figure / 1e12 for figure in tokens_per_s]
    return compare(title, achieved, [peak] * len(achieved), unit="TFLOP/s", faster=True)


def data_of(folder: Path | None) -> Data:
    """Parallel text in a folder (`train.en.gz` and so on), or the embedded corpus, which needs no download."""
    if folder is None:
        return Data(corpus=EmbeddedCorpus(train=10_000, valid=50, test=50), tokenizer=Tokenizer(vocabulary=8000))
    names = {"train": "train", "valid": "val", "test": "val"}
    splits = {split: ParallelText(source=f"{name}.en.gz", target=f"{name}.de.gz") for split, name in names.items()}
    return Data(corpus=FilesCorpus(folder=str(folder), splits=splits), tokenizer=Tokenizer(vocabulary=8000))


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(*, full: bool, threads: int, folder: Path | None = None, tokens: int | None = None) -> Rows:
    """Quick: small updates in fp32; full: also those of the default size, fp32 and bf16, by one and two threads."""
    kinds: list[tuple[Precision, int, int]] = [("fp32", threads, tokens or SMALL)]
    if full:
        large = tokens or FULL
        kinds = [("fp32", 1, large), ("fp32", 2, large), ("bf16", 1, large), ("bf16", 2, large), *kinds[: not tokens]]
    with tempfile.TemporaryDirectory() as store:
        prepared = prepare(data_of(folder), Path(store), columns=SOURCE_AND_TARGET)
        if torch.cuda.is_available():
            training = Training(precision="bf16", batch_tokens=25_000)
            work = Work(prepared, SHAPE_BASE, 32_000, training, torch.device("cuda"), threads, 10, 10 if full else 3)
            yield from compared(work)
            return
        vocabulary = prepared.tokenizer("target").size
        for precision, count, size in kinds:
            training = Training(precision=precision, batch_tokens=size)
            yield from compared(Work(prepared, SHAPE_T, vocabulary, training, torch.device("cpu"), count, 2, 5))


def main() -> None:
    """Print the table."""
    options = parser(__doc__)
    options.add_argument("--folder", type=Path, help="train.en.gz, train.de.gz, val.en.gz, val.de.gz, as of Multi30k")
    options.add_argument("--tokens", type=int, help="of an update on a processor; 1024, in full also 4096")
    given = options.parse_args()
    rows = measure(full=given.full, threads=given.threads, folder=given.folder, tokens=given.tokens)
    print_table(rows, threads=given.threads)


if __name__ == "__main__":
    main()
