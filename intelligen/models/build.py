"""From a model's settings to the network: one match over the union, checked by the type checker."""

from collections.abc import Mapping, Sequence
from typing import assert_never

import torch

from intelligen.config.model import Model, Seq2Seq
from intelligen.models.classifier import TransformerClassifier
from intelligen.models.interfaces import Classifier, Generator
from intelligen.models.seq2seq import Seq2SeqTransformer


def build_model(settings: Model, vocabularies: Mapping[str, int], *, seed: int) -> Generator:
    """A network with random weights, a function of the seed.

    Args:
        settings: Its shape.
        vocabularies: Tokens of the vocabularies of the columns `source` and `target`.
        seed: Of torch's default generators, which go on from it.

    """
    torch.manual_seed(seed)
    match settings:
        case Seq2Seq():
            return Seq2SeqTransformer(
                settings, source_vocabulary=vocabularies["source"], target_vocabulary=vocabularies["target"]
            )
        case other:
            assert_never(other)


def build_classifier(settings: Model, vocabularies: Sequence[int], *, classes: int) -> Classifier:
    """A classifier with random weights, drawn from torch's default generator.

    Args:
        settings: Shape of its encoder.
        vocabularies: Tokens of the vocabulary of each sequence of a row.
        classes: Number of classes; 1 = one logit that decides between two.

    """
    match settings:
        case Seq2Seq():
            return TransformerClassifier(settings, vocabularies=vocabularies, classes=classes)
        case other:
            assert_never(other)
