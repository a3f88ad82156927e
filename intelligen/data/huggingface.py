"""Rows of Hugging Face data sets; their library is imported only when it is used."""

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from intelligen.config.base import content_hash
from intelligen.config.schema.columns import Column, Row
from intelligen.config.schema.data import HubCorpus
from intelligen.data.held_out_split import held_out_fix
from intelligen.data.json_fields import RecordField, first_key, nearest_of, text_of
from intelligen.data.text_lines import one_line_rows
from intelligen.errors import DataError, UnavailableError

_ROWS_AT_ONCE = 1000


class HubRows:
    """The splits of a data set on the hub, of a clone of its repository, or of a `save_to_disk` directory.

    Args:
        corpus: Settings.
        columns: Fields of the corpus; no other is read.
        key: Theirs, for messages that name a fix.

    """

    def __init__(self, corpus: HubCorpus, columns: Sequence[Column], *, key: str = "data.corpus") -> None:
        self._corpus = corpus
        self._fields = [RecordField(corpus.field(one.name), one.name, label=one.kind == "label") for one in columns]
        self.key = f"{key}.splits"
        self._key = key
        # What `save_to_disk` writes of a data set with splits, and of a single one.
        self._saved = any((Path(corpus.dataset) / name).is_file() for name in ("dataset_dict.json", "state.json"))
        self._names = {split: name for split, name in corpus.splits.items() if isinstance(name, str)}
        self.splits = tuple(self._names)

    def rows(self, split: str, notes: Counter[str] | None = None) -> Iterator[Row]:
        """The split's rows in the data set's order; training rows end at the limit, and line breaks are counted.

        Raises:
            DataError: no such split or column, or a row without text.
            UnavailableError: the hub or the data set cannot be reached.

        """
        rows = one_line_rows(self._read(split), Counter() if notes is None else notes)
        return islice(rows, self._corpus.limit) if split == "train" else rows

    def locate(self, split: str, row: int) -> str:
        """The data set, its split and the row, counted from 0."""
        return f"{self._corpus.dataset}[{self._names[split]}]:{row}"

    def fingerprint(self) -> str:
        """Content hash of what is read (the saved bytes, or the repository's commit) and of how it is read."""
        corpus = self._corpus
        with self._translated_errors():
            content = _saved_content(Path(corpus.dataset)) if self._saved else self._revision()
        splits = [text for names in self._names.items() for text in names]
        return content_hash("hub", content, *(field.name for field in self._fields), str(corpus.limit), *splits)

    def _revision(self) -> str:
        import datasets

        corpus = self._corpus
        builder = datasets.load_dataset_builder(corpus.dataset, corpus.subset, revision=corpus.revision)
        # The builder's hash is the repository's commit; of a local directory it covers names, sizes and times.
        return f"{builder.hash} {builder.config.name} {builder.config.version}"

    def _read(self, split: str) -> Iterator[Row]:
        row = 0
        with self._translated_errors():
            dataset = self._open(split)
            names = dataset.column_names or list(next(iter(dataset), {}))
            roots = sorted({self._column(field, names) for field in self._fields})
            for batch in dataset.select_columns(roots).iter(batch_size=_ROWS_AT_ONCE):
                for cells in zip(*(batch[root] for root in roots), strict=True):
                    record, where = dict(zip(roots, cells, strict=True)), self.locate(split, row)
                    yield tuple([text_of(record, field, where) for field in self._fields])
                    row += 1

    def _open(self, split: str) -> Any:
        import datasets

        if not sys.stderr.isatty():
            datasets.disable_progress_bars()
        corpus = self._corpus
        theirs = self._names[split]
        try:
            if not self._saved:
                return datasets.load_dataset(
                    corpus.dataset, corpus.subset, split=theirs, streaming=corpus.streaming, revision=corpus.revision
                )
            found = datasets.load_from_disk(corpus.dataset)
            saved = {"train": found} if isinstance(found, datasets.Dataset) else found
            if theirs not in saved:
                raise ValueError(f"Unknown split `{theirs}`{nearest_of(theirs, saved)}")
        except ValueError as error:  # `load_dataset` raises it for a split that is not there
            can_be_drawn = "split" in str(error) and split != "train"
            fix = f"; {held_out_fix(self.key, split)}" if can_be_drawn else ""
            raise DataError(f"data set {corpus.dataset}: {_one_line(error)}{fix}") from error
        return saved[theirs]

    def _column(self, field: RecordField, names: list[str]) -> str:
        """The column that holds the field."""
        name = first_key(field.name, names)
        if name not in names:
            raise DataError(
                f"{self._corpus.dataset}: no column `{field.name}`{nearest_of(field.name, names)};"
                f" -o {self._key}.{field.setting}=NAME says which one is the {field.column}"
            )
        return name

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        from datasets.exceptions import DatasetsError

        name = self._corpus.dataset + (f" ({self._corpus.subset})" if self._corpus.subset else "")
        try:
            yield
        except (OSError, DatasetsError) as error:
            raise UnavailableError(
                f"data set {name} cannot be read: {_one_line(error)}; check its name and the network, or give the path"
                f" of a directory that `save_to_disk` wrote: -o {self._key}.dataset=PATH"
            ) from error
        except (ValueError, RuntimeError) as error:
            raise DataError(f"data set {name}: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _saved_content(directory: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*.arrow")):
        digest.update(path.relative_to(directory).as_posix().encode())
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
