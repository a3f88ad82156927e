"""What one update of each strategy and control costs against one standard update, and where its time goes.

    python benchmarks/updates.py [--full] [--threads 1] [--rounds N] [--only VARIANT] [--t5]

Each round times one update of every variant on the next batch, so that a busy moment of the machine hits all alike.
Times are the process' processor time: what other programs take from it does not count. The first table gives medians
over rounds and the spread of the per-round ratios, the second the shares of the time: making the model's own inputs
(rollout), scoring sentences (rewards), the discriminator with its own updates, the gradient pass with the optimizer's
step, and the rest. The naive autoregressive graph (gradient through all of the rollout) stands beside.

With --t5 a T5 of the same shape and vocabulary, on the same tokens, is measured in the same rounds: its updates over
its own standard update, that one over ours, and by LoRA and by activation checkpointing over training all weights.
Memory comes last: what each of these takes at most for updates of 4,096 tokens, in a process of its own.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import torch
from rounds import Row, Table, compare, machine, markdown, parser, resident_mib
from stopwatch import PARTS, Stopwatch
from torch import Tensor
from update_sides import OURS, SAVERS, SHAPE, T5, TRAININGS, VARIANTS, Side, data_and_models, strategy_of

from intelligen.config.schema.compute import Compute
from intelligen.config.schema.model import Model
from intelligen.config.schema.training import Schedule, Training
from intelligen.data.batches import Batch, SentencePairs
from intelligen.data.loader import Loader
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.data.special_tokens import BOS
from intelligen.models.interfaces import Generator
from intelligen.models.losses import token_losses
from intelligen.models.matmul import use_matmul
from intelligen.optimization import Loss, Updater
from intelligen.strategies import base
from intelligen.training.matmul_choice import chosen_matmul
from intelligen.training.memory_allocator import keep_freed_memory

TARGETS = {
    "auxiliary, decoder": "≤ 1.1",
    "auxiliary, encoder": "≤ 1.1",
    "recurrent, 1 pass": "≤ 1.65",
    "recurrent, picks of the anchor": "≤ 1.65",
    "generative, by position": "≤ 1.95",
    "seqgan, M = 0": "≤ 4.0",
}
NAIVE = "naive autoregressive graph"
QUICK, EVERY = ("standard", *TARGETS, NAIVE), (*VARIANTS, NAIVE)

Rounds = list[dict[Side, Counter[str]]]
"""Per round, side → part → seconds."""
Update = Callable[[list[Batch], base.UpdateContext], object]


def naive_loss(model: Generator, batch: Batch) -> Loss:
    """Free running with the gradient kept through T growing decoder passes: what the parallel pass replaces."""
    memory = model.encode(batch.source_BS)
    prefix_BT = torch.full((len(batch.source_BS), 1), BOS)
    steps: list[Tensor] = []
    for _ in range(batch.target_out_BT.size(1)):
        steps.append(model.decode(prefix_BT, memory)[:, -1])
        prefix_BT = torch.cat([prefix_BT, steps[-1].argmax(dim=-1, keepdim=True)], dim=1)
    summed = token_losses(torch.stack(steps, dim=1), batch.target_out_BT, label_smoothing=0.1).sum()
    return Loss(summed / batch.update_targets)


def naive_update(model: Generator) -> Update:
    """One update by the naive graph."""
    updater = Updater(model, Training(), total_updates=1000, world_size=1)
    return lambda batches, step: updater.update(
        [partial(naive_loss, model, batch) for batch in batches], update=step.update
    )


def updates(
    names: Sequence[str], settings: Model, prepared: Prepared, trained: dict[str, Tensor]
) -> Iterator[tuple[str, Update]]:
    """One update of each variant, each with a model and an optimizer of its own."""
    for name in names:
        variant, training = VARIANTS.get(name, VARIANTS["standard"]), TRAININGS.get(name)
        strategy = strategy_of(variant, settings, prepared, training=training)
        strategy.model.load_state_dict(trained)
        yield name, naive_update(strategy.model) if name == NAIVE else strategy.train_step


def warmed_weights(settings: Model, prepared: Prepared, loader: Loader, *, count: int) -> dict[str, Tensor]:
    """Weights after a few updates: rollouts of random weights have unnatural lengths."""
    soon = Training(schedule=Schedule(warmup_updates=20))
    strategy = strategy_of(VARIANTS["standard"], settings, prepared, training=soon)
    for update in range(1, count + 1):
        strategy.train_step(loader.next_update(), base.UpdateContext(1, update, 1000))
    return strategy.model.state_dict()


def run(prepared: Prepared, models: dict[str, Model], *, names: Sequence[str], rounds: int, threads: int) -> Rounds:
    """The variants in turn, over the same batches; memory is kept and products are computed as `fit` has them."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    use_matmul(chosen_matmul(Compute(), SHAPE, Training(), device=torch.device("cpu")))
    loader = Loader(SentencePairs(prepared.split("train")), batch_tokens=512, seed=1)
    calls: dict[Side, Update] = {}
    for model, settings in models.items():
        if model in SAVERS:
            calls[Side(model, "standard")] = strategy_of(VARIANTS["standard"], settings, prepared).train_step
            continue
        trained = warmed_weights(settings, prepared, loader, count=120)
        calls |= {Side(model, name): call for name, call in updates(names, settings, prepared, trained)}
    stopwatch = Stopwatch()
    stopwatch.watch()
    found: Rounds = [{} for _ in range(rounds + 1)]
    for update, seconds in enumerate(found, start=1):
        batches = loader.next_update()
        for side, call in calls.items():
            stopwatch.seconds = seconds[side] = Counter()
            with stopwatch.part("rest"):
                call(batches, base.UpdateContext(1, update, 1000))
    return found[1:]  # the first round warms up


