"""Preparation of data: built beside its final directory, then renamed; found again by content hash."""

import errno
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

from intelligen.config.base import comparable, content_hash
from intelligen.config.schema.columns import SOURCE_AND_TARGET, Column, Row
from intelligen.config.schema.data import Data, OfExperiment, Tokenizer
from intelligen.config.schema.experiment import Experiment
from intelligen.data.checksums import sha256
from intelligen.data.class_labels import learn_classes
from intelligen.data.corpora import open_corpus
from intelligen.data.corpus_interface import Corpus
from intelligen.data.data_manifest import (
    FORMAT,
    Manifest,
    SplitReport,
    content_of,
    tokenizer_settings,
    write_manifest,
)
from intelligen.data.held_out_split import held_out_fix
from intelligen.data.overlong import Fit
from intelligen.data.prepared_data import Prepared, open_prepared
from intelligen.data.row_filters import Counts, augmented_rows, evaluation_rows, trained_on
from intelligen.data.split_overlap import OverlapCount, RowHashes
from intelligen.data.split_writer import Encoder, write_split
from intelligen.data.vocabularies import (
    Borrowed,
    borrow,
    learn_vocabularies,
    require_known_text,
    require_rows,
    take_pretrained,
)
from intelligen.data.vocabulary_file import open_vocabularies
from intelligen.errors import DataError, StorageError
from intelligen.state import layout
from intelligen.state.building_directory import make_building, publish

OnProgress = Callable[[str, int], None]


def prepare(data: Data, store: Path, *, columns: Sequence[Column], on_progress: OnProgress | None = None) -> Prepared:
    """Find the prepared data of these settings, columns and this content, or make them.

    Processes may prepare the same data at once: the first to finish wins, and all use its work.

    Args:
        data: Settings.
        store: The data lie in `store/prepared/<identity>`.
        columns: The task's.
        on_progress: Gets a stage's name and the rows that it has read so far.

    Raises:
        ConfigError: the corpus lacks one of the columns; the experiment that the vocabularies are of is wrong.
        DataError: the data are not what they claim to be, or too few.
        UnavailableError: the hub cannot be reached.
        CannotCreateError: the store cannot be written.
        StorageError: disk full, or damaged prepared data.

    """
    corpus = open_corpus(data.corpus, columns, trained_on(data, columns))
    fingerprint = corpus.fingerprint()
    borrowed = None
    if isinstance(data.tokenizer, OfExperiment):
        borrowed = borrow(data.tokenizer, columns, partial(_prepared, store=store, on_progress=on_progress))
    identity = data_identity(data, fingerprint, columns, borrowed)
    directory = layout.prepared(store, identity)
    if directory.exists():
        found = open_prepared(directory)
        found.verify()  # damage shows before anything is trained
        return found
    building = make_building(directory)
    try:
        manifest = _Build(data, columns, corpus, borrowed, building, on_progress or _silent).run(identity, fingerprint)
        write_manifest(building, content_of(manifest))
        publish(building, directory)
    except OSError as error:
        raise _storage_error(error, building) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return open_prepared(directory)


def _prepared(experiment: Experiment, *, store: Path, on_progress: OnProgress | None) -> Prepared:
    return prepare(experiment.data, store, columns=experiment.task.columns, on_progress=on_progress)


def data_identity(data: Data, fingerprint: str, columns: Sequence[Column], borrowed: Borrowed | None = None) -> str:
    """Content hash of the corpus' content, the settings that shape it, the columns, and the format; paths do not count.

    Source and target, which were the only columns at first, add nothing to it.
    """
    settings = comparable(data, exclude={"corpus"})
    if borrowed is not None:
        settings["tokenizer"] = {"name": "of_experiment", "vocabularies": borrowed.hashes}
    other_columns = json.dumps([_identified(column) for column in columns])
    others = () if tuple(columns) == SOURCE_AND_TARGET else (other_columns,)
    return content_hash(json.dumps(settings, sort_keys=True), fingerprint, str(FORMAT), *others)


def _identified(column: Column) -> list[object]:
    """What the identity knows of a column; of texts that are not windowed, what the first release knew."""
    others = [column.kind, column.windowed] if column.kind != "text" or column.windowed else []
    return [column.name, column.read, *others]


