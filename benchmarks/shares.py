"""Where the time of an update and of a search goes, by kind of operation: the profile behind a ratio that was missed.

    python benchmarks/shares.py [--threads 1] [--batch-tokens 4096] [--precision fp32]

Shares are of the wall time between the first and the last operation, as torch's own profiler sees it. What no operation
accounts for is the interpreter and the dispatch of operations; profiling makes that part larger than it is without.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from decoding import SEARCHES, STORE, Ours
from rounds import machine, missing, parser
from small_model import trained_model
from torch.profiler import ProfilerActivity, profile
from training import MARIAN, NEEDS, OURS, SHAPE_T, Work, batches_of, data_of, our_update, peer_update

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.training import Training
from intelligen.data.preparation import prepare

UPDATES = 4
# The first kind with one of its words in the operation's name.
KINDS = {
    "attention": ("scaled_dot_product", "flash_attention"),
    "matrix products": ("::mm", "addmm", "bmm", "::linear", "mkldnn"),
    "dropout's draws": ("bernoulli", "dropout"),
    "softmax, loss": ("softmax", "logsumexp", "nll_loss", "cross_entropy"),
    "normalisation": ("layer_norm",),
    "optimizer": ("adam", "foreach", "norm"),
    "look-ups": ("embedding", "index", "gather", "scatter", "topk", "argmax", "max"),
    "copies, sums, products": ("copy", "::add", "::mul", "::sum", "relu", "threshold", "zero", "fill", "::div", "cat"),
}
REST, INTERPRETER = "other operations", "interpreter, dispatch"


def shares(work: Callable[[], object]) -> Counter[str]:
    """Kind of operation → percent of the time that the work takes."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        started = time.perf_counter()
        work()
        total_us = 1e6 * (time.perf_counter() - started)
    seconds: Counter[str] = Counter()
    for event in profiler.key_averages():
        kind = next((kind for kind, words in KINDS.items() if any(word in event.key for word in words)), REST)
        seconds[kind] += 100 * event.self_cpu_time_total / total_us
    seconds[INTERPRETER] = 100 - seconds.total()
    return seconds


def training_shares(arguments: argparse.Namespace) -> dict[str, Counter[str]]:
    """Of some updates, after one that warms up: ours, and MarianMT's where it is installed."""
    training = Training(precision=arguments.precision, batch_tokens=arguments.batch_tokens)
    found = {}
    with tempfile.TemporaryDirectory() as store:
        prepared = prepare(data_of(None), Path(store), columns=SOURCE_AND_TARGET)
        vocabulary, device = prepared.tokenizer("target").size, torch.device("cpu")
        work = Work(prepared, SHAPE_T, vocabulary, training, device, arguments.threads, UPDATES, rounds=1)
        first, *rest = batches_of(work)[: UPDATES + 1]
        makers = {OURS: our_update} | ({} if missing(*NEEDS[MARIAN]) else {MARIAN: partial(peer_update, name=MARIAN)})
        for name, make in makers.items():
            update = make(work)
            update(first, 1)

            def updates(update: Callable[..., object] = update) -> None:
                for number, batches in enumerate(rest, start=2):
                    update(batches, number)

            found[f"update, {name}"] = shares(updates)
    return found


def main() -> None:
    """Print the shares."""
    options = parser(__doc__)
    options.add_argument("--batch-tokens", type=int, default=4096)
    options.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    arguments = options.parse_args()
    ours = Ours.of(trained_model(STORE), every=8)
    torch.set_num_threads(arguments.threads)
    columns = training_shares(arguments)
    for name in ("greedy", "beam 4"):
        ours.decode(SEARCHES[name])
        columns[f"decoding, {name}"] = shares(partial(ours.decode, SEARCHES[name]))
    print(machine(arguments.threads), "\n\n| % of the time |", *(f"{name} |" for name in columns))
    print("| --- |", "---: |" * len(columns))
    for kind in (*KINDS, REST, INTERPRETER):
        print(f"| {kind} |", *(f"{column[kind]:.0f} |" for column in columns.values()))


if __name__ == "__main__":
    main()
