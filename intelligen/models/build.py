"""Builds networks from their settings: one match over the union, checked by the type checker."""

from collections.abc import Mapping, Sequence
from typing import Final, assert_never

import torch

from intelligen.config.schema.declarations import Capability, PluginModel
from intelligen.config.schema.model import MODELS, Model, Seq2Seq
from intelligen.config.schema.plugins import built
from intelligen.errors import ConfigError
from intelligen.models.interfaces import Classifier, Generator, MixtureReader, SourcePooler
from intelligen.models.seq2seq_transformer import Seq2SeqTransformer
from intelligen.models.transformer_classifier import TransformerClassifier

INTERFACES: Final[Mapping[Capability, type[Generator]]] = {
    "generation": Generator,
    "encoder_output": SourcePooler,
    "mixtures": MixtureReader,
}
"""What a model's settings declare → what its network must be where it generates."""


def build_model(settings: Model, vocabularies: Mapping[str, int], *, seed: int) -> Generator:
    """A network with random weights, a function of the seed.

    Args:
        settings: Its shape.
        vocabularies: Tokens of the vocabularies of the columns `source` and `target`.
        seed: Of torch's default generators, which go on from it.

    Raises:
        ConfigError: A plugin builds something else than it declares.

    """
    torch.manual_seed(seed)
    match settings:
        case PluginModel():
            installed = MODELS.installed(settings.name)
            network = built(installed, Generator, settings, vocabularies)
            for capability in INTERFACES.keys() & settings.offers:
                if not isinstance(network, INTERFACES[capability]):
                    raise ConfigError(f"{installed.where} declares {capability}, which its network does not offer")
            return network
        case Seq2Seq():
            return Seq2SeqTransformer(
                settings, source_vocabulary=vocabularies["source"], target_vocabulary=vocabularies["target"]
            )
        case other:
            assert_never(other)


def build_classifier(settings: Model, vocabularies: Sequence[int], *, classes: int) -> Classifier:
    """A classifier with random weights, drawn from torch's default generator.

    Args:
        settings: Its shape.
        vocabularies: Tokens of the vocabulary of each sequence of a row.
        classes: Number of classes; 1 = one logit that decides between two.

    Raises:
        ConfigError: A plugin builds something else.

    """
    match settings:
        case PluginModel():
            return built(MODELS.installed(settings.name), Classifier, settings, vocabularies, classes=classes)
        case Seq2Seq():
            return TransformerClassifier(settings, vocabularies=vocabularies, classes=classes)
        case other:
            assert_never(other)
