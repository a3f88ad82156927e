"""What every strategy must do; a new one joins by a line in STRATEGIES."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from comparisons import padded, reversed_rows, run_two_ranks
from conftest import tiny_trial

from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.probability_schedule import ProbabilitySchedule
from intelligen.config.schema.single_strategies import (
    Auxiliary,
    Discriminator,
    Generative,
    Recurrent,
    SeqGan,
    SeqGanConstant,
    SeqGanRandom,
    Standard,
    StandardMatched,
)
from intelligen.config.schema.strategies import STRATEGY_NAMES, Strategy
from intelligen.config.schema.strategy_mixture import Bandit, Curriculum, DrawnSeqGan, Gap, Intelligen, Static, Weights
from intelligen.data.batches import SentencePairs
from intelligen.data.loader import Loader
from intelligen.data.prepared_data import open_prepared
from intelligen.models.build import build_model
from intelligen.strategies.base import Strategy as RunningStrategy
from intelligen.strategies.base import UpdateContext
from intelligen.strategies.build import build_strategy
from intelligen.tasks import build_task

ALWAYS = ProbabilitySchedule(start=1.0)
HALF = ProbabilitySchedule(start=0.5)
SMALL = Discriminator(head_width=8, d_ff=32, heads=2, layers=1, dropout=0.0, pretraining_updates=0)
PLAYING = {"discriminator": SMALL, "mle_ratio": 0.0}
STRATEGIES: dict[str, Strategy] = {
    "standard": Standard(),
    "standard, R-Drop": Standard(r_drop=1.0),
    "standard, compute-matched": StandardMatched(),
    "auxiliary, decoder": Auxiliary(weight=0.5),
    "auxiliary, decoder, three tokens, convex": Auxiliary(weight=0.5, combine="convex", tokens=3),
    "auxiliary, encoder": Auxiliary(weight=0.5, head="encoder"),
    "recurrent, argmax": Recurrent(),
    "recurrent, twice, half gold": Recurrent(passes=2, gold_probability=HALF),
    "recurrent, sample": Recurrent(pick="sample", gold_probability=HALF),
    "recurrent, top-k": Recurrent(pick="top_k"),
    "recurrent, softmax": Recurrent(pick="softmax", gold_probability=HALF),
    "recurrent, Gumbel": Recurrent(pick="gumbel"),
    "recurrent, soft top-k": Recurrent(pick="soft_top_k"),
    "generative, one in two": Generative(probability=HALF),
    "generative, by position": Generative(probability=ALWAYS),
    "generative, by position, sampled": Generative(probability=ALWAYS, temperature=1.0),
    "generative, risk": Generative(probability=ALWAYS, target="risk", candidates=2),
    "generative, self-critical": Generative(probability=ALWAYS, target="self_critical"),
    "generative, off-policy": Generative(probability=ALWAYS, target="gold_offpolicy"),
    "seqgan": SeqGan(**PLAYING),
    "seqgan, cut points": SeqGan(**PLAYING, cut_points=2, completions=2, baseline="greedy"),
    "seqgan, leave one out, KL": SeqGan(**PLAYING, samples=2, baseline="leave_one_out", kl_weight=0.1),
    "seqgan, half, not whitened": SeqGan(**PLAYING, baseline="half", whiten=False, clip=None),
    "seqgan, slow": SeqGan(
        discriminator=SMALL.model_copy(update={"replay": 3, "every": 2, "steps": 2}), mle_ratio=0.0, ramp_updates=5
    ),
    "seqgan, pre-training": SeqGan(discriminator=SMALL.model_copy(update={"pretraining_updates": 5}), mle_ratio=0.3),
    "seqgan, constant reward": SeqGanConstant(**PLAYING),
    "seqgan, random discriminator": SeqGanRandom(**PLAYING),
    "intelligen, static": Intelligen(
        policy=Static(
            weights=Weights(standard=0.2, auxiliary=0.2, recurrent=0.2, generative=0.2, seqgan=0.2),
        ),
        seqgan=DrawnSeqGan(discriminator=SMALL),
    ),
    "intelligen, curriculum": Intelligen(policy=Curriculum()),
    "intelligen, gap": Intelligen(policy=Gap()),
    "intelligen, bandit": Intelligen(policy=Bandit()),
}
ONE_OF_EACH = (
    "standard, R-Drop",
    "auxiliary, decoder",
    "recurrent, argmax",
    "generative, one in two",
    "seqgan",
    "intelligen, static",
)
"""What CI tries with every task and model; the others are like them."""
every_strategy = pytest.mark.parametrize("settings", STRATEGIES.values(), ids=STRATEGIES.keys())


@pytest.fixture
def build(tiny_store: tuple[Path, str]) -> Callable[..., tuple[RunningStrategy, Loader]]:
    def _build(settings: Strategy, *, dropout: bool = True, micro: int | None = None) -> tuple[RunningStrategy, Loader]:
        store, identity = tiny_store
        trial = tiny_trial(identity, strategy=settings)
        return build_parts(trial if dropout else without_dropout(trial), store, micro=micro)

    return _build


def build_parts(trial: Trial, store: Path, *, micro: int | None = None) -> tuple[RunningStrategy, Loader]:
    prepared = open_prepared(store / "prepared" / trial.prepared)
    model = build_model(trial.model, prepared.vocabularies, seed=trial.seed)
    strategy = build_strategy(
        trial,
        model=model,
        wrap=lambda module: module,
        decode=prepared.tokenizer("target").decode,
        loss=build_task(trial.task).loss,
        total_updates=40,
        world_size=1,
    )
    return strategy, Loader(SentencePairs(prepared.split("train")), batch_tokens=300, micro_batch_tokens=micro, seed=3)


def train(strategy: RunningStrategy, loader: Loader, *, first: int, last: int) -> list[dict[str, float]]:
    return [
        strategy.train_step(loader.next_update(), UpdateContext(seed=1, update=update, total_updates=40)).means()
        for update in range(first, last + 1)
    ]


def weights(strategy: RunningStrategy) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in strategy.model.state_dict().items()}


@every_strategy
def test_the_reference_loss_falls(settings, build):
    strategy, loader = build(settings)
    seen = [metrics["train/loss"] for metrics in train(strategy, loader, first=1, last=40)]
    assert sum(seen[-5:]) < 0.8 * sum(seen[:5])


@every_strategy
def test_weights_that_are_no_numbers_any_more_are_found_by_the_check_and_crash_nothing_before(settings, build):
    strategy, loader = build(settings)
    assert strategy.divergence() is None
    with torch.no_grad():
        for weight in strategy.model.parameters():
            weight.fill_(torch.nan)
    train(strategy, loader, first=1, last=2)
    assert strategy.divergence() == "gradient norm not finite"


@every_strategy
def test_the_same_seed_makes_the_same_weights(settings, build):
    ends = []
    for _ in range(2):
        strategy, loader = build(settings)
        train(strategy, loader, first=1, last=3)
        ends.append(weights(strategy))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@every_strategy
def test_a_resumed_run_continues_bit_for_bit(settings, build):
    strategy, loader = build(settings)
    train(strategy, loader, first=1, last=3)
    model, state, position = weights(strategy), strategy.state_dict(), loader.state_dict()
    state = torch.load(_round_trip(state), weights_only=True)
    train(strategy, loader, first=4, last=6)

    resumed, again = build(settings)
    resumed.model.load_state_dict(model)
    resumed.load_state_dict(state)
    again.load_state_dict(position)
    train(resumed, again, first=4, last=6)
    assert all(torch.equal(a, b) for a, b in zip(weights(strategy).values(), weights(resumed).values(), strict=True))


@every_strategy
def test_padding_order_and_micro_batches_do_not_change_the_update(settings, build):
    """Without dropout, whose draws depend on the shape of the batch; sampled tokens are drawn row by row."""
    ends = []
    for variant in ("plain", "padded", "reversed", "micro-batches"):
        strategy, loader = build(settings, dropout=False, micro=60 if variant == "micro-batches" else None)
        batches = loader.next_update()
        assert (len(batches) > 1) == (variant == "micro-batches")
        if variant == "padded":
            batches = [padded(batch) for batch in batches]
        if variant == "reversed":
            batches = [reversed_rows(batch) for batch in batches]
        strategy.train_step(batches, UpdateContext(seed=1, update=1, total_updates=40))
        ends.append(gradient_direction(strategy))
    for other in ends[1:]:
        torch.testing.assert_close(other, ends[0], rtol=1e-4, atol=1e-5)


def gradient_direction(strategy: RunningStrategy) -> torch.Tensor:
    """Adam's first moment after one update: the clipped gradient itself, where weights show only its sign."""
    return moment(strategy.state_dict()["updater"]["optimizer"]["state"])


