"""What every network that generates must do; a new one joins by a class with its fixture."""

import itertools
from pathlib import Path

import pytest
import torch
from conftest import tiny_trial
from prompted import Prompted
from test_strategies import ONE_OF_EACH, STRATEGIES

from intelligen.config.schema.decoding import Beam, DecodingSearch, Greedy, Sample
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.model import DecoderOnly, Seq2Seq
from intelligen.config.schema.strategies import Strategy
from intelligen.conformance.generators import GeneratorConformance
from intelligen.data.batches import SentencePairs
from intelligen.data.loader import Loader
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.evaluation import evaluate_shard
from intelligen.models.build import build_model
from intelligen.models.interfaces import Generator
from intelligen.strategies.base import UpdateContext
from intelligen.strategies.build import build_strategy
from intelligen.tasks import build_task

SHAPE = {"d_model": 16, "d_ff": 24, "heads": 2, "encoder_layers": 2, "decoder_layers": 2, "max_positions": 32}
VARIANTS = [
    Seq2Seq(**SHAPE, norm=norm, positions=positions, **more)
    for norm, positions in itertools.product(("pre", "post"), ("sinusoidal", "learned"))
    for more in ({"tied_embeddings": "all"}, {"tied_embeddings": "none", "d_k": 5, "d_v": 7, "activation": "gelu"})
]
WIDE = {"heads": 1, "d_k": 64, "d_v": 60}
"""From a few keys on such heads read a cache by products."""


class TestSeq2Seq(GeneratorConformance):
    @pytest.fixture(
        params=[*VARIANTS, Seq2Seq(**SHAPE | WIDE)],
        ids=lambda config: f"{config.norm}-{config.positions}-{config.tied_embeddings}-{config.d_k}",
    )
    def model(self, request: pytest.FixtureRequest) -> Generator:
        tied = request.param.tied_embeddings == "all"
        return build_model(request.param, {"source": 11 if tied else 9, "target": 11}, seed=0)


DECODERS = [
    DecoderOnly(d_model=16, d_ff=24, heads=2, layers=2, max_positions=32, norm=norm, positions=positions, **more)
    for norm, positions in itertools.product(("pre", "post"), ("sinusoidal", "learned"))
    for more in ({}, {"tied_embeddings": False, "d_k": 5, "d_v": 7, "activation": "gelu", "output_dropout": 0.2})
]


class TestDecoderOnly(GeneratorConformance):
    @pytest.fixture(
        params=[*DECODERS, DecoderOnly(d_model=16, d_ff=24, layers=2, max_positions=32, **WIDE)],
        ids=lambda config: f"{config.norm}-{config.positions}-{config.tied_embeddings}-{config.d_k}",
    )
    def model(self, request: pytest.FixtureRequest) -> Generator:
        return build_model(request.param, {"source": 11, "target": 11}, seed=0)


class TestPrompted(GeneratorConformance):
    @pytest.fixture
    def model(self) -> Generator:
        torch.manual_seed(0)
        return Prompted(VARIANTS[0], vocabulary=11)


@pytest.fixture(scope="module")
def prepared(tiny_store: tuple[Path, str]) -> Prepared:
    store, identity = tiny_store
    return open_prepared(store / "prepared" / identity)


@pytest.mark.parametrize(
    "name",
    [
        "R-Drop",
        "auxiliary, decoder, three tokens, convex",
        "recurrent, sample",
        pytest.param("generative, risk", marks=pytest.mark.extended),
        "generative, by position",
        pytest.param("seqgan, leave one out, KL", marks=pytest.mark.extended),
    ],
)
def test_a_decoder_only_network_is_trained_as_any_other(name: str, prepared: Prepared) -> None:
    trial = tiny_trial(prepared.identity, strategy=STRATEGIES[name])
    torch.manual_seed(0)
    losses = trained(Prompted(trial.model, vocabulary=prepared.vocabularies["target"]), trial, prepared)
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])


def trained(model: Generator, trial: Trial, prepared: Prepared, *, updates: int = 20) -> list[float]:
    """The loss of each update."""
    strategy = build_strategy(
        trial,
        model=model,
        wrap=lambda module: module,
        decode=prepared.tokenizer("target").decode,
        loss=build_task(trial.task).loss,
        total_updates=updates,
        world_size=1,
    )
    loader = Loader(SentencePairs(prepared.split("train")), batch_tokens=300, seed=3)
    return [
        strategy.train_step(loader.next_update(), UpdateContext(seed=1, update=update, total_updates=updates)).means()[
            "train/loss"
        ]
        for update in range(1, updates + 1)
    ]


def decoder_only_trial(prepared: Prepared, strategy: Strategy) -> Trial:
    model = DecoderOnly(d_model=32, d_ff=64, heads=2, layers=1, max_positions=64)
    return tiny_trial(prepared.identity, model=model, strategy=strategy)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ONE_OF_EACH else pytest.mark.extended)
        for name, one in STRATEGIES.items()
        if getattr(one, "head", "") != "encoder"
    ],
)
def test_every_strategy_trains_the_model_decoder_only(name: str, prepared: Prepared) -> None:
    trial = decoder_only_trial(prepared, STRATEGIES[name])
    losses = trained(build_model(trial.model, prepared.vocabularies, seed=1), trial, prepared, updates=10)
    assert sum(losses[-3:]) < 0.95 * sum(losses[:3])


@pytest.mark.parametrize("search", [Greedy(), Beam(size=2), Sample()], ids=lambda search: search.name)
def test_a_decoder_only_network_is_evaluated_as_any_other(search: DecodingSearch, prepared: Prepared) -> None:
    trial = tiny_trial(prepared.identity)
    torch.manual_seed(0)
    model = Prompted(trial.model, vocabulary=prepared.vocabularies["target"])
    shard = evaluate_shard(
        model,
        prepared.split("valid"),
        vocabulary=prepared.tokenizer("target"),
        search=search,
        decoding=trial.decoding,
        device=torch.device("cpu"),
    )
    assert len(shard.hypotheses) == len(prepared.split("valid"))
    assert {"loss", "exposure_gap"} <= shard.sums.means().keys()
