"""Data settings: where rows come from, which of them train, and how they become tokens."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Discriminator, Field, NonNegativeInt, PositiveInt, Tag, model_validator

from intelligen.config.base import ADDED, UNCOMPARED, Name, Settings
from intelligen.config.schema.local_path import DatasetPath, LocalPath
from intelligen.config.schema.pretrained_source import Resolved, resolve
from intelligen.config.schema.split_forms import HeldOut, NamedOnce, SplitFiles, known_columns, own_name

REQUIRED_SPLITS = ("train", "valid")
"""Of every task; most need `test` too."""


def _require_splits(given: dict[str, Any]) -> None:
    missing = [split for split in REQUIRED_SPLITS if split not in given]
    if missing:
        raise ValueError(f"splits lack {', '.join(missing)}")
    if isinstance(given["train"], HeldOut):
        raise ValueError("splits.train must be data of its own: other splits are drawn from it")


MosesLanguage = Annotated[str, Field(pattern="^[a-z]{2}$")]
"""ISO 639-1 code, such as `de`."""


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
    """Another seed gives other sentences. The splits remain disjoint."""

    known: ClassVar[tuple[str, ...]] = ("source", "target")
    """The columns of a row."""


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
    fields: Annotated[
        dict[Name, str], ADDED, AfterValidator(NamedOnce(source="translation.en", target="translation.de"))
    ] = Field(default={})
    """Column of the task → the data set's own name of it: `{text: document}`. A column that is not here has its own
    name."""
    splits: dict[Name, str | HeldOut] = Field(default={"train": "train", "valid": "validation", "test": "test"})
    """Our split → the data set's split, or rows drawn from `train`. Splits beyond train, valid and test are further
    test sets.
    """
    streaming: bool = False
    """Read over the network without first storing the whole data set."""
    limit: PositiveInt | None = None
    """The maximum number of training rows (validation and test sets are always complete)."""

    known: ClassVar[None] = None
    """The columns of a row: only the data set itself has them."""

    def field(self, column: str) -> str:
        """The data set's own name of a column."""
        return own_name(column, self.fields, source=self.source_field, target=self.target_field)

    @model_validator(mode="after")
    def _has_required_splits(self) -> "HubCorpus":
        _require_splits(self.splits)
        return self


class FilesCorpus(Settings):
    """Files in a folder, or the hub's copy of the same data set where no folder is named."""

    name: Literal["files"] = "files"
    folder: LocalPath | None = None
    """Where the files are, relative to this file."""
    splits: dict[Name, SplitFiles | HeldOut]
    """Split → files, or rows drawn from `train`. Splits beyond train, valid and test are further test sets."""
    hub: HubCorpus | None = None
    """Where the same splits come from while `folder` is not set."""

    @property
    def known(self) -> tuple[str, ...] | None:
        """The columns that a row of every split has; None where only the files' content has them."""
        files = [known_columns(split) for split in self.splits.values() if not isinstance(split, HeldOut)]
        told = [columns for columns in files if columns is not None]
        return tuple(column for column in told[0] if all(column in other for other in told)) if told else None

    @model_validator(mode="after")
    def _has_a_source(self) -> "FilesCorpus":
        if self.folder is None and self.hub is None:
            raise ValueError("needs `folder`, or `hub` to fall back on")
        _require_splits(self.splits)
        return self


Corpus = Annotated[EmbeddedCorpus | FilesCorpus | HubCorpus, Field(discriminator="name")]


def source_of(corpus: Corpus) -> tuple[EmbeddedCorpus | FilesCorpus | HubCorpus, str]:
    """What has the rows, and its key in the settings: files without a folder come from their hub."""
    if isinstance(corpus, FilesCorpus) and corpus.folder is None and corpus.hub is not None:
        return corpus.hub, "data.corpus.hub"
    return corpus, "data.corpus"


class Filters(Settings):
    """Which training rows are kept. Validation and test sets are never filtered."""

    min_characters: NonNegativeInt = 1
    """Rows with a shorter text are left out. If the row has a label, its text may be empty, and 1 leaves out none."""
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
    """One vocabulary for all columns (tied embeddings need it), or one for each."""
    character_coverage: Annotated[float, Field(gt=0.9, le=1.0)] = 1.0
    """Share of the characters that get pieces of their own: use 0.9995 for Chinese or Japanese."""
    moses: Moses | None = None
    """Tokenise by Moses' rules first; not given = SentencePiece sees the text as it is."""


