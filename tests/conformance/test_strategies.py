"""What every strategy must do; a new one joins by a line in STRATEGIES."""

import io
from collections.abc import Callable
from functools import cache, partial
from itertools import product
from pathlib import Path

import pytest
import torch
from comparisons import padded, reversed_rows, run_two_ranks
from subjects import OWN, PRETRAINED, Subject, own_subject, pretrained_subject

from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.generative_strategies import (
    Generative,
    GenerativeOffpolicy,
    GenerativePosition,
    GenerativeRisk,
    GenerativeSelfCritical,
)
from intelligen.config.schema.parts_fit import unmet
from intelligen.config.schema.probability_schedule import ProbabilitySchedule
from intelligen.config.schema.single_strategies import (
    Auxiliary,
    Discriminator,
    RDrop,
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
from intelligen.errors import ConfigError
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
    "R-Drop": RDrop(weight=1.0),
    "standard, compute-matched": StandardMatched(),
    "auxiliary, decoder": Auxiliary(weight=0.5),
    "auxiliary, decoder, three tokens, convex": Auxiliary(weight=0.5, combine="convex", tokens=3),
    "auxiliary, encoder": Auxiliary(weight=0.5, head="encoder"),
    "recurrent, argmax": Recurrent(),
    "recurrent, twice, half gold": Recurrent(passes=2, gold_probability=HALF),
    "recurrent, sample": Recurrent(pick="sample", gold_probability=HALF),
    "recurrent, top-k": Recurrent(pick="top_k"),
    "recurrent, picks of the anchor, twice": Recurrent(picks="anchor", passes=2, gold_probability=HALF),
    "recurrent, softmax": Recurrent(pick="softmax", gold_probability=HALF),
    "recurrent, Gumbel": Recurrent(pick="gumbel"),
    "recurrent, soft top-k": Recurrent(pick="soft_top_k"),
    "generative, one in two": Generative(probability=HALF),
    "generative, by position": GenerativePosition(probability=ALWAYS),
    "generative, by position, sampled": GenerativePosition(probability=ALWAYS, temperature=1.0),
    "generative, risk": GenerativeRisk(probability=ALWAYS, candidates=2),
    "generative, self-critical": GenerativeSelfCritical(probability=ALWAYS),
    "generative, off-policy": GenerativeOffpolicy(probability=ALWAYS),
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
    "R-Drop",
    "auxiliary, decoder",
    "recurrent, argmax",
    "generative, one in two",
    "seqgan",
    "intelligen, static",
)
"""What CI tries with every task and model; the others are like them."""
PRETRAINED_IN_CI = (("t5", "recurrent, sample"), ("gpt2, LoRA", "generative, by position"))
"""By one process; whatever else is tried with pre-trained models is `extended`."""
REFUSED = {(subject, "auxiliary, encoder") for subject in PRETRAINED if subject.startswith("gpt2")}
"""What a model does not offer."""
COMBINATIONS = [one for one in product((OWN, *PRETRAINED), STRATEGIES) if one not in REFUSED]


def of_every_strategy(*in_ci: tuple[str, str]) -> pytest.MarkDecorator:
    """Each strategy with our own model, and with the pre-trained ones, of which CI tries some."""
    parameters = [
        pytest.param(
            subject,
            name,
            id=name if subject == OWN else f"{subject}: {name}",
            marks=() if subject == OWN or (subject, name) in in_ci else pytest.mark.extended,
        )
        for subject, name in COMBINATIONS
    ]
    return pytest.mark.parametrize(("subject", "name"), parameters, indirect=["subject"])


every_strategy = of_every_strategy(*PRETRAINED_IN_CI)


@pytest.fixture(scope="module")
def subjects(tiny_store: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Subject]:
    """Each is made once."""
    own = own_subject(*tiny_store)
    return cache(lambda name: own if name == OWN else pretrained_subject(name, tmp_path_factory.mktemp("pretrained")))


@pytest.fixture
def subject(request: pytest.FixtureRequest, subjects: Callable[[str], Subject]) -> Subject:
    return subjects(request.param)


