"""What a pre-trained model's directory was found to be, as settings carry it."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from intelligen.config.base import UNCOMPARED, Settings
from intelligen.config.model_licence import licence_in
from intelligen.config.pretrained_directory import PretrainedDirectory, content_of, open_directory, shape_in
from intelligen.errors import ChangedError


class Resolved(Settings):
    """What was found in a pre-trained model's directory. The program writes this group; no file needs it."""

    path: Annotated[str, UNCOMPARED] = ""
    """What the other keys were found at; empty if they are from prepared data."""
    revision: Annotated[str | None, UNCOMPARED] = None
    """The commit that was asked for."""
    files: str
    """Content hash of its configuration, weights and tokenizer."""
    sha256: Annotated[dict[str, str], UNCOMPARED] = Field(default={})
    """File → SHA-256, from which `files` is computed."""
    licence: Annotated[str | None, UNCOMPARED] = None
    """As its README.md or its LICENSE states it."""
    shape_alone: Annotated[bool, UNCOMPARED] = False
    """Whether `path` has no weights. Then those of a trained model are loaded into the network."""
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
    hashes = found.hashes()
    return Resolved(
        path=path,
        revision=revision,
        files=content_of(hashes),
        sha256=hashes,
        licence=licence_in(found.path),
        family=found.family,
        max_positions=found.max_positions,
    )


def open_as_resolved(known: Resolved, *, key: str = "model.path") -> PretrainedDirectory:
    """The directory again, of which the files must be what they were; of a shape alone nothing is checked.

    Raises:
        ChangedError: They are not.
        DataError: It is gone or another one.
        UnavailableError: The extra is not installed, or the hub cannot be reached.

    """
    if known.shape_alone:
        return shape_in(Path(known.path))
    found = open_directory(known.path, known.revision, key=key)
    if content_of(hashes := found.hashes()) != known.files:
        changed = sorted({name for name, _ in hashes.items() ^ known.sha256.items()}) if known.sha256 else []
        which = f" ({', '.join(changed)})" if changed else ""
        raise ChangedError(f"{key}: the files in {known.path} have changed since{which}; restore them, or train again")
    return found
