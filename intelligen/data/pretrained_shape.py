"""Shape of a pre-trained model, from the prepared data: what its own directory has, without the weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from intelligen.config.pretrained_directory import PretrainedDirectory
from intelligen.config.schema.model import Model
from intelligen.config.schema.pretrained_model import Pretrained
from intelligen.data.prepared_data import Prepared


@contextmanager
def shape_alone(model: Model, prepared: Prepared) -> Iterator[Any]:
    """Settings by which a network is built that a trained model's weights are loaded into; those of ours as they are.

    Args:
        model: Settings of a pre-trained model, whose own directory is not needed then, or of another one.
        prepared: Data in its vocabulary.

    Raises:
        StorageError: The data are damaged.
        UnavailableError: The extra is not installed.

    """
    if not isinstance(model, Pretrained):
        yield model
        return
    with model_files(prepared) as found:
        resolved = model.found.model_copy(update={"path": str(found.path), "shape_alone": True})
        yield model.model_copy(update={"resolved": resolved})


@contextmanager
def model_files(prepared: Prepared) -> Iterator[PretrainedDirectory]:
    """A directory, for a while, of all but the weights of the model that prepared data have the vocabulary of.

    Raises:
        StorageError: The data are damaged.
        UnavailableError: The extra is not installed.

    """
    from intelligen.data.pretrained_tokenizer import unpacked

    with unpacked(prepared.vocabulary_file(next(iter(prepared.manifest.tokenizers)))) as (found, _):
        yield found