class OfExperiment(Settings):
    """The vocabularies of another experiment's data, so that its weights fit the pieces.

    Its data are prepared first. A column takes the vocabulary of the other's column of that name, else the other's
    joint one.
    """

    name: Literal["of_experiment"]
    experiment: LocalPath
    """Path of the other experiment file, relative to this file."""


class FromPretrained(Settings):
    """The vocabulary of a pre-trained model, with the tokens that its tokenizer puts before a text."""

    name: Literal["pretrained"]
    path: Annotated[DatasetPath | None, UNCOMPARED] = None
    """Place of the model, in the form of `model.path`; not given = the experiment's own pre-trained model."""
    revision: Annotated[str | None, UNCOMPARED] = None
    """Commit of a repository, in full."""
    resolved: Resolved | None = None
    """What was found there; the program writes it."""

    @model_validator(mode="after")
    def _resolve(self) -> "FromPretrained":
        if self.path is not None:
            found = resolve(self.path, self.revision, self.resolved, key="data.tokenizer.path")
            vars(self)["resolved"] = found
        return self


_NAMED_TOKENIZERS: dict[str, type[Settings]] = {"of_experiment": OfExperiment, "pretrained": FromPretrained}


def _kind_of_tokenizer(value: Any) -> str:
    """Of the settings, or of data by the keys that they have."""
    if isinstance(value, Mapping):
        name, keys = value.get("name"), value.keys()
        if name in _NAMED_TOKENIZERS:
            return str(name)
        borrowed = len(keys & OfExperiment.model_fields.keys()) > len(keys & Tokenizer.model_fields.keys())
        return "of_experiment" if borrowed else "sentencepiece"
    return next((name for name, one in _NAMED_TOKENIZERS.items() if isinstance(value, one)), "sentencepiece")


AnyTokenizer = Annotated[
    Annotated[Tokenizer, Tag("sentencepiece")]
    | Annotated[OfExperiment, Tag("of_experiment")]
    | Annotated[FromPretrained, Tag("pretrained")],
    Discriminator(_kind_of_tokenizer),
]


class Augment(Settings):
    """Copies of training rows in which words of what models read are left out and exchanged (Wei & Zou 2019: EDA).

    A copy depends only on the seed, the row and its number, and at least one word remains.
    """

    delete: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Probability that a word is left out (random deletion)."""
    swap: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    """Share of the remaining words, rounded down but at least 1: the number of times that two of them change places
    (random swap); 0 = none."""
    copies: PositiveInt = 1
    """Copies of each row, in addition to the row itself: 1 doubles the training data."""
    seed: NonNegativeInt = 1
    """Of the draws."""


_FIELD = re.compile(r"\{([^{}]*)\}")


def prompted_column(prompt: str) -> str:
    """The column that a prompt has in braces.

    Raises:
        ValueError: It has none, or several.

    """
    if len(found := _FIELD.findall(prompt)) != 1:
        raise ValueError(f"must have one column in braces, such as {{source}}, got {len(found)}")
    return str(found[0])


def _checked_prompt(prompt: str) -> str:
    prompted_column(prompt)
    return prompt


Prompt = Annotated[str, AfterValidator(_checked_prompt)]


class Data(Settings):
    """One corpus, made ready: what is read, what is kept, how it is cut into tokens."""

    corpus: Corpus = EmbeddedCorpus()
    lowercase: bool = False
    """Lower-case all texts of every split."""
    filters: Filters = Filters()
    tokenizer: AnyTokenizer = Tokenizer()
    max_tokens: Annotated[int, Field(ge=4, le=8192)] = 128
    """Training rows with a longer text are left out, or cut as `overlong` says. In validation and test sets, what
    models read is cut there. Both are counted."""
    overlong: Annotated[Literal["drop", "cut_end", "cut_middle"], ADDED] = "drop"
    """What happens to longer texts that models read: `drop` = their training rows are left out, and evaluation rows end
    at the bound; `cut_end` = both end there; `cut_middle` = both keep their first half and their last. A training row
    is always left out if the longer text is one that models should write."""
    prompt: Annotated[Prompt | None, ADDED] = None
    """What a pre-trained model reads in place of a text: `"translate English to German: {source}"`. The braces
    name the column that models read; not given = only the text.
    """
    augment: Annotated[Augment | None, ADDED] = None
    """Augmentation of the training split; not given = none."""
