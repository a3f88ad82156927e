"""Corpora: named splits of rows, from files, the Hugging Face hub or the embedded grammar."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from intelligen.config.base import canonical_json, content_hash
from intelligen.config.schema.columns import Column, Row
from intelligen.config.schema.data import Corpus as CorpusSettings
from intelligen.config.schema.data import EmbeddedCorpus, FilesCorpus, HubCorpus, source_of
from intelligen.config.schema.split_forms import HeldOut
from intelligen.data.corpus_files import FileRows
from intelligen.data.corpus_interface import Corpus
from intelligen.data.held_out_split import Comparable, HeldOutRows, as_it_is, drawn_groups, drawn_splits
from intelligen.data.huggingface import HubRows
from intelligen.data.json_fields import nearest_of
from intelligen.errors import ConfigError


class EmbeddedRows:
    """The splits of the grammar inside the package."""

    def __init__(self, corpus: EmbeddedCorpus, columns: Sequence[Column]) -> None:
        # The grammar takes half a second to import, which few processes need.
        from intelligen.data.embedded import EMBEDDED_SPLITS

        self._corpus = corpus
        self._sides = [corpus.known.index(column.name) for column in columns]
        self._written: dict[str, list[Row]] = {}
        self.splits: tuple[str, ...] = EMBEDDED_SPLITS
        self.key = "data.corpus"

    def rows(self, split: str, notes: Counter[str] | None = None) -> Iterator[Row]:
        """The split's rows; the grammar leaves nothing to fix."""
        # Read more than once, and far slower to write than to remember; the grammar's own memory of what it has
        # written grows with the split just so.
        if split not in self._written:
            from intelligen.data.embedded import sentence_pairs

            pairs = sentence_pairs(split, self._corpus)
            self._written[split] = [tuple([pair[side] for side in self._sides]) for pair in pairs]
        return iter(self._written[split])

    def locate(self, split: str, row: int) -> str:
        """The split and the row."""
        return f"embedded[{split}]:{row}"

    def fingerprint(self) -> str:
        """Content hash of the settings and of the grammar's version."""
        from intelligen.data.embedded.version import version_parts

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
    chosen, key = source_of(corpus)
    require_known(columns, chosen.known, key=key)
    if isinstance(chosen, EmbeddedCorpus):
        return EmbeddedRows(chosen, columns)
    train = chosen.model_copy(update={"splits": {"train": chosen.splits["train"]}})
    groups: dict[str, Corpus] = {}
    for split, field in drawn_groups(chosen.splits).items():
        by = (*columns, Column(field, read=True, kind="label"))
        require_known(by[-1:], train.known, key=f"{key}.splits.train", needed=f"splits.{split}.group names")
        groups[split] = _rows(train, by, key)
    found, drawn = _rows(chosen, columns, key), drawn_splits(chosen.splits)
    return HeldOutRows(found, drawn, comparable, groups) if drawn else found


def _rows(corpus: FilesCorpus | HubCorpus, columns: Sequence[Column], key: str) -> Corpus:
    """Of the splits that have data of their own."""
    if isinstance(corpus, HubCorpus):
        return HubRows(corpus, columns, key=key)
    assert corpus.folder is not None
    files = {split: files for split, files in corpus.splits.items() if not isinstance(files, HeldOut)}
    return FileRows(Path(corpus.folder), files, columns, key=f"{key}.splits")


def require_known(
    columns: Sequence[Column], known: Collection[str] | None, *, key: str, needed: str = "the task needs"
) -> None:
    """Refuse data whose rows lack a column that a task asks for.

    Args:
        columns: The task's.
        known: The columns of a row; None = only the data themselves have them.
        key: What the message calls the data.
        needed: By what.

    Raises:
        ConfigError: they lack one.

    """
    for column in columns:
        if known is not None and column.name not in known:
            raise ConfigError(
                f"{key}: give data with `{column.name}`, which {needed}; these have none"
                f"{nearest_of(column.name, known)}"
            )
