"""Data settings: where sentence pairs come from, which of them train, and how they become tokens."""

from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt, create_model, model_validator

from intelligen.config.base import ADDED, Name, Settings
from intelligen.config.schema.local_path import DatasetPath, LocalPath

REQUIRED_SPLITS = ("train", "valid", "test")


def _inside_the_folder(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"must be a path inside the folder, got {name!r}")
    return name


def _require_splits(given: dict[str, Any]) -> None:
    missing = [split for split in REQUIRED_SPLITS if split not in given]
    if missing:
        raise ValueError(f"splits lack {', '.join(missing)}")
    if isinstance(given["train"], HeldOut):
        raise ValueError("splits.train must be data of its own: other splits are drawn from it")


MosesLanguage = Annotated[str, Field(pattern="^[a-z]{2}$")]
"""ISO 639-1 code, such as `de`."""
RelativeFile = Annotated[str, Field(min_length=1), AfterValidator(_inside_the_folder)]


class EmbeddedCorpus(Settings):
    """English→German sentences from a grammar inside the package; nothing is downloaded."""

    name: Literal["embedded"] = "embedded"
    train: PositiveInt = 20_000
    """Distinct training pairs."""
    valid: PositiveInt = 400
    """Distinct validation pairs."""
    test: PositiveInt = 400
    """Distinct pairs in each of the test splits: `test` and the out-of-domain `test_ood` (longer, nested deeper)."""
    seed: NonNegativeInt = 1
    """Another seed gives other sentences; the splits stay disjoint."""

    fields: ClassVar[tuple[str, ...]] = ("source", "target")
    """The texts of a row, by which a task's columns are found."""


class ParallelText(Settings):
    """Two plain or gzip-compressed text files; line i of one translates line i of the other."""

    source: RelativeFile
    target: RelativeFile

    @property
    def fields(self) -> dict[str, str]:
        """Text of a row → the file that holds it."""
        return {"source": self.source, "target": self.target}


class PairTable(Settings):
    """One .tsv (with a header row) or .jsonl file, plain or gzip-compressed, that holds both sides."""

    file: RelativeFile
    source_field: str = "source"
    """Column or field of the source text; in .jsonl a dot descends into a nested object (`translation.en`)."""
    target_field: str = "target"
    quoting: Annotated[Literal["csv", "none"] | None, ADDED] = None
    """Of a .tsv: `csv` = fields may be quoted as in CSV; `none` = quotation marks are text; not given = they are text,
    and a file in which 90 % of the fields are quoted is refused.
    """

    @property
    def fields(self) -> dict[str, str]:
        """Text of a row → the table's own name of it."""
        return {"source": self.source_field, "target": self.target_field}


# `from` is a keyword of Python, so that no class body can declare it.
_FROM: dict[str, Any] = {
    "from": (Literal["train"], Field(description="The split that the rows are drawn and removed from."))
}


class HeldOut(create_model("_HeldOut", __base__=Settings, **_FROM)):  # type: ignore[misc] # the base is made by a call
    """Distinct rows drawn from the training split, which loses them and their duplicates.

    Those with the smallest hashes of their content are drawn: the order of the rows does not matter, and rows that are
    added displace a drawn one only where they are drawn themselves.
    """

    rows: PositiveInt
    """How many rows."""


class HubCorpus(Settings):
    """A Hugging Face data set, or a directory saved with `datasets`' own `save_to_disk`."""

    name: Literal["hub"] = "hub"
    dataset: DatasetPath = "wmt14"
    """A repository on the hub, or the path of a directory that `save_to_disk` wrote (a single `Dataset` there is
    `train`), relative to this file.
    """
    subset: str | None = None
    """The data set's configuration, such as `de-en`."""
    revision: str | None = None
    """Commit or tag of the data set's repository: pin it for a comparison that others can repeat."""
    source_field: str = "translation.en"
    """Column of the source text; a dot descends into a nested column."""
    target_field: str = "translation.de"
    splits: dict[Name, str | HeldOut] = Field(default={"train": "train", "valid": "validation", "test": "test"})
    """Our split → the data set's split, or rows drawn from `train`. Splits beyond train, valid and test are further
    test sets.
    """
    streaming: bool = False
    """Read over the network without first storing the whole data set."""
    limit: PositiveInt | None = None
    """The maximum number of training rows (validation and test sets are always complete)."""

    @property
    def fields(self) -> dict[str, str]:
        """Text of a row → the data set's own name of it."""
        return {"source": self.source_field, "target": self.target_field}

    @model_validator(mode="after")
    def _has_required_splits(self) -> "HubCorpus":
        _require_splits(self.splits)
        return self


