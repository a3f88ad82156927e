"""A new test set: files that are checked and encoded as prepared splits are, and never stored."""

import hashlib
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
    Documents,
    HeldOut,
    LineFiles,
    PairTable,
    ParallelText,
    SplitFiles,
    Squad,
    TextFolder,
    known_columns,
)
from intelligen.data.class_labels import ClassLabels
from intelligen.data.corpora import require_known
from intelligen.data.corpus_files import FileRows, near
from intelligen.data.data_manifest import SplitReport
from intelligen.data.overlong import Fit
from intelligen.data.prepared_data import Prepared, Split
from intelligen.data.row_filters import Counts, evaluation_rows
from intelligen.data.split_writer import Encoder, write_split
from intelligen.data.table_files import is_table, kind_of
from intelligen.errors import ConfigError, DataError
from intelligen.state.atomic_files import sha256


@dataclass(frozen=True)
class NewTestSet:
    """A test set that was not among the splits when the data were prepared."""

    name: str
    files: tuple[Path, ...]
    """One table (.tsv, .csv or .jsonl), or two texts, source and target; all plain or .gz. Of columns that such data
    have also a folder of texts, whose subfolders are labels, or one text of documents. A .json file is what the
    experiment's own test set is."""
    table: PairTable | None = None
    """How the table is read; not given = as the experiment's own test set, if that is a table."""

    @contextmanager
    def encoded(self, prepared: Prepared, columns: Sequence[Column]) -> Iterator[tuple[Split, SplitReport]]:
        """Encode it by the vocabularies and the rules of prepared data; its arrays last as long as the context.

        Args:
            prepared: The data.
            columns: Those for which they were prepared.

        Raises:
            ConfigError: The columns cannot be read from such files.
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
            if not path.is_file() and not (path.is_dir() and len(self.files) == 1):
                # It is read more than once: a pipe would be empty then.
                what = "is not a regular file: write its contents into one" if path.exists() else "no such file"
                fix = "" if path.exists() else f"; {near(path) or 'check the path'}"
                raise DataError(f"{path}: {what} (test set `{self.name}`){fix}")
        # Without `..`, so that what they have in common is a folder that holds them.
        paths = [os.path.abspath(path) for path in self.files]
        folder = os.path.commonpath([os.path.dirname(path) for path in paths])
        names = [os.path.relpath(path, folder) for path in paths]
        files = self._files(names, data, tuple(column.name for column in columns))
        require_known(columns, known_columns(files), key=f"--data {self.name}")
        return FileRows(Path(folder), {self.name: files}, columns, key="")

    def _files(self, names: Sequence[str], data: Data, columns: tuple[str, ...]) -> SplitFiles:
        """What the files are, by their number, their kind and the columns."""
        if len(names) == 2:
            if columns == ("question", "answer"):
                return LineFiles(lines=dict(zip(columns, names, strict=True)))
            return ParallelText(source=names[0], target=names[1])
        table = (self.table or _named_as_usual(names[0], data)).model_copy(update={"file": names[0]})
        if self.files[0].is_dir():
            if set(columns) <= {"text", "label"}:
                return TextFolder(folder=names[0], labels=_labels_of(data))
            raise ConfigError(f"--data {self.name}: {self.files[0]} is a folder; give {_taken(columns)}")
        own = _own_test_set(data)
        if isinstance(own, Squad | Dialogues) and names[0].endswith((".json", ".json.gz")):
            return own.model_copy(update={"squad" if isinstance(own, Squad) else "dialogues": names[0]})
        if not is_table(table):
            if columns == ("text",):
                return Documents(documents=names[0])
            raise ConfigError(f"--data {self.name}: {self.files[0]} is no table; give {_taken(columns)}")
        return table

    def hashes(self) -> dict[str, str]:
        """File → SHA-256; of a folder, of the hashes and names of all that it holds, as `sha256sum` lists them."""
        return {str(path): _hash_of_folder(path) if path.is_dir() else sha256(path) for path in self.files}


def _taken(columns: Sequence[str]) -> str:
    """The forms from which these columns are read."""
    forms = [f"a .tsv, .csv or .jsonl file with {' and '.join(columns)}"]
    if "label" in columns:
        forms.append("a folder with a subfolder of .txt files for each label")
    if len(columns) == 2 and "label" not in columns:
        forms.append(f"two text files, {' and '.join(columns)}, as NAME=FILE,FILE")
    return ", or ".join(forms)


def _hash_of_folder(folder: Path) -> str:
    listed = [f"{sha256(path)}  {path.relative_to(folder)}\n" for path in sorted(folder.rglob("*")) if path.is_file()]
    return hashlib.sha256("".join(listed).encode()).hexdigest()


def _encoder(prepared: Prepared, column: Column) -> Encoder:
    if column.kind == "label":
        return ClassLabels(prepared.classes(column.name))
    return prepared.tokenizer(column.name)


def _own_test_set(data: Data) -> object:
    """The experiment's, or what that is drawn from."""
    if not isinstance(data.corpus, FilesCorpus):
        return None
    splits = data.corpus.splits
    own = splits.get("test", splits["train"])
    return splits["train"] if isinstance(own, HeldOut) else own


def _labels_of(data: Data) -> list[str] | None:
    own = _own_test_set(data)
    return own.labels if isinstance(own, TextFolder) else None


def _named_as_usual(file: str, data: Data) -> PairTable:
    """A table whose columns are called as those of the experiment's own test set, and ordered so without a header."""
    own = _own_test_set(data)
    if not isinstance(own, PairTable):
        return PairTable(file=file)
    names = {"source_field": own.source_field, "target_field": own.target_field, "fields": own.fields}
    table = PairTable.model_validate({"file": file, **names})
    in_order = is_table(table) and kind_of(table) != ".jsonl"
    return table.model_copy(update={"columns": own.columns}) if in_order else table
