"""Hugging Face data sets are one more place where pairs come from; the library is imported only when it is used."""

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from intelligen.config.base import content_hash
from intelligen.config.data import HubCorpus
from intelligen.errors import DataError, UnavailableError

_ROWS_AT_ONCE = 1000


class HubPairs:
    """The splits of a data set on the hub, of a clone of its repository, or of a `save_to_disk` directory."""

    def __init__(self, corpus: HubCorpus, *, key: str = "data.corpus.dataset") -> None:
        self._corpus = corpus
        self._key = key
        self._saved = (Path(corpus.dataset) / "dataset_dict.json").is_file()
        self.splits = tuple(corpus.splits)

    def pairs(self, split: str, notes: Counter[str] | None = None) -> Iterator[tuple[str, str]]:
        """The split's pairs in the data set's order; training rows end at the limit.

        Raises:
            DataError: no such split or column, or a row without text.
            UnavailableError: the hub or the data set cannot be reached.

        """
        rows = self._rows(split)
        return islice(rows, self._corpus.limit) if split == "train" else rows

    def locate(self, split: str, row: int) -> str:
        """The data set, its split and the row, counted from 0."""
        return f"{self._corpus.dataset}[{self._corpus.splits[split]}]:{row}"

    def fingerprint(self) -> str:
        """Content hash of what is read (the saved bytes, or the repository's commit) and of how it is read."""
        corpus = self._corpus
        with self._translated_errors():
            content = _saved_content(Path(corpus.dataset)) if self._saved else self._revision()
        splits = [text for names in corpus.splits.items() for text in names]
        return content_hash("hub", content, corpus.source_field, corpus.target_field, str(corpus.limit), *splits)

    def _revision(self) -> str:
        import datasets

        corpus = self._corpus
        builder = datasets.load_dataset_builder(corpus.dataset, corpus.subset, revision=corpus.revision)
        # The builder's hash is the repository's commit; of a local directory it covers names, sizes and times.
        return f"{builder.hash} {builder.config.name} {builder.config.version}"

    def _rows(self, split: str) -> Iterator[tuple[str, str]]:
        fields = self._corpus.source_field, self._corpus.target_field
        row = 0
        with self._translated_errors():
            dataset = self._open(split)
            names = dataset.column_names or list(next(iter(dataset), {}))
            roots = [self._column(field, names) for field in fields]
            for batch in dataset.select_columns(sorted(set(roots))).iter(batch_size=_ROWS_AT_ONCE):
                for cells in zip(*(batch[root] for root in roots), strict=True):
                    source, target = (
                        _text(cell, field[len(root) + 1 :], self.locate(split, row))
                        for cell, field, root in zip(cells, fields, roots, strict=True)
                    )
                    yield source, target
                    row += 1

    def _open(self, split: str) -> Any:
        import datasets

        if not sys.stderr.isatty():
            datasets.disable_progress_bars()
        corpus = self._corpus
        theirs = corpus.splits[split]
        if not self._saved:
            return datasets.load_dataset(
                corpus.dataset, corpus.subset, split=theirs, streaming=corpus.streaming, revision=corpus.revision
            )
        saved = datasets.load_from_disk(corpus.dataset)
        if theirs not in saved:
            raise DataError(f"{corpus.dataset}: no split `{theirs}` (there are {', '.join(saved)})")
        return saved[theirs]

    def _column(self, field: str, names: list[str]) -> str:
        """The column that holds the field: itself, or the one that its first dot descends from."""
        for name in (field, field.partition(".")[0]):
            if name in names:
                return name
        raise DataError(f"{self._corpus.dataset}: no column `{field}` (there are {', '.join(names)})")

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        from datasets.exceptions import DatasetsError

        name = self._corpus.dataset + (f" ({self._corpus.subset})" if self._corpus.subset else "")
        try:
            yield
        except (OSError, DatasetsError) as error:
            raise UnavailableError(
                f"data set {name} cannot be read: {_one_line(error)}; check its name and the network, or give the path"
                f" of a directory that `save_to_disk` wrote: -o {self._key}=PATH"
            ) from error
        except (ValueError, RuntimeError) as error:
            raise DataError(f"data set {name}: {_one_line(error)}") from error


def _text(cell: Any, path: str, where: str) -> str:
    """Descend into a nested cell along the dotted path; an empty path is the cell itself."""
    for key in path.split(".") if path else ():
        if not isinstance(cell, dict) or key not in cell:
            there = ", ".join(cell) if isinstance(cell, dict) else type(cell).__name__
            raise DataError(f"{where}: no field `{key}` (there are {there})")
        cell = cell[key]
    if not isinstance(cell, str):
        raise DataError(f"{where}: must be text, got {cell!r:.40}")
    return cell


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _saved_content(directory: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*.arrow")):
        digest.update(path.relative_to(directory).as_posix().encode())
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