class _Build:
    """One preparation under way."""

    def __init__(
        self,
        data: Data,
        columns: Sequence[Column],
        corpus: Corpus,
        borrowed: Borrowed | None,
        directory: Path,
        on_progress: OnProgress,
    ) -> None:
        self._data = data
        self._borrowed = borrowed
        self._columns = columns
        self._corpus = corpus
        self._directory = directory
        self._on_progress = on_progress

    def run(self, identity: str, fingerprint: str) -> Manifest:
        """Write every file but the manifest, which is returned."""
        evaluation = [split for split in self._corpus.splits if split != "train"]
        self._classes = learn_classes(self._corpus, self._columns, self._data)
        # Before the long work: a bad test set must not show at its end.
        rows = {split: self._checked(split) for split in evaluation}
        self._require_other_rows(rows)
        self._comparison = OverlapCount(rows, self._columns)
        files, origin = self._vocabularies(), None if self._borrowed is None else self._borrowed.origin()
        settings = tokenizer_settings(self._data, origin)
        vocabularies = open_vocabularies(self._directory, files, self._data, learnt_by=settings)
        encoders: dict[str, Encoder] = {**vocabularies, **self._classes}
        splits = {split: self._write(split, encoders) for split in ("train", *evaluation)}
        self._check_lengths(splits["train"])
        if settings is None:
            require_known_text(splits["train"])
        duplicates = self._comparison.duplicates()
        written = sorted(self._directory.iterdir())
        packages = ("intelligen", *_packages(settings))
        return Manifest(
            format=FORMAT,
            identity=identity,
            fingerprint=fingerprint,
            data=self._data,
            versions={package: version(package) for package in packages},
            tokenizers=files,
            borrowed=origin,
            classes={column: labels.classes for column, labels in self._classes.items()},
            splits={
                split: report.model_copy(update={"duplicates": duplicates[split]}) for split, report in splits.items()
            },
            files={path.name: path.stat().st_size for path in written},
            sha256={path.name: sha256(path) for path in written},
            overlaps=self._comparison.overlaps(),
        )

    def _vocabularies(self) -> dict[str, str]:
        """Text column → file of its vocabulary, learnt or borrowed."""
        if self._borrowed is not None:
            return self._borrowed.copy_to(self._directory)
        settings, to = tokenizer_settings(self._data), self._directory
        if settings is None:
            return take_pretrained(self._data, self._columns, directory=to)
        return learn_vocabularies(
            self._corpus, self._columns, self._data, settings, directory=to, on_progress=self._on_progress
        )

    def _checked(self, split: str) -> RowHashes:
        """An evaluation split's rows, after all of them were read."""
        rows = RowHashes.of(self._evaluation_rows(split, Counts()), self._columns)
        if not len(rows):
            raise DataError(f"split `{split}` is empty")
        return rows

    def _require_other_rows(self, evaluation: dict[str, RowHashes]) -> None:
        """Refuse a validation set that is a test set: what it selects is then measured on what selected it."""
        valid = evaluation["valid"]
        for split, rows in evaluation.items():
            if split != "valid" and rows.holds_the_same_as(valid):
                fix = held_out_fix(self._corpus.key, "valid", rows=min(len(valid), 500))
                raise DataError(
                    f"splits `valid` and `{split}` hold the same {len(valid):,} rows: a model would be selected"
                    f" on its test data; give `valid` its own data, or {fix}"
                )

    def _write(self, split: str, encoders: Mapping[str, Encoder]) -> SplitReport:
        counts, train = Counts(), split == "train"
        rows = (
            augmented_rows(self._corpus, self._columns, self._data, counts)
            if train
            else self._evaluation_rows(split, counts)
        )
        report = write_split(
            split,
            rows,
            columns=self._columns,
            directory=self._directory,
            encoders=encoders,
            fit=Fit(self._columns, self._data),
            counts=counts,
            on_progress=self._on_progress,
            on_rows=self._comparison.add_train if train else _ignored,
        )
        if train and not counts.dropped["too_many_tokens"]:
            require_rows(report.kept, counts)
        return report

    def _evaluation_rows(self, split: str, counts: Counts) -> Iterator[Row]:
        classes = {column: labels.classes for column, labels in self._classes.items()}
        return evaluation_rows(self._corpus, split, self._columns, self._data, counts, classes)

    def _check_lengths(self, train: SplitReport) -> None:
        overlong = train.dropped.get("too_many_tokens", 0)
        if overlong > train.kept:
            raise DataError(
                f"{overlong:,} of {overlong + train.kept:,} training rows are longer than data.max_tokens"
                f" ({self._data.max_tokens}): raise it, cut what models read with -o data.overlong=cut_end, or check"
                " whether the lines are sentences"
            )
        for column, labels in self._classes.items():
            for label, rows in zip(labels.classes, train.columns[column].of_classes or (), strict=True):
                if not rows:
                    raise DataError(
                        f"{column} `{label}`: all its training rows are longer than data.max_tokens"
                        f" ({self._data.max_tokens}): raise it, or cut them with -o data.overlong=cut_end"
                    )


def _packages(learnt_by: Tokenizer | None) -> tuple[str, ...]:
    """Those by which texts become tokens."""
    if learnt_by is None:
        return ("transformers",)
    return ("sentencepiece", *(("sacremoses",) if learnt_by.moses else ()))


def _silent(stage: str, rows: int) -> None:
    """Progress that is shown nowhere."""


def _ignored(rows: Sequence[Row]) -> None:
    """Rows that nothing is counted of."""


def _storage_error(error: OSError, building: Path) -> StorageError:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(f"{error.filename or building}: {error.strerror}")
    written = sum(path.stat().st_size for path in building.iterdir())
    free = shutil.disk_usage(building).free
    return StorageError(
        f"{building.parent}: disk full after {written:,} bytes of prepared data, {free:,} free:"
        " free space or choose another --runs"
    )
