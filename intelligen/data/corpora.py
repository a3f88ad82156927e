"""Every corpus is named splits of (source, target) pairs of one line each, wherever it lies."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from intelligen.config.base import canonical_json, content_hash
from intelligen.config.data import Corpus, EmbeddedCorpus, FilesCorpus, HeldOut, HubCorpus
from intelligen.data.embedded import EMBEDDED_SPLITS, sentence_pairs
from intelligen.data.embedded.version import version_parts
from intelligen.data.files import FilePairs
from intelligen.data.held_out import Comparable, HeldOutPairs, as_it_is, drawn_splits
from intelligen.data.hub import HubPairs


class PairCorpus(Protocol):
    """What every corpus can do."""

    splits: tuple[str, ...]
    key: str
    """Of the splits in the settings, for messages that name a fix."""

    def pairs(self, split: str, notes: Counter[str] | None = None) -> Iterator[tuple[str, str]]:
        """The pairs of a split, always in the same order; what had to be fixed is counted in `notes`."""

    def locate(self, split: str, row: int) -> str:
        """Where a pair stands, for an error message; rows count from 0."""

    def fingerprint(self) -> str:
        """Content hash: equal fingerprints mean equal pairs, wherever they lie."""


class EmbeddedPairs:
    """The splits of the grammar inside the package."""

    def __init__(self, corpus: EmbeddedCorpus) -> None:
        self._corpus = corpus
        self._written: dict[str, list[tuple[str, str]]] = {}
        self.splits: tuple[str, ...] = EMBEDDED_SPLITS
        self.key = "data.corpus"

    def pairs(self, split: str, notes: Counter[str] | None = None) -> Iterator[tuple[str, str]]:
        """The split's pairs; the grammar leaves nothing to mend."""
        # Read more than once, and far slower to write than to remember; the grammar's own memory of what it has
        # written grows with the split just so.
        if split not in self._written:
            self._written[split] = list(sentence_pairs(split, self._corpus))
        return iter(self._written[split])

    def locate(self, split: str, row: int) -> str:
        """The split and the row."""
        return f"embedded[{split}]:{row}"

    def fingerprint(self) -> str:
        """Content hash of the settings and of the grammar's version."""
        return content_hash("embedded", canonical_json(self._corpus), *version_parts())


def open_corpus(corpus: Corpus, comparable: Comparable = as_it_is) -> PairCorpus:
    """The corpus that the settings name; files without a folder come from their hub.

    Args:
        corpus: Its settings.
        comparable: What is trained on of a pair, for splits that are drawn from the training split.

    Raises:
        ConfigError, DataError: see `FilePairs`.

    """
    if isinstance(corpus, EmbeddedCorpus):
        return EmbeddedPairs(corpus)
    key, place = "data.corpus", corpus
    if isinstance(corpus, FilesCorpus) and corpus.folder is None:
        assert corpus.hub is not None
        key, place = "data.corpus.hub", corpus.hub
    drawn = drawn_splits(place.splits)
    found: PairCorpus
    if isinstance(place, HubCorpus):
        found = HubPairs(place, key=key)
    else:
        assert place.folder is not None
        files = {split: files for split, files in place.splits.items() if not isinstance(files, HeldOut)}
        found = FilePairs(Path(place.folder), files, key=f"{key}.splits")
    return HeldOutPairs(found, drawn, comparable) if drawn else found
