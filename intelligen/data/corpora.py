"""Corpora: named splits of rows, from files, the Hugging Face hub or the embedded grammar."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from intelligen.config.base import canonical_json, content_hash
from intelligen.config.schema.columns import Column, Row
from intelligen.config.schema.data import Corpus as CorpusSettings
from intelligen.config.schema.data import EmbeddedCorpus, FilesCorpus, HeldOut, HubCorpus
from intelligen.data.corpus_interface import Corpus
from intelligen.data.embedded import EMBEDDED_SPLITS, sentence_pairs
from intelligen.data.embedded.version import version_parts
from intelligen.data.held_out_split import Comparable, HeldOutRows, as_it_is, drawn_splits
from intelligen.data.huggingface import HubRows
from intelligen.data.json_fields import nearest_of
from intelligen.data.parallel_files import FileRows
from intelligen.errors import ConfigError


class EmbeddedRows:
    """The splits of the grammar inside the package."""

    def __init__(self, corpus: EmbeddedCorpus, columns: Sequence[Column]) -> None:
        self._corpus = corpus
        self._sides = [corpus.fields.index(column.name) for column in columns]
        self._written: dict[str, list[Row]] = {}
        self.splits: tuple[str, ...] = EMBEDDED_SPLITS
        self.key = "data.corpus"

    def rows(self, split: str, notes: Counter[str] | None = None) -> Iterator[Row]:
        """The split's rows; the grammar leaves nothing to fix."""
        # Read more than once, and far slower to write than to remember; the grammar's own memory of what it has
        # written grows with the split just so.
        if split not in self._written:
            pairs = sentence_pairs(split, self._corpus)
            self._written[split] = [tuple([pair[side] for side in self._sides]) for pair in pairs]
        return iter(self._written[split])

    def locate(self, split: str, row: int) -> str:
        """The split and the row."""
        return f"embedded[{split}]:{row}"

    def fingerprint(self) -> str:
        """Content hash of the settings and of the grammar's version."""
        return content_hash("embedded", canonical_json(self._corpus), *version_parts())


def open_corpus(corpus: CorpusSettings, columns: Sequence[Column], comparable: Comparable = as_it_is) -> Corpus:
    """The corpus that the settings name; files without a folder come from their hub.

    Args:
        corpus: Its settings.
        columns: What its rows are to have.
        comparable: What is trained on of a row, for splits that are drawn from the training split.

    Raises:
        ConfigError: it lacks one of the columns; see `FileRows`.
        DataError: see `FileRows`.

    """
    if isinstance(corpus, EmbeddedCorpus):
        require_fields(columns, corpus.fields, key="data.corpus")
        return EmbeddedRows(corpus, columns)
    key, chosen = "data.corpus", corpus
    if isinstance(corpus, FilesCorpus) and corpus.folder is None:
        assert corpus.hub is not None
        key, chosen = "data.corpus.hub", corpus.hub
    require_fields(columns, chosen.fields, key=key)
    drawn = drawn_splits(chosen.splits)
    found: Corpus
    if isinstance(chosen, HubCorpus):
        found = HubRows(chosen, columns, key=key)
    else:
        assert chosen.folder is not None
        files = {split: files for split, files in chosen.splits.items() if not isinstance(files, HeldOut)}
        found = FileRows(Path(chosen.folder), files, columns, key=f"{key}.splits")
    return HeldOutRows(found, drawn, comparable) if drawn else found


def require_fields(columns: Sequence[Column], fields: Collection[str], *, key: str) -> None:
    """Refuse data whose rows lack a text that a task asks for.

    Args:
        columns: The task's.
        fields: The texts of a row.
        key: What the message calls the data.

    Raises:
        ConfigError: they lack one.

    """
    for column in columns:
        if column.name not in fields:
            raise ConfigError(
                f"{key}: give data with `{column.name}`, which the task needs; these have none"
                f"{nearest_of(column.name, fields)}"
            )