def ratios(rounds: Rounds) -> dict[Side, Row]:
    """Every update against the one of the same round that it is compared with."""

    def seconds(side: Side) -> list[float]:
        return [one[side].total() for one in rounds]

    return {
        side: compare(
            f"update, {side.model}: {side.variant}, over {'' if other.model == side.model else f'{other.model}, '}"
            f"{other.variant}",
            seconds(side),
            seconds(other),
            unit="s",
            target=TARGETS.get(side.variant, "") if side.model == OURS else "",
            faster=False,
        )
        for side in rounds[0]
        if (other := side.compared_with)
    }


def peak_mib(settings: Model, directory: Path, threads: int) -> float:
    """Most memory that this process takes beyond its model for three standard updates of 4,096 tokens."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    use_matmul(chosen_matmul(Compute(), SHAPE, Training(), device=torch.device("cpu")))
    prepared = open_prepared(directory)
    strategy = strategy_of(VARIANTS["standard"], settings, prepared)
    loader = Loader(SentencePairs(prepared.split("train")), batch_tokens=4096, seed=1)
    before = resident_mib("VmRSS")
    for update in (1, 2, 3):
        strategy.train_step(loader.next_update(), base.UpdateContext(1, update, 1000))
    return resident_mib("VmHWM") - before


def memory(prepared: Prepared, models: dict[str, Model], *, threads: int) -> Table:
    """Memory for the standard updates of each model but ours over that of the one that it is compared with."""
    peaks: dict[str, float] = {}
    for name, settings in models.items():
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            peaks[name] = process.submit(peak_mib, settings, prepared.directory, threads).result()
    return [
        compare(
            f"memory for updates: {name}, over {other.model}", [peak], [peaks[other.model]], unit="MiB", faster=False
        )
        for name, peak in peaks.items()
        if (other := Side(name, "standard").compared_with)
    ]


def measure(*, full: bool, threads: int) -> Table:
    """The ratios of our model; quick = the variants that have a target."""
    with tempfile.TemporaryDirectory() as store:
        names = EVERY if full else QUICK
        data = data_and_models(Path(store), t5=False)
        return [*ratios(run(*data, names=names, rounds=9 if full else 5, threads=threads)).values()]


def print_beside(rows: dict[Side, Row]) -> None:
    """Ours and T5's, each over its own standard update, a line for each variant."""
    print(f"\n| update | {OURS} | {T5} |\n| --- | ---: | ---: |")
    for name in [side.variant for side in rows if side.model == OURS]:
        both = (rows[Side(model, name)] for model in (OURS, T5))
        print(f"| {name} |", *(f"{row.ratio:.2f} ({row.low:.2f}–{row.high:.2f}) |" for row in both))


def print_shares(rounds: Rounds) -> None:
    """Where the time goes."""
    print("\n| update |", *(f"{part} % |" for part in PARTS))
    print("| --- |", "---: |" * len(PARTS))
    for side in rounds[0]:
        total = sum(one[side].total() for one in rounds)
        shares = (100 * sum(one[side][part] for one in rounds) / total for part in PARTS)
        print(f"| {side.model}: {side.variant} |", *(f"{share:.1f} |" for share in shares))


def main() -> None:
    """Print the ratios, and where the time goes."""
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, help="that are measured; else 9, or 5 without --full")
    options.add_argument("--only", action="append", choices=EVERY[1:], help="beside standard; may be given again")
    options.add_argument("--t5", action="store_true", help="a T5 of the same shape, too; needs intelligen[hf]")
    given = options.parse_args()
    names = ("standard", *given.only) if given.only else EVERY if given.full else QUICK
    count = given.rounds or (9 if given.full else 5)
    packages = f", transformers {version('transformers')}" if given.t5 else ""
    print(f"{machine(given.threads)}{packages}; {count} rounds")
    with tempfile.TemporaryDirectory() as store:
        prepared, models = data_and_models(Path(store), t5=given.t5)
        rounds = run(prepared, models, names=names, rounds=count, threads=given.threads)
        rows = ratios(rounds)
        print(markdown([*rows.values()]))
        if given.t5:
            print_beside(rows)
        print_shares(rounds)
        if given.t5:
            print(markdown(memory(prepared, models, threads=given.threads)))


if __name__ == "__main__":
    main()
