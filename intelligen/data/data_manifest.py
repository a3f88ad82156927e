"""Manifest of prepared data: its sources and settings, what was found, and hashes that show damage."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from intelligen.config.base import ADDED, Settings, comparable
from intelligen.config.schema.data import Data, Tokenizer
from intelligen.errors import StorageError

FORMAT = 1
"""Raised with every change of the files' meaning; part of the identity."""
MANIFEST = "manifest.json"


class ColumnReport(Settings):
    """One column of a split in numbers."""

    dtype: Literal["uint16", "int32"]
    tokens: int
    """Without EOS."""
    unknown: int
    """Tokens that are UNK."""
    longest: int
    """Tokens of the longest row, without EOS."""
    of_classes: Annotated[tuple[int, ...] | None, ADDED] = None
    """Of a label column: rows of each class, in the classes' order."""


MOST_UNKNOWN = 0.05
"""Share of a column's training tokens that a pre-trained model's vocabulary may not know."""


def unknown_share(report: ColumnReport) -> float:
    """Of a column's tokens."""
    return 0.0 if report.of_classes is not None else report.unknown / max(report.tokens, 1)


class SplitReport(Settings):
    """What became of a split's rows."""

    read: int
    kept: int
    dropped: dict[str, int]
    """Reason → training rows left out."""
    notes: dict[str, int]
    """What was fixed or is odd: `bom`, `crlf`, `line_breaks` (texts that had some inside), `blank_lines` of a table,
    `trailing_blank_lines` of text files, `header_as_row` (a first row that looks like a header), `held_out` (rows that
    another split has drawn), `augmented` (copies of training rows, which are not `read`); with the name of a column
    `empty_source` and `truncated_source` where models read it, `overlong_target` where they should write it.
    """
    columns: dict[str, ColumnReport]
    duplicates: int | None = None
    """Kept rows that repeat an earlier one of the split; None = not counted, by the first release."""


class Overlap(Settings):
    """Rows of a split that are in another one too."""

    split: str
    other: str
    rows: int
    """Of the split."""
    pairs: int
    """Rows that are in the other split as well, with all their texts."""
    sources: int
    """Rows of which the other split has what models read, whatever they should write or say there."""
    distinct: Annotated[int | None, ADDED] = None
    """Different inputs that `sources` counts; None = as many, or not counted, by an earlier version."""


class BorrowedVocabularies(Settings):
    """Where vocabularies come from that another experiment's data have."""

    prepared: str
    """Identity of those data."""
    tokenizer: Tokenizer
    """By which they were learnt."""
    lowercase: bool
    """Whether the texts that taught them were lower-cased."""


class Manifest(Settings):
    """manifest.json: what was prepared from what, and the sizes and hashes by which damage is found."""

    format: int
    identity: str
    fingerprint: str
    """Of the corpus' content."""
    data: Data
    versions: dict[str, str]
    tokenizers: dict[str, str]
    """Text column → file of its SentencePiece model."""
    borrowed: Annotated[BorrowedVocabularies | None, ADDED] = None
    """Whose they are, where the data's own training split has not taught them."""
    classes: Annotated[dict[str, tuple[str, ...]], ADDED] = Field(default={})
    """Label column → its classes: the training split's labels, sorted as text."""
    splits: dict[str, SplitReport]
    files: dict[str, int]
    """File → bytes."""
    sha256: dict[str, str] | None = None
    """File → SHA-256; None = prepared by the first release."""
    overlaps: tuple[Overlap, ...] | None = None
    """Of every two splits that share something; None = not counted, by the first release."""
    checksum: str | None = None
    """SHA-256 of this manifest without the checksum; None = prepared by the first release."""

    @property
    def tokenizer(self) -> Tokenizer | None:
        """By which the vocabularies were learnt; none = a pre-trained model brought them."""
        return tokenizer_settings(self.data, self.borrowed)


def tokenizer_settings(data: Data, borrowed: BorrowedVocabularies | None = None) -> Tokenizer | None:
    """By which the vocabularies of data were learnt, their own or others'; none = a pre-trained model brought them."""
    if isinstance(data.tokenizer, Tokenizer):
        return data.tokenizer
    return None if borrowed is None else borrowed.tokenizer


def content_of(manifest: Manifest) -> dict[str, Any]:
    """What is written of a manifest, as JSON values; what data without labels have no use for is left out."""
    return comparable(manifest)


def write_manifest(directory: Path, content: Mapping[str, Any]) -> None:
    """Write what `content_of` gives, with its checksum."""
    signed = {**content, "checksum": _checksum(content)}
    (directory / MANIFEST).write_text(json.dumps(signed, ensure_ascii=False, indent=1), encoding="utf-8")


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a directory of prepared data.

    Raises:
        StorageError: there is none, or it is damaged.

    """
    path = directory / MANIFEST
    try:
        raw = path.read_bytes()
        manifest = Manifest.model_validate_json(raw)
    except FileNotFoundError:
        raise StorageError(f"{directory}: no prepared data; prepare them with `intelligen prepare`") from None
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise StorageError(f"{path}: damaged ({first['msg']}); {prepare_again(directory)}") from error
    if manifest.checksum is not None and manifest.checksum != _checksum(json.loads(raw)):
        raise StorageError(f"{path}: damaged (its SHA-256 does not match); {prepare_again(directory)}")
    return manifest


def prepare_again(directory: Path) -> str:
    """What to do where something is damaged."""
    return f"delete the directory {directory} and prepare the data again"


def _checksum(content: Mapping[str, Any]) -> str:
    """Of what is written, not of what a later version makes of it: that may know further keys."""
    hashed = {key: value for key, value in content.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()
