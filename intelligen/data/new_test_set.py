"""A new test set: files that are checked and encoded as prepared splits are, and never stored."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from intelligen.config.schema.columns import Column
from intelligen.config.schema.data import Data, FilesCorpus
from intelligen.config.schema.split_forms import (
    Dialogues,
    HeldOut,
    PairTable,
    ParallelText,
    SplitFiles,
    Squad,
    known_columns,
)
from intelligen.data.class_labels import ClassLabels
from intelligen.data.corpora import require_known
from intelligen.data.corpus_files import FileRows
from intelligen.data.data_manifest import SplitReport
from intelligen.data.overlong import Fit
from intelligen.data.prepared_data import Prepared, Split
from intelligen.data.row_filters import Counts, evaluation_rows
from intelligen.data.split_writer import Encoder, write_split
from intelligen.errors import DataError


@dataclass(frozen=True)
class NewTestSet:
    """A test set that was not among the splits when the data were prepared."""

    name: str
    files: tuple[Path, ...]
    """One table (.tsv, .csv or .jsonl), two texts, source and target, or a .json file as the experiment's own test set;
    all plain or .gz."""
    table: PairTable | None = None
    """How the table is read; not given = as the experiment's own test set, if that is a table."""

    @contextmanager
    def encoded(self, prepared: Prepared, columns: Sequence[Column]) -> Iterator[tuple[Split, SplitReport]]:
        """Encode it by the vocabularies and the rules of prepared data; its arrays last as long as the context.

        Args:
            prepared: The data.
            columns: Those for which they were prepared.

        Raises:
            ConfigError: A single file is no table; the files lack one of the columns.
            DataError: A file is missing, empty or malformed; the message names file and line.

        """
        data, counts, classes = prepared.manifest.data, Counts(), prepared.manifest.classes
        rows = self._rows(data, columns)
        with TemporaryDirectory(prefix="intelligen-") as folder:
            report = write_split(
                self.name,
                evaluation_rows(rows, self.name, columns, data, counts, classes),
                columns=columns,
                directory=Path(folder),
                encoders={column.name: _encoder(prepared, column) for column in columns},
                fit=Fit(columns, data),
                counts=counts,
                on_progress=lambda stage, count: None,
                on_rows=lambda rows: None,
            )
            if not report.kept:
                raise DataError(f"{self.files[0]}: has no rows")
            files = {path.name: path.stat().st_size for path in Path(folder).iterdir()}
            manifest = prepared.manifest.model_copy(
                update={"splits": {self.name: report}, "files": files, "sha256": None}
            )
            yield Prepared(Path(folder), manifest).split(self.name), report

    def _rows(self, data: Data, columns: Sequence[Column]) -> FileRows:
        for path in self.files:
            if not path.is_file():
                # It is read more than once: a pipe would be empty then.
                what = "is not a regular file: write its contents into one" if path.exists() else "no such file"
                raise DataError(f"{path}: {what} (test set `{self.name}`)")
        # Without `..`, so that what they have in common is a folder that holds them.
        paths = [os.path.abspath(path) for path in self.files]
        folder = os.path.commonpath([os.path.dirname(path) for path in paths])
        names = [os.path.relpath(path, folder) for path in paths]
        if len(names) == 2:
            files: SplitFiles = ParallelText(source=names[0], target=names[1])
        elif self.table is None and names[0].endswith((".json", ".json.gz")):
            files = _json_like_own(data, names[0])
        else:
            files = (self.table or _fields_of(data)).model_copy(update={"file": names[0]})
        require_known(columns, known_columns(files), key=f"--data {self.name}")
        return FileRows(Path(folder), {self.name: files}, columns, key="")


def _encoder(prepared: Prepared, column: Column) -> Encoder:
    if column.kind == "label":
        return ClassLabels(prepared.classes(column.name))
    return prepared.tokenizer(column.name)


def _fields_of(data: Data) -> PairTable:
    """A table whose columns are called as those of the experiment's own test set, or of what that is drawn from."""
    own = _own(data)
    if not isinstance(own, PairTable):
        return PairTable(file="table")
    names = {"source_field": own.source_field, "target_field": own.target_field, "fields": own.fields}
    return PairTable.model_validate({"file": own.file, **names})


def _json_like_own(data: Data, name: str) -> SplitFiles:
    """A .json file of the form of the experiment's own test set; a table where that is none, which is then refused."""
    match _own(data):
        case Squad() as own:
            return own.model_copy(update={"squad": name})
        case Dialogues() as own:
            return own.model_copy(update={"dialogues": name})
        case _:
            return PairTable(file=name)


def _own(data: Data) -> SplitFiles | None:
    """The experiment's own test set, or what that is drawn from; none where it does not lie in files."""
    if not isinstance(data.corpus, FilesCorpus):
        return None
    splits = data.corpus.splits
    own = splits.get("test", splits["train"])
    own = splits["train"] if isinstance(own, HeldOut) else own
    return None if isinstance(own, HeldOut) else own
