"""Whether we learn as the peers do: the validation loss after equally many updates, on the same batches.

    python benchmarks/learning.py experiments/multi30k_tiny.yaml -o data.corpus.folder=FOLDER [--updates 400]

Every side starts from its own random weights, in the experiment's shape, with its optimizer, schedule, label smoothing
and batches. The loss is per target token, in nats, teacher-forced, without label smoothing.
"""

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from rounds import machine, missing
from torch import Tensor, nn
from training import MARIAN, NEEDS, OURS, PLAIN, Update, Work, build_peer, our_strategy, plain_loop

from intelligen.config.load import load_experiment
from intelligen.data.batches import Batch, SentencePairs, evaluation_batches
from intelligen.data.loader import Loader
from intelligen.data.preparation import prepare
from intelligen.data.prepared_data import Prepared
from intelligen.models.losses import token_losses
from intelligen.strategies.base import UpdateContext

MeanLoss = Callable[[nn.Module, Batch], Tensor]


def our_mean_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Over the target tokens."""
    logits_BTV = model(batch.source_BS, batch.target_in_BT)
    return token_losses(logits_BTV, batch.target_out_BT, label_smoothing=0.0).sum() / batch.num_targets


def validation_loss(model: nn.Module, mean_loss: MeanLoss, prepared: Prepared) -> float:
    """Over all of the validation set."""
    model.eval()
    with torch.inference_mode():
        batches = list(evaluation_batches(SentencePairs(prepared.split("valid")), batch_tokens=4096))
        summed = sum(float(mean_loss(model, batch)) * int(batch.num_targets) for batch in batches)
    model.train()
    return summed / sum(int(batch.num_targets) for batch in batches)


def sides(work: Work, total_updates: int) -> dict[str, tuple[nn.Module, MeanLoss, Update]]:
    """Each side's model, its loss without label smoothing, and its update."""
    strategy = our_strategy(work)

    def ours(batches: list[Batch], update: int) -> object:
        return strategy.train_step(batches, UpdateContext(1, update, total_updates))

    found: dict[str, tuple[nn.Module, MeanLoss, Update]] = {OURS: (strategy.model, our_mean_loss, ours)}
    for name in (MARIAN, PLAIN):
        if not missing(*NEEDS[name]):
            model, mean_loss = build_peer(work, name)
            found[name] = (model, partial(mean_loss, label_smoothing=0.0), plain_loop(work, model, mean_loss))
    return found


def main() -> None:
    """Print the curves."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("experiment", type=Path)
    options.add_argument("-o", "--override", action="append", default=[], metavar="KEY=VALUE")
    options.add_argument("--updates", type=int, default=400)
    options.add_argument("--every", type=int, default=100)
    options.add_argument("--threads", type=int, default=1)
    arguments = options.parse_args()
    torch.set_num_threads(arguments.threads)
    experiment = load_experiment(arguments.experiment, arguments.override)
    with tempfile.TemporaryDirectory() as store:
        prepared = prepare(experiment.data, Path(store), columns=experiment.task.columns)
        vocabulary = prepared.tokenizer("target").size
        work = Work(
            prepared, experiment.model, vocabulary, experiment.training, torch.device("cpu"), arguments.threads, 1, 1
        )
        loader = Loader(SentencePairs(prepared.split("train")), batch_tokens=work.training.batch_tokens, seed=1)
        learners = sides(work, arguments.updates)
        print(machine(arguments.threads))
        print("| updates |", *(f"{name} |" for name in learners))
        print("|" + " ---: |" * (1 + len(learners)))
        for update in range(1, arguments.updates + 1):
            batches = loader.next_update()
            for _, _, learn in learners.values():
                learn(batches, update)
            if update % arguments.every == 0:
                losses = (validation_loss(model, loss, prepared) for model, loss, _ in learners.values())
                print(f"| {update} |", *(f"{loss:.3f} |" for loss in losses), flush=True)


if __name__ == "__main__":
    main()
