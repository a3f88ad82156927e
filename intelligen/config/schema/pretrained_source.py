"""What a pre-trained model's directory was found to be, as settings carry it."""

from typing import Annotated

from intelligen.config.base import UNCOMPARED, Settings
from intelligen.config.pretrained_directory import PretrainedDirectory, open_directory
from intelligen.errors import DataError


class Resolved(Settings):
    """What a pre-trained model's directory was found to be. The program writes this group; no file needs it."""

    path: Annotated[str, UNCOMPARED] = ""
    """What the other keys were found at; empty where prepared data tell of it."""
    revision: Annotated[str | None, UNCOMPARED] = None
    """The commit that was asked for."""
    files: str
    """Content hash of its configuration, weights and tokenizer."""
    family: str
    """Its `model_type`."""
    max_positions: int
    """Longest source and longest target."""


def resolve(path: str, revision: str | None, known: Resolved | None, *, key: str) -> Resolved:
    """What is there: what is known, if it was found at the same path and commit, or else by a look.

    Raises:
        ConfigError: A repository without a commit.
        DataError: It is no pre-trained model, or one of a kind that is not known here.
        UnavailableError: The extra is not installed, or the hub cannot be reached.

    """
    if known is not None and (known.path, known.revision) == (path, revision):
        return known
    found = open_directory(path, revision, key=key)
    return Resolved(
        path=path,
        revision=revision,
        files=found.content(),
        family=found.family,
        max_positions=found.max_positions,
    )


def open_as_resolved(known: Resolved, *, key: str = "model.path") -> PretrainedDirectory:
    """The directory again, of which the files must be what they were.

    Raises:
        DataError: It is gone or another one.
        UnavailableError: The extra is not installed, or the hub cannot be reached.

    """
    found = open_directory(known.path, known.revision, key=key)
    if found.content() != known.files:
        raise DataError(f"{key}: the files in {known.path} have changed since; restore them, or train again")
    return found