@pytest.fixture
def build(subject: Subject) -> Callable[..., tuple[RunningStrategy, Loader]]:
    def _build(name: str, *, dropout: bool = True, micro: int | None = None) -> tuple[RunningStrategy, Loader]:
        return build_parts(subject.trial(STRATEGIES[name], dropout=dropout), subject.store, micro=micro)

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
def test_the_reference_loss_falls(name, subject, build):
    strategy, loader = build(name)
    seen = [metrics["train/loss"] for metrics in train(strategy, loader, first=1, last=subject.updates)]
    ends = min(5, subject.updates // 3)
    assert sum(seen[-ends:]) < subject.falls_to * sum(seen[:ends])


@every_strategy
def test_weights_that_are_no_numbers_any_more_are_found_by_the_check_and_crash_nothing_before(name, build):
    strategy, loader = build(name)
    assert strategy.divergence() is None
    with torch.no_grad():
        for weight in strategy.model.parameters():
            weight.fill_(torch.nan)
    train(strategy, loader, first=1, last=2)
    assert strategy.divergence() == "gradient norm not finite"


@every_strategy
def test_the_same_seed_makes_the_same_weights_whether_the_longest_update_was_tried_before_or_not(name, build):
    ends = []
    for tried in (False, True):
        strategy, loader = build(name)
        if tried:
            strategy.rehearse(loader.longest_update(), UpdateContext(seed=1, update=1, total_updates=40))
        train(strategy, loader, first=1, last=3)
        ends.append(weights(strategy))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@every_strategy
def test_a_resumed_run_continues_bit_for_bit(name, build):
    strategy, loader = build(name)
    train(strategy, loader, first=1, last=3)
    model, state, position = weights(strategy), strategy.state_dict(), loader.state_dict()
    state = torch.load(_round_trip(state), weights_only=True)
    train(strategy, loader, first=4, last=6)

    resumed, again = build(name)
    resumed.model.load_state_dict(model)
    resumed.load_state_dict(state)
    again.load_state_dict(position)
    train(resumed, again, first=4, last=6)
    assert all(torch.equal(a, b) for a, b in zip(weights(strategy).values(), weights(resumed).values(), strict=True))


@every_strategy
def test_padding_order_and_micro_batches_do_not_change_the_update(name, build):
    """Without dropout, whose draws depend on the shape of the batch; sampled tokens are drawn row by row."""
    plain, *others = updates_of_the_same_rows(partial(build, name, dropout=False), micro=60)
    for other in others:
        torch.testing.assert_close(other, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("subject", [OWN], indirect=True)
@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=() if one in ONE_OF_EACH[:-1] else pytest.mark.extended) for one in STRATEGIES]
)
def test_nor_do_they_with_dropout_by_row(name, subject):
    """Of every kind, in the discriminator too; micro-batches are single rows."""
    trial = subject.trial(with_dropout(STRATEGIES[name]))
    shares = dict.fromkeys(("attention_dropout", "activation_dropout", "output_dropout"), 0.1)
    model, training = trial.model.model_copy(update=shares), trial.training
    ends = {}
    for by_row in (True, False):
        changed = {"model": model, "training": training.model_copy(update={"dropout_by_row": by_row})}
        build = partial(build_parts, unclipped(trial.model_copy(update=changed)), subject.store)
        plain, *others = updates_of_the_same_rows(build, micro=1)
        ends[by_row] = [float((other - plain).norm() / plain.norm()) for other in others]
    assert max(ends[True]) < 1e-5
    assert min(ends[False]) > 1e-2


def with_dropout(strategy: Strategy) -> Strategy:
    """In whatever discriminator it has."""
    match strategy:
        case SeqGan() | SeqGanRandom():
            dropping = strategy.discriminator.model_copy(update={"dropout": 0.1})
            return strategy.model_copy(update={"discriminator": dropping})
        case Intelligen(seqgan=DrawnSeqGan() as drawn):
            return strategy.model_copy(update={"seqgan": with_dropout(drawn)})
    return strategy


