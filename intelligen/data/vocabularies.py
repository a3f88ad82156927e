"""Vocabularies of prepared data: learnt from the training texts, or those that another experiment's data have."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from intelligen.config.files.suggested_fixes import fixes_in_file
from intelligen.config.named_experiments import named_experiment
from intelligen.config.schema.columns import Column, Row, texts_of
from intelligen.config.schema.data import Data, FromPretrained, OfExperiment, Tokenizer
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.pretrained_source import open_as_resolved
from intelligen.data.corpus_interface import Corpus
from intelligen.data.data_manifest import MOST_UNKNOWN, BorrowedVocabularies, SplitReport, unknown_share
from intelligen.data.json_fields import nearest_of
from intelligen.data.moses_tokenizer import MosesTokenizer
from intelligen.data.prepared_data import Prepared
from intelligen.data.row_filters import Counts, training_rows
from intelligen.data.sentencepiece_tokenizer import moses_of, train_tokenizer
from intelligen.errors import DataError

_JOINT = "joint.model"
_PROGRESS_ROWS = 10_000


def learn_vocabularies(
    corpus: Corpus,
    columns: Sequence[Column],
    data: Data,
    settings: Tokenizer,
    *,
    directory: Path,
    on_progress: Callable[[str, int], None],
) -> dict[str, str]:
    """Write the vocabularies that the training texts teach.

    Args:
        corpus: Has the texts.
        columns: Of its rows.
        data: Which rows train, and how they are written.
        settings: Of the vocabularies.
        directory: Where the files go.
        on_progress: Gets the stage's name and the rows read so far.

    Returns:
        Text column → file of its vocabulary.

    Raises:
        DataError: there are no such texts, or too few for the vocabulary.

    """
    names = [column.name for column in columns if column.kind == "text"]

    def texts() -> Iterator[Row]:
        return _training_texts(corpus, columns, data, settings, on_progress)

    if settings.joint:
        (directory / _JOINT).write_bytes(train_tokenizer(chain.from_iterable(texts()), settings))
        return dict.fromkeys(names, _JOINT)
    files = {name: f"{name}.model" for name in names}
    for index, file in enumerate(files.values()):
        (directory / file).write_bytes(train_tokenizer((row[index] for row in texts()), settings))
    return files


def take_pretrained(data: Data, columns: Sequence[Column], *, directory: Path) -> dict[str, str]:
    """Write the vocabulary of a pre-trained model, for each text column by itself.

    Returns:
        Text column → file of its vocabulary.

    Raises:
        DataError: The model's directory is gone, has changed, or its tokenizer does not fit it.

    """
    from intelligen.data.pretrained_tokenizer import pack

    assert isinstance(data.tokenizer, FromPretrained)
    assert data.tokenizer.resolved is not None
    found = open_as_resolved(data.tokenizer.resolved)
    files = {column.name: f"{column.name}.tokenizer" for column in columns if column.kind == "text"}
    for column in columns:
        if column.kind == "text":
            pack(found, directory / files[column.name], written=not column.read)
    return files


def require_known_text(train: SplitReport) -> None:
    """Refuse training texts that a pre-trained model's vocabulary does not know.

    Raises:
        DataError: More than 5 % of a column's tokens are UNK.

    """
    for column, report in train.columns.items():
        if unknown_share(report) > MOST_UNKNOWN:
            raise DataError(
                f"{column}: {unknown_share(report):.1%} of the training tokens are unknown to the pre-trained"
                f" vocabulary (at most {MOST_UNKNOWN:.0%}): take a model of this language, or data.lowercase where it"
                " knows small letters alone"
            )


def _training_texts(
    corpus: Corpus,
    columns: Sequence[Column],
    data: Data,
    settings: Tokenizer,
    on_progress: Callable[[str, int], None],
) -> Iterator[Row]:
    """The texts of the training rows, tokenised by Moses' rules where they apply."""
    counts, kept = Counts(), 0
    rules = [moses_of(settings, column.name) for column in columns if column.kind == "text"]
    with_moses, texts_in = any(rules), texts_of(columns)
    for kept, row in enumerate(training_rows(corpus, columns, data, counts), start=1):
        texts = texts_in(row)
        yield _tokenized(texts, rules) if with_moses else texts
        if kept % _PROGRESS_ROWS == 0:
            on_progress("reading train", counts.read)
    require_rows(kept, counts)
    on_progress("learning the vocabulary", kept)


def require_rows(kept: int, counts: Counts) -> None:
    """Refuse data of which nothing trains.

    Raises:
        DataError: no row was kept.

    """
    if not kept:
        dropped = ", ".join(f"{count:,} {reason}" for reason, count in counts.dropped.items())
        raise DataError(
            f"no training row of {counts.read:,} is left" + (f" ({dropped}): see data.filters" * bool(dropped))
        )


def _tokenized(row: Row, rules: Sequence[MosesTokenizer | None]) -> Row:
    return tuple([rule.tokenize(text) if rule else text for text, rule in zip(row, rules, strict=True)])


@dataclass(frozen=True)
class Borrowed:
    """Vocabularies that another experiment's data have."""

    prepared: Prepared
    """Those data."""
    files: dict[str, str]
    """Text column → file of its vocabulary there."""

    @property
    def hashes(self) -> dict[str, str]:
        """Text column → SHA-256 of its vocabulary."""
        return {column: self.prepared.file_hash(file) for column, file in self.files.items()}

    def origin(self) -> BorrowedVocabularies:
        """What the manifest is to know of them."""
        manifest = self.prepared.manifest
        lowercase = manifest.data.lowercase if manifest.borrowed is None else manifest.borrowed.lowercase
        assert manifest.tokenizer is not None, "a vocabulary that a pre-trained model brought is not borrowed"
        return BorrowedVocabularies(prepared=manifest.identity, tokenizer=manifest.tokenizer, lowercase=lowercase)

    def copy_to(self, directory: Path) -> dict[str, str]:
        """Copy them.

        Returns:
            Text column → file of its vocabulary.

        """
        for file in {*self.files.values()}:
            shutil.copyfile(self.prepared.directory / file, directory / file)
        return self.files


def borrow(settings: OfExperiment, columns: Sequence[Column], prepare: Callable[[Experiment], Prepared]) -> Borrowed:
    """The vocabularies of another experiment's data for columns of ours.

    Args:
        settings: Name the experiment.
        columns: Ours.
        prepare: Finds or makes an experiment's data.

    Raises:
        ConfigError: its file is wrong.
        DataError: it has no vocabulary for one of the columns; see `prepare`.

    """
    with fixes_in_file(settings.experiment):
        theirs = prepare(named_experiment(Path(settings.experiment))[0])
    known = theirs.manifest.tokenizers
    joint = _JOINT if _JOINT in known.values() else None
    files: dict[str, str] = {}
    for name in (column.name for column in columns if column.kind == "text"):
        file = known.get(name, joint)
        if file is None:
            raise DataError(
                f"data.tokenizer.experiment: the data of {settings.experiment} have no vocabulary for the column {name}"
                f"{nearest_of(name, known)}, and no joint one; set data.tokenizer.joint: true there"
            )
        files[name] = file
    return Borrowed(theirs, files)
