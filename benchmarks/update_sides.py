"""What the costs of updates are measured of: strategies, models, and the data that all of them learn from."""

from pathlib import Path
from typing import Any, NamedTuple

from intelligen.config.schema import generative_strategies as generative
from intelligen.config.schema import single_strategies as single
from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import Data, EmbeddedCorpus, FromPretrained, Tokenizer
from intelligen.config.schema.experiment import Experiment, baseline_trial
from intelligen.config.schema.model import Model, Seq2Seq
from intelligen.config.schema.pretrained_model import Lora, Pretrained
from intelligen.config.schema.probability_schedule import ProbabilitySchedule
from intelligen.config.schema.strategies import Strategy
from intelligen.config.schema.strategy_mixture import Intelligen, Static, Weights
from intelligen.config.schema.training import Training
from intelligen.data.embedded import sentence_pairs
from intelligen.data.preparation import prepare
from intelligen.data.prepared_data import Prepared
from intelligen.models.build import build_model
from intelligen.strategies import base
from intelligen.strategies.build import build_strategy
from intelligen.tasks import build_task

ALWAYS = ProbabilitySchedule(start=1.0)
# Adversarial from the first update on, and at every update.
GAME: dict[str, Any] = {"discriminator": single.Discriminator(pretraining_updates=0), "mle_ratio": 0.0}
VARIANTS: dict[str, Strategy] = {
    "standard": single.Standard(),
    "standard_matched": single.StandardMatched(),
    "standard, dropout by row": single.Standard(),
    "R-Drop": single.RDrop(weight=1.0),
    "auxiliary, decoder": single.Auxiliary(),
    "auxiliary, encoder": single.Auxiliary(head="encoder"),
    "recurrent, 1 pass": single.Recurrent(),
    "recurrent, picks of the anchor": single.Recurrent(picks="anchor"),
    "recurrent, 3 passes": single.Recurrent(passes=3),
    "recurrent, 1 soft pass": single.Recurrent(pick="softmax"),
    "generative, by position": generative.GenerativePosition(probability=ALWAYS),
    "generative, off-policy": generative.GenerativeOffpolicy(probability=ALWAYS),
    "generative, self-critical": generative.GenerativeSelfCritical(probability=ALWAYS),
    "generative, risk (4 candidates)": generative.GenerativeRisk(probability=ALWAYS, candidates=4),
    "seqgan, M = 0": single.SeqGan(**GAME),
    "seqgan, M = 2, N = 2": single.SeqGan(**GAME, cut_points=2, completions=2),
    "seqgan_constant": single.SeqGanConstant(**GAME),
    "seqgan_random, M = 0": single.SeqGanRandom(**GAME),
    # Any other mixture costs the weighted mean of its members.
    "intelligen, all on standard": Intelligen(policy=Static(weights=Weights(standard=1.0))),
}
TRAININGS = {"standard, dropout by row": Training(dropout_by_row=True)}
"""Of the variants that are trained otherwise."""
VOCABULARY = 4000
# Shape T of the first source project.
SHAPE = Seq2Seq(d_model=256, d_ff=512, heads=8, encoder_layers=3, decoder_layers=3, max_positions=256)

OURS, T5 = "ours", "T5"
SAVERS: dict[str, dict[str, Any]] = {
    "T5, LoRA of rank 8": {"lora": Lora(rank=8)},
    "T5, activation checkpointing": {"checkpointing": True},
}
"""Of which the standard update alone is measured, against one of all weights that keeps all activations."""


class Side(NamedTuple):
    """What is measured: an update of a model."""

    model: str
    variant: str

    @property
    def compared_with(self) -> "Side | None":
        """The update that it is given as a multiple of; none = it is our own standard update."""
        if self.variant != "standard":
            return Side(self.model, "standard")
        return None if self.model == OURS else Side(T5 if self.model in SAVERS else OURS, "standard")


def data_and_models(store: Path, *, t5: bool) -> tuple[Prepared, dict[str, Model]]:
    """The corpus, in T5's vocabulary where there is one, and the models by name."""
    corpus = EmbeddedCorpus(train=5000, valid=50, test=50)
    models: dict[str, Model] = {OURS: SHAPE}
    tokenizer: Tokenizer | FromPretrained = Tokenizer(vocabulary=VOCABULARY)
    if t5:
        from small_t5 import write_t5

        texts = (text for pair in sentence_pairs("train", corpus) for text in pair)
        path = str(write_t5(store / "t5", SHAPE, sentences=texts, vocabulary=VOCABULARY))
        models |= {name: Pretrained(path=path, **changes) for name, changes in {T5: {}, **SAVERS}.items()}
        tokenizer = FromPretrained(name="pretrained", path=path)
    return prepare(Data(corpus=corpus, tokenizer=tokenizer), store, columns=SOURCE_AND_TARGET), models


def strategy_of(
    settings: Strategy, model: Model, prepared: Prepared, *, training: Training | None = None
) -> base.Strategy:
    """The strategy over a model with the seed's weights, or those of its directory."""
    experiment = Experiment(version=1, name="benchmark", model=SHAPE, training=training or Training())
    trial = baseline_trial(experiment, prepared=prepared.identity)
    trial = trial.model_copy(update={"strategy": settings, "model": model})
    return build_strategy(
        trial,
        model=build_model(model, prepared.vocabularies, seed=trial.seed),
        wrap=lambda module: module,
        decode=prepared.tokenizer("target").decode,
        loss=build_task(trial.task).loss,
        total_updates=1000,
        world_size=1,
    )
