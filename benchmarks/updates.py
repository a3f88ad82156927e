"""What one update of each strategy and control costs against one standard update, and where its time goes.

    python benchmarks/updates.py [--full] [--threads 1]

Each round times one update of every variant on the next batch, so that a busy moment of the machine hits all alike.
The first table gives medians over rounds and the spread of the per-round ratios, the second the shares of the time:
making the model's own inputs (rollout), scoring sentences (rewards), the discriminator with its own updates, the
gradient pass with the optimizer's step, and the rest. The naive autoregressive graph (gradient through all of the
rollout) stands beside.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rounds import Row, Table, compare, machine, markdown, parser
from torch import Tensor

from intelligen.config.schema import single_strategies as single
from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import Data, EmbeddedCorpus, Tokenizer
from intelligen.config.schema.experiment import Experiment, baseline_trial
from intelligen.config.schema.model import Seq2Seq
from intelligen.config.schema.probability_schedule import ProbabilitySchedule
from intelligen.config.schema.strategies import Strategy
from intelligen.config.schema.strategy_mixture import Intelligen, Static, Weights
from intelligen.config.schema.training import Training
from intelligen.data.batches import Batch, SentencePairs
from intelligen.data.loader import Loader
from intelligen.data.preparation import prepare
from intelligen.data.prepared_data import Prepared
from intelligen.data.special_tokens import BOS
from intelligen.models.build import build_model
from intelligen.models.interfaces import Generator
from intelligen.models.losses import token_losses
from intelligen.optimization import Loss, Updater
from intelligen.strategies import base, generative, monte_carlo_returns
from intelligen.strategies.build import build_strategy
from intelligen.strategies.discriminator import DiscriminatorTrainer
from intelligen.strategies.recurrent import RecurrentCriterion
from intelligen.training.memory_allocator import keep_freed_memory

ALWAYS = ProbabilitySchedule(start=1.0)
# Adversarial from the first update on, and at every update.
GAME: dict[str, Any] = {"discriminator": single.Discriminator(pretraining_updates=0), "mle_ratio": 0.0}
VARIANTS: dict[str, Strategy] = {
    "standard": single.Standard(),
    "standard_matched": single.StandardMatched(),
    "standard, R-Drop": single.Standard(r_drop=1.0),
    "auxiliary, decoder": single.Auxiliary(),
    "auxiliary, encoder": single.Auxiliary(head="encoder"),
    "recurrent, 1 pass": single.Recurrent(),
    "recurrent, 3 passes": single.Recurrent(passes=3),
    "recurrent, 1 soft pass": single.Recurrent(pick="softmax"),
    "generative, by position": single.Generative(probability=ALWAYS),
    "generative, off-policy": single.Generative(probability=ALWAYS, target="gold_offpolicy"),
    "generative, self-critical": single.Generative(probability=ALWAYS, target="self_critical"),
    "generative, risk (4 candidates)": single.Generative(probability=ALWAYS, target="risk", candidates=4),
    "seqgan, M = 0": single.SeqGan(**GAME),
    "seqgan, M = 2, N = 2": single.SeqGan(**GAME, cut_points=2, completions=2),
    "seqgan_constant": single.SeqGanConstant(**GAME),
    "seqgan_random, M = 0": single.SeqGanRandom(**GAME),
    # Any other mixture costs the weighted mean of its members.
    "intelligen, all on standard": Intelligen(policy=Static(weights=Weights(standard=1.0))),
}
# Shape T of the first source project.
SHAPE = Seq2Seq(d_model=256, d_ff=512, heads=8, encoder_layers=3, decoder_layers=3, max_positions=256)
PARTS = ("rollout", "rewards", "discriminator", "gradient", "rest")
CALLS: list[tuple[Any, str, str]] = [
    (generative, "generate", "rollout"),
    (monte_carlo_returns, "generate", "rollout"),
    (base.UpdateContext, "uniforms", "rollout"),
    (RecurrentCriterion, "_own_input", "rollout"),
    (generative, "sentence_rewards", "rewards"),
    (monte_carlo_returns, "sentence_rewards", "rewards"),
    (DiscriminatorTrainer, "score", "discriminator"),
    (DiscriminatorTrainer, "learn", "discriminator"),
    (Updater, "update", "gradient"),
]

TARGETS = {
    "auxiliary, decoder": "≤ 1.1",
    "auxiliary, encoder": "≤ 1.1",
    "recurrent, 1 pass": "≤ 1.6",
    "generative, by position": "≤ 2.0",
    "seqgan, M = 0": "≤ 4.0",
}
QUICK = ("standard", *TARGETS, "naive autoregressive graph")

Rounds = list[dict[str, Counter[str]]]
"""Per round, variant → part → seconds."""
Update = Callable[[list[Batch], base.UpdateContext], object]


class Stopwatch:
    """Seconds of each part; a part is idle while another one runs inside it."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inside: list[str] = []
        self._since = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what runs here for a part; whatever the discriminator does is the discriminator's."""
        self._charge()
        self._inside.append("discriminator" if "discriminator" in self._inside else name)
        yield
        self._charge()
        self._inside.pop()

    def watch(self) -> None:
        """Count the real calls for their parts from now on."""
        for owner, name, part in CALLS:
            setattr(owner, name, self.part(part)(getattr(owner, name)))

    def _charge(self) -> None:
        now = time.perf_counter()
        if self._inside:
            self.seconds[self._inside[-1]] += now - self._since
        self._since = now


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


