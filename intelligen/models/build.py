"""Builds networks from their settings: one match over the union, checked by the type checker."""

from collections.abc import Mapping, Sequence
from typing import Final, assert_never

import torch
from torch import nn

from intelligen.config.schema.declarations import Capability, PluginModel
from intelligen.config.schema.model import MODELS, DecoderOnly, Encoder, Model, Seq2Seq
from intelligen.config.schema.plugins import built
from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.errors import ConfigError
from intelligen.models.decoder_only_classifier import DecoderOnlyClassifier
from intelligen.models.decoder_only_transformer import DecoderOnlyTransformer
from intelligen.models.interfaces import (
    Classifier,
    Generator,
    MixtureReader,
    Network,
    PredictingClassifier,
    SourcePooler,
)
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer
from intelligen.models.transformer_classifier import TransformerClassifier

INTERFACES: Final[Mapping[Capability, type[Network]]] = {
    "generation": Generator,
    "encoder_output": SourcePooler,
    "mixtures": MixtureReader,
    "classification": Classifier,
    "token_prediction": PredictingClassifier,
    "language_modelling": Generator,
}
"""What a model's settings declare → what its network must be, the one that generates or the one that classifies."""


def build_model(settings: Model, vocabularies: Mapping[str, int], *, seed: int) -> Generator:
    """A network in training mode, whose random weights are a function of the seed.

    Args:
        settings: Its shape.
        vocabularies: Tokens of the vocabularies of the columns `source` and `target`.
        seed: Of torch's default generators, which go on from it.

    Raises:
        ConfigError: A plugin builds something else than it declares, or the model generates nothing.

    """
    torch.manual_seed(seed)
    # `from_pretrained` of `transformers` leaves evaluation mode, without dropout and activation checkpointing.
    return _generator(settings, vocabularies).train()


def build_classifier(settings: Model, vocabularies: Sequence[int], *, classes: int) -> Classifier:
    """A classifier with random weights, drawn from torch's default generator.

    Args:
        settings: Its shape.
        vocabularies: Tokens of the vocabulary of each sequence of a row; `decoder_only` reads one.
        classes: Number of classes; 1 = one logit that decides between two.

    Raises:
        ConfigError: A plugin builds something else than it declares, or the model does not read so many sequences.

    """
    match settings:
        case PluginModel():
            installed = MODELS.installed(settings.name)
            network = built(installed, Classifier, settings, vocabularies, classes=classes)
            _require_offered(network, Classifier, settings, installed.where)
            return network.train()
        case Seq2Seq() | Encoder():
            return TransformerClassifier(settings, vocabularies=vocabularies, classes=classes)
        case DecoderOnly():
            if len(vocabularies) != 1:
                raise ConfigError(
                    f"model.name decoder_only reads one sequence, and a row has {len(vocabularies)}; take seq2seq or"
                    " encoder"
                )
            return DecoderOnlyClassifier(settings, vocabulary=vocabularies[0], classes=classes)
        case Pretrained():
            raise ConfigError("model.name pretrained classifies nothing; take encoder, seq2seq or decoder_only")
        case other:
            assert_never(other)


def parameter_count(settings: Model, vocabularies: Mapping[str, int], *, classes: int | None = None) -> int:
    """Trained weights of a network; no memory is taken for them, and nothing is drawn.

    Args:
        settings: Its shape.
        vocabularies: Tokens of the vocabularies of the columns that it reads or writes.
        classes: Of a classifier; none = the network that generates.

    Raises:
        ConfigError: A plugin builds something else than it declares.

    """
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        if classes is None:
            network: nn.Module = _generator(settings, vocabularies)
        else:
            network = build_classifier(settings, [*vocabularies.values()], classes=classes)
    return sum(weight.numel() for weight in network.parameters())


def _generator(settings: Model, vocabularies: Mapping[str, int]) -> Generator:
    match settings:
        case PluginModel():
            installed = MODELS.installed(settings.name)
            network = built(installed, Generator, settings, vocabularies)
            _require_offered(network, Generator, settings, installed.where)
            return network
        case Seq2Seq():
            return Seq2SeqTransformer(
                settings, source_vocabulary=vocabularies["source"], target_vocabulary=vocabularies["target"]
            )
        case DecoderOnly():
            assert vocabularies["source"] == vocabularies["target"], "one stream needs one vocabulary"
            return DecoderOnlyTransformer(settings, vocabulary=vocabularies["target"])
        case Pretrained():
            from intelligen.models.pretrained.load import load_pretrained

            return load_pretrained(settings)
        case Encoder():
            raise ConfigError("model.name encoder generates nothing; take seq2seq or decoder_only")
        case other:
            assert_never(other)


def _require_offered(network: Network, kind: type[Network], settings: PluginModel, where: str) -> None:
    """Of the network of one kind, generator or classifier, all that its settings declare of that kind."""
    for capability in INTERFACES.keys() & settings.offers:
        interface = INTERFACES[capability]
        if issubclass(interface, kind) and not isinstance(network, interface):
            raise ConfigError(f"{where} declares {capability}, which its network does not offer")