class FilesCorpus(Settings):
    """Files in a folder, or the hub's copy of the same data set where no folder is named."""

    name: Literal["files"] = "files"
    folder: LocalPath | None = None
    """Where the files are, relative to this file."""
    splits: dict[Name, ParallelText | PairTable | HeldOut]
    """Split → files, or rows drawn from `train`. Splits beyond train, valid and test are further test sets."""
    hub: HubCorpus | None = None
    """Where the same splits come from while `folder` is not set."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The texts that a row of every split has, of the files or of the hub's copy in their place."""
        if self.folder is None and self.hub is not None:
            return tuple(self.hub.fields)
        files = [split.fields for split in self.splits.values() if not isinstance(split, HeldOut)]
        return tuple(field for field in files[0] if all(field in other for other in files))

    @model_validator(mode="after")
    def _has_a_source(self) -> "FilesCorpus":
        if self.folder is None and self.hub is None:
            raise ValueError("needs `folder`, or `hub` to fall back on")
        _require_splits(self.splits)
        return self


Corpus = Annotated[EmbeddedCorpus | FilesCorpus | HubCorpus, Field(discriminator="name")]


class Filters(Settings):
    """Which training rows are kept. Validation and test sets are never filtered."""

    min_characters: NonNegativeInt = 1
    """Rows with a shorter text are left out."""
    max_characters: PositiveInt | None = None
    """Rows with a longer text are left out."""
    max_length_difference: PositiveInt | None = None
    """Rows whose longest and shortest text differ by this many characters or more are left out."""

    @model_validator(mode="after")
    def _ordered(self) -> "Filters":
        if self.max_characters is not None and self.max_characters < self.min_characters:
            raise ValueError(f"max_characters ({self.max_characters}) is below min_characters ({self.min_characters})")
        return self


class Moses(Settings):
    """Moses' rules (Koehn et al. 2007): punctuation is normalised and split off before pieces are cut, and joined again
    in what the model writes. Papers that report tokenised BLEU prepare their data so.
    """

    source: MosesLanguage
    """Language of the source."""
    target: MosesLanguage
    """Language of the target."""

    def language(self, column: str) -> str | None:
        """Of a column; none where the rules are not for it."""
        return {"source": self.source, "target": self.target}.get(column)


class Tokenizer(Settings):
    """SentencePiece (Kudo & Richardson 2018), trained on the training split only; ids pad 0, unk 1, bos 2, eos 3."""

    model: Literal["bpe", "unigram"] = "bpe"
    vocabulary: Annotated[int, Field(ge=8, le=1_000_000)] = 8_000
    """Pieces per vocabulary, the four special ones included."""
    joint: bool = True
    """One vocabulary for all columns (tied embeddings need it), or one each."""
    character_coverage: Annotated[float, Field(gt=0.9, le=1.0)] = 1.0
    """Share of the characters that get pieces of their own: 0.9995 for Chinese or Japanese."""
    moses: Moses | None = None
    """Tokenise by Moses' rules first; not given = SentencePiece sees the text as it is."""


class Data(Settings):
    """One corpus, made ready: what is read, what is kept, how it is cut into tokens."""

    corpus: Corpus = EmbeddedCorpus()
    lowercase: bool = False
    """Lower-case all texts of every split."""
    filters: Filters = Filters()
    tokenizer: Tokenizer = Tokenizer()
    max_tokens: Annotated[int, Field(ge=4, le=8192)] = 128
    """Training rows with a longer text are left out. In validation and test sets, what models read is cut there. Both
    are counted."""