def strategy_of(settings: Strategy, prepared: Prepared) -> base.Strategy:
    """The strategy over a model of shape T with the seed's weights."""
    experiment = Experiment(version=1, name="benchmark", model=SHAPE, training=Training())
    trial = baseline_trial(experiment, prepared=prepared.identity).model_copy(update={"strategy": settings})
    model = build_model(trial.model, prepared.vocabularies, seed=trial.seed)
    decode = prepared.tokenizer("target").decode
    build = partial(build_strategy, trial, model=model, decode=decode, total_updates=1000, world_size=1)
    return build(wrap=lambda module: module)


def updates(prepared: Prepared, trained: dict[str, Tensor]) -> dict[str, Update]:
    """One update of every variant, each with a model and an optimizer of its own."""
    calls: dict[str, Update] = {}
    for name, settings in VARIANTS.items():
        strategy = strategy_of(settings, prepared)
        strategy.model.load_state_dict(trained)
        calls[name] = strategy.train_step
    model = strategy_of(single.Standard(), prepared).model
    model.load_state_dict(trained)
    updater = Updater(model, Training(), total_updates=1000, world_size=1)
    calls["naive autoregressive graph"] = lambda batches, step: updater.update(
        [partial(naive_loss, model, batch) for batch in batches], update=step.update
    )
    return calls


def warmed_weights(prepared: Prepared, loader: Loader, *, count: int) -> dict[str, Tensor]:
    """Weights after a few updates: rollouts of random weights have unnatural lengths."""
    strategy = strategy_of(VARIANTS["standard"], prepared)
    for update in range(1, count + 1):
        strategy.train_step(loader.next_update(), base.UpdateContext(1, update, 1000))
    return strategy.model.state_dict()


def run(*, full: bool, threads: int) -> Rounds:
    """The variants in turn, over the same batches; freed memory is kept, as `fit` has it."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    data = Data(corpus=EmbeddedCorpus(train=5000, valid=50, test=50), tokenizer=Tokenizer(vocabulary=4000))
    with tempfile.TemporaryDirectory() as store:
        prepared = prepare(data, Path(store), columns=SOURCE_AND_TARGET)
        loader = Loader(SentencePairs(prepared.split("train")), batch_tokens=512, seed=1)
        calls = updates(prepared, warmed_weights(prepared, loader, count=50))
        stopwatch = Stopwatch()
        stopwatch.watch()
        rounds: Rounds = [{} for _ in range(10 if full else 6)]
        for update, seconds in enumerate(rounds, start=1):
            batches = loader.next_update()
            for name in calls if full else QUICK:
                stopwatch.seconds = seconds[name] = Counter()
                with stopwatch.part("rest"):
                    calls[name](batches, base.UpdateContext(1, update, 1000))
    return rounds[1:]  # the first round warms up


def ratios(rounds: Rounds) -> list[Row]:
    """Every variant against the standard update of the same round."""

    def seconds(name: str) -> list[float]:
        return [one[name].total() for one in rounds]

    return [
        compare(
            f"update: {name}, over standard",
            seconds(name),
            seconds("standard"),
            unit="s",
            target=TARGETS.get(name, ""),
            faster=False,
        )
        for name in rounds[0]
        if name != "standard"
    ]


def measure(*, full: bool, threads: int) -> Table:
    """The ratios; quick = the variants that have a target."""
    return [*ratios(run(full=full, threads=threads))]


def main() -> None:
    """Print the ratios, and where the time goes."""
    arguments = parser(__doc__).parse_args()
    rounds = run(full=arguments.full, threads=arguments.threads)
    print(machine(arguments.threads))
    print(markdown([*ratios(rounds)]))
    print("\n| update |", *(f"{part} % |" for part in PARTS))
    print("| --- |", "---: |" * len(PARTS))
    for name in rounds[0]:
        total = sum(one[name].total() for one in rounds)
        print(f"| {name} |", *(f"{100 * sum(one[name][part] for one in rounds) / total:.1f} |" for part in PARTS))


if __name__ == "__main__":
    main()
