"""What one update of each strategy costs against one standard update: same model, same batches, in turn.

    python benchmarks/updates.py [--rounds 7] [--threads 1]

Each round times one update of every variant on the next batch, so that a busy moment of the machine hits all alike;
the table gives medians over rounds and the spread of the per-round ratios. The naive autoregressive graph (gradient
through every step of the rollout) stands beside for comparison.
"""

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from intelligen.config.data import Data, EmbeddedCorpus, Tokenizer
from intelligen.config.experiment import Experiment, baseline_trial
from intelligen.config.model import Seq2Seq
from intelligen.config.strategies import Generative, ProbabilitySchedule, Standard, Strategy
from intelligen.config.training import Training
from intelligen.data.batches import Batch
from intelligen.data.loader import Loader
from intelligen.data.prepared import Prepared
from intelligen.data.preparing import prepare
from intelligen.data.tokens import BOS
from intelligen.models.likelihood import token_losses
from intelligen.models.seq2seq import Seq2SeqTransformer
from intelligen.optimization import Loss, Updater
from intelligen.strategies.base import Step
from intelligen.strategies.base import Strategy as RunningStrategy
from intelligen.strategies.build import build_strategy
from intelligen.training.fit import build_model

ALWAYS = ProbabilitySchedule(start=1.0)
VARIANTS: dict[str, Strategy] = {
    "standard": Standard(),
    "generative, by position": Generative(probability=ALWAYS),
    "generative, off-policy": Generative(probability=ALWAYS, target="gold_offpolicy"),
    "generative, self-critical": Generative(probability=ALWAYS, target="self_critical"),
    "generative, risk (4 candidates)": Generative(probability=ALWAYS, target="risk", candidates=4),
}
NAIVE = "naive autoregressive graph"
# Shape T of the first source project.
SHAPE = Seq2Seq(d_model=256, d_ff=512, heads=8, encoder_layers=3, decoder_layers=3, max_positions=256)

Update = Callable[[list[Batch], Step], object]


def naive_loss(model: Seq2SeqTransformer, batch: Batch) -> Loss:
    """Free running with the gradient kept through T growing decoder passes: what the parallel pass replaces."""
    memory = model.encode(batch.source_BS)
    prefix_BT = torch.full((len(batch.source_BS), 1), BOS)
    steps: list[Tensor] = []
    for _ in range(batch.target_out_BT.size(1)):
        steps.append(model.decode(prefix_BT, memory)[:, -1])
        prefix_BT = torch.cat([prefix_BT, steps[-1].argmax(dim=-1, keepdim=True)], dim=1)
    summed = token_losses(torch.stack(steps, dim=1), batch.target_out_BT, label_smoothing=0.1).sum()
    return Loss(summed / batch.update_targets)


def strategy_of(settings: Strategy, prepared: Prepared) -> RunningStrategy:
    """The strategy over a model of shape T with the seed's weights."""
    experiment = Experiment(version=1, name="benchmark", model=SHAPE, training=Training())
    trial = baseline_trial(experiment, prepared=prepared.identity).model_copy(update={"strategy": settings})
    model = build_model(trial, prepared)
    decode = prepared.tokenizer("target").decode
    return build_strategy(trial, model=model, forward=model, decode=decode, total_updates=1000, world_size=1)


def updates(prepared: Prepared, trained: dict[str, Tensor]) -> dict[str, Update]:
    """One update of every variant, each with a model and an optimizer of its own."""
    calls: dict[str, Update] = {}
    for name, settings in VARIANTS.items():
        strategy = strategy_of(settings, prepared)
        strategy.model.load_state_dict(trained)
        calls[name] = strategy.train_step
    model = strategy_of(Standard(), prepared).model
    model.load_state_dict(trained)
    updater = Updater(model, Training(), total_updates=1000, world_size=1)
    calls[NAIVE] = lambda batches, step: updater.update(
        [partial(naive_loss, model, batch) for batch in batches], update=step.update
    )
    return calls


def warmed_weights(prepared: Prepared, loader: Loader, *, count: int) -> dict[str, Tensor]:
    """Weights after a few updates: rollouts of random weights have unnatural lengths."""
    strategy = strategy_of(Standard(), prepared)
    for update in range(1, count + 1):
        strategy.train_step(loader.next_update(), Step(1, update, 1000))
    return strategy.model.state_dict()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    data = Data(corpus=EmbeddedCorpus(train=5000, valid=50, test=50), tokenizer=Tokenizer(vocabulary=4000))
    with tempfile.TemporaryDirectory() as store:
        prepared = prepare(data, Path(store))
        loader = Loader(prepared.split("train"), batch_tokens=512, seed=1)
        calls = updates(prepared, warmed_weights(prepared, loader, count=100))
        seconds: dict[str, list[float]] = {name: [] for name in calls}
        for index in range(arguments.rounds + 1):
            batches = loader.next_update()
            for name, call in calls.items():
                start = time.perf_counter()
                call(batches, Step(1, index + 1, 1000))
                if index:  # the first round warms up
                    seconds[name].append(time.perf_counter() - start)
    report(seconds, arguments.threads)


def report(seconds: dict[str, list[float]], threads: int) -> None:
    """Medians, and the per-round ratios to the standard update."""
    print(f"{platform.processor() or platform.machine()}, {threads} thread(s), torch {torch.__version__}, shape T")
    print(f"{'update':34} {'median s':>9} {'ratio':>7} {'lowest':>7} {'highest':>8}")
    for name, values in seconds.items():
        ratios = [value / base for value, base in zip(values, seconds["standard"], strict=True)]
        print(
            f"{name:34} {statistics.median(values):9.3f} {statistics.median(ratios):7.2f}"
            f" {min(ratios):7.2f} {max(ratios):8.2f}"
        )


if __name__ == "__main__":
    main()