def moment(state: dict) -> torch.Tensor:
    return torch.cat([state[index]["exp_avg"].flatten() for index in sorted(state)])


@pytest.fixture(scope="module")
def two_ranks(tiny_store: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two gloo processes make two updates with every strategy; what they came to lies in this directory."""
    store, identity = tiny_store
    directory = tmp_path_factory.mktemp("two_ranks")
    run_two_ranks([plain_trial(identity, settings) for settings in STRATEGIES.values()], store, directory)
    return directory


@pytest.mark.parametrize("name", STRATEGIES)
def test_ranks_together_make_the_update_of_one(name, two_ranks, tiny_store):
    index = list(STRATEGIES).index(name)
    for update in (1, 2):
        first, second = (torch.load(two_ranks / f"{index}-{update}-{rank}.pt", weights_only=True) for rank in (0, 1))
        torch.testing.assert_close(moment(first), moment(second), rtol=0, atol=0)
    store, identity = tiny_store
    alone, loader = build_parts(plain_trial(identity, STRATEGIES[name]), store)
    train(alone, loader, first=1, last=1)
    first = torch.load(two_ranks / f"{index}-1-0.pt", weights_only=True)
    torch.testing.assert_close(moment(first), gradient_direction(alone), rtol=1e-4, atol=1e-5)


def test_the_two_ranks_rolled_out_for_different_lengths(two_ranks):
    """In the second update; so no strategy waits for the other rank inside a rollout."""
    first, second = (int((two_ranks / f"rollout-2-{rank}").read_text()) for rank in (0, 1))
    assert first != second


def plain_trial(identity: str, settings: Strategy) -> Trial:
    """Without dropout, and with gradients of any norm: clipped ones would agree although the ranks' sums do not."""
    trial = without_dropout(tiny_trial(identity, strategy=settings))
    optimizer = trial.training.optimizer.model_copy(update={"clip_norm": None})
    return trial.model_copy(update={"training": trial.training.model_copy(update={"optimizer": optimizer})})


def without_dropout(trial: Trial) -> Trial:
    return trial.model_copy(update={"model": trial.model.model_copy(update={"dropout": 0.0})})


def _round_trip(state: dict) -> io.BytesIO:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return buffer


def test_the_conformance_suite_covers_every_strategy():
    assert {settings.name for settings in STRATEGIES.values()} == set(STRATEGY_NAMES)
