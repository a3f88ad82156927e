"""Models that the suite of strategies trains, each with the tiny corpus in its vocabulary."""

from dataclasses import dataclass
from pathlib import Path

from conftest import tiny_data, tiny_trial, write_tiny_corpus
from pretrained_models import make_pretrained, without_dropout

from intelligen.config.schema.columns import SOURCE_AND_TARGET
from intelligen.config.schema.data import FromPretrained
from intelligen.config.schema.experiment import Trial
from intelligen.config.schema.model import Model
from intelligen.config.schema.pretrained_model import Lora, Pretrained
from intelligen.config.schema.strategies import Strategy
from intelligen.data.preparation import prepare

OWN = "own"
PRETRAINED = ("t5", "gpt2", "t5, LoRA", "gpt2, LoRA")


@dataclass(frozen=True)
class Subject:
    """A model, with dropout and without, and how fast it learns."""

    name: str
    store: Path
    prepared: str
    """Identity of the tiny corpus in its vocabulary."""
    model: Model
    calm: Model
    """The same without dropout."""
    updates: int
    """After which the loss has fallen."""
    falls_to: float
    """Of the first updates' loss, what the last ones' is below."""

    def trial(self, strategy: Strategy, *, dropout: bool = True) -> Trial:
        """A trial of a strategy."""
        return tiny_trial(self.prepared, strategy=strategy, model=self.model if dropout else self.calm)


def own_subject(store: Path, prepared: str) -> Subject:
    """The small Transformer of the other tests."""
    model = tiny_trial(prepared).model
    calm = model.model_copy(update={"dropout": 0.0})
    return Subject(OWN, store, prepared, model, calm, updates=40, falls_to=0.8)


def pretrained_subject(name: str, root: Path) -> Subject:
    """A tiny model of a family, trained whole or by an adapter; its random weights are what it begins with."""
    family, _, adapter = name.partition(", ")
    (root / "corpus").mkdir()
    write_tiny_corpus(root / "corpus")
    sentences = [line for side in ("en", "de") for line in (root / "corpus" / f"train.{side}").read_text().splitlines()]
    directory = make_pretrained(family, root / "model", sentences=sentences)
    calm = without_dropout(directory, root / "calm")
    tokenizer = FromPretrained(name="pretrained", path=str(directory))
    data = tiny_data(root / "corpus").model_copy(update={"tokenizer": tokenizer, "max_tokens": 60})
    lora = Lora(rank=4) if adapter else None
    return Subject(
        name,
        root / "store",
        prepare(data, root / "store", columns=SOURCE_AND_TARGET).identity,
        Pretrained(path=str(directory), lora=lora and lora.model_copy(update={"dropout": 0.1})),
        Pretrained(path=str(calm), lora=lora),
        updates=12,
        falls_to=1.0,
    )