def updates_of_the_same_rows(build: Callable[..., tuple[RunningStrategy, Loader]], *, micro: int) -> list[torch.Tensor]:
    """Directions of the gradients of one update, its rows as they come, and in three other forms."""
    ends = []
    for variant in ("plain", "padded", "reversed", "micro-batches"):
        strategy, loader = build(micro=micro if variant == "micro-batches" else None)
        batches = loader.next_update()
        assert (len(batches) > 1) == (variant == "micro-batches")
        if variant == "padded":
            batches = [padded(batch) for batch in batches]
        if variant == "reversed":
            batches = [reversed_rows(batch) for batch in batches]
        strategy.train_step(batches, UpdateContext(seed=1, update=1, total_updates=40))
        ends.append(gradient_direction(strategy))
    return ends


def gradient_direction(strategy: RunningStrategy) -> torch.Tensor:
    """Adam's first moment after one update: the clipped gradient itself, where weights show only its sign."""
    return moment(strategy.state_dict()["updater"]["optimizer"]["state"])


def moment(state: dict) -> torch.Tensor:
    return torch.cat([state[index]["exp_avg"].flatten() for index in sorted(state)])


@pytest.fixture(scope="module")
def two_ranks(subjects: Callable[[str], Subject], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Name of a subject → where two gloo processes left what two updates with every strategy came to."""

    @cache
    def run(name: str) -> Path:
        directory, subject = tmp_path_factory.mktemp("two_ranks"), subjects(name)
        run_two_ranks([plain_trial(subject, one) for one in tried_with(subject)], subject.store, directory)
        return directory

    return run


def plain_trial(subject: Subject, name: str) -> Trial:
    return unclipped(subject.trial(STRATEGIES[name], dropout=False))


def tried_with(subject: Subject) -> list[str]:
    return [name for one, name in COMBINATIONS if one == subject.name]


@of_every_strategy()
def test_ranks_together_make_the_update_of_one(name, subject, two_ranks):
    directory, index = two_ranks(subject.name), tried_with(subject).index(name)
    for update in (1, 2):
        first, second = (torch.load(directory / f"{index}-{update}-{rank}.pt", weights_only=True) for rank in (0, 1))
        torch.testing.assert_close(moment(first), moment(second), rtol=0, atol=0)
    alone, loader = build_parts(plain_trial(subject, name), subject.store)
    train(alone, loader, first=1, last=1)
    first = torch.load(directory / f"{index}-1-0.pt", weights_only=True)
    torch.testing.assert_close(moment(first), gradient_direction(alone), rtol=1e-4, atol=1e-5)


def test_the_two_ranks_rolled_out_for_different_lengths(two_ranks):
    """In the second update; so no strategy waits for the other rank inside a rollout."""
    first, second = (int((two_ranks(OWN) / f"rollout-2-{rank}").read_text()) for rank in (0, 1))
    assert first != second


def unclipped(trial: Trial) -> Trial:
    """With gradients of any norm: clipped ones would agree although the ranks' sums do not."""
    optimizer = trial.training.optimizer.model_copy(update={"clip_norm": None})
    return trial.model_copy(update={"training": trial.training.model_copy(update={"optimizer": optimizer})})


def _round_trip(state: dict) -> io.BytesIO:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize("subject", PRETRAINED, indirect=True)
def test_what_a_model_does_not_offer_is_refused(subject, build):
    """With the task and the strategy that ask for it, and what to take in its place."""
    for name, settings in STRATEGIES.items():
        lines = [*unmet(subject.trial(settings).task, settings, subject.model)]
        assert bool(lines) == ((subject.name, name) in REFUSED)
        if lines:
            with pytest.raises(ConfigError) as refused:
                build(name)
            assert str(refused.value) == "\n".join(lines)
            assert lines == [
                f"strategy.head encoder needs a model that offers encoder_output, which {subject.model.called} does"
                " not; take decoder, or another model"
            ]


def test_the_conformance_suite_covers_every_strategy():
    assert {settings.name for settings in STRATEGIES.values()} == set(STRATEGY_NAMES)
