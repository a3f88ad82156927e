"""Every corpus is named splits of (source, target) pairs, wherever it lies."""

from collections import Counter
from collections.abc import Iterator
from typing import Protocol, assert_never

from intelligen.config.base import canonical_json, content_hash
from intelligen.config.data import Corpus, EmbeddedCorpus, FilesCorpus, HubCorpus
from intelligen.data.embedded import EMBEDDED_SPLITS, GRAMMAR_VERSION, sentence_pairs
from intelligen.data.files import FilePairs
from intelligen.data.hub import HubPairs


class PairCorpus(Protocol):
    """What every corpus can do."""

    splits: tuple[str, ...]

    def pairs(self, split: str, notes: Counter[str] | None = None) -> Iterator[tuple[str, str]]:
        """The pairs of a split, always in the same order; what had to be mended is counted in `notes`."""

    def locate(self, split: str, row: int) -> str:
        """Where a pair stands, for an error message; rows count from 0."""

    def fingerprint(self) -> str:
        """Content hash: equal fingerprints mean equal pairs, wherever they lie."""


class EmbeddedPairs:
    """The splits of the grammar inside the package."""

    def __init__(self, corpus: EmbeddedCorpus) -> None:
        self._corpus = corpus
        self.splits: tuple[str, ...] = tuple(EMBEDDED_SPLITS)

    def pairs(self, split: str, notes: Counter[str] | None = None) -> Iterator[tuple[str, str]]:
        """The split's pairs; the grammar leaves nothing to mend."""
        return sentence_pairs(split, self._corpus)

    def locate(self, split: str, row: int) -> str:
        """The split and the row."""
        return f"embedded[{split}]:{row}"

    def fingerprint(self) -> str:
        """Settings and the grammar's version."""
        return content_hash("embedded", canonical_json(self._corpus), str(GRAMMAR_VERSION))


def open_corpus(corpus: Corpus) -> PairCorpus:
    """The corpus that the settings name; files without a folder come from their hub.

    Raises:
        ConfigError, DataError: see `FilePairs`.

    """
    match corpus:
        case EmbeddedCorpus():
            return EmbeddedPairs(corpus)
        case FilesCorpus(folder=None):
            assert corpus.hub is not None
            return HubPairs(corpus.hub)
        case FilesCorpus():
            return FilePairs(corpus)
        case HubCorpus():
            return HubPairs(corpus)
        case _:
            assert_never(corpus)
