"""The embedded corpus: what may be in a split is decided by the English sentence alone, so no two splits overlap."""

import zlib
from collections.abc import Iterator
from random import Random

from intelligen.config.schema.data import EmbeddedCorpus
from intelligen.data.embedded.sampling import Weighted
from intelligen.data.embedded.sentences import Author

EMBEDDED_SPLITS = ("train", "valid", "test", "test_ood")

# Of every sixteen English sentences one can be in each of the evaluation splits, and thirteen in train.
_SHARES = 16
_SHARE_OF = {"valid": 0, "test": 1, "test_ood": 2}
_IN_DOMAIN = Weighted([(0, 50.0), (1, 40.0), (2, 10.0)])
_OUT_OF_DOMAIN = Weighted([(3, 70.0), (4, 30.0)])
DEPTHS = {split: _OUT_OF_DOMAIN if split == "test_ood" else _IN_DOMAIN for split in EMBEDDED_SPLITS}
"""Split → how deeply clauses nest in it, and how often."""


def split_of(english: str) -> str:
    """The only split that the sentence may be in; stable across processes and Python versions."""
    share = zlib.crc32(english.encode()) % _SHARES
    return next((split for split, own in _SHARE_OF.items() if own == share), "train")


def sentence_pairs(split: str, corpus: EmbeddedCorpus) -> Iterator[tuple[str, str]]:
    """Distinct (English, German) pairs: as many as the corpus asks of the split, always the same ones.

    Asking for fewer gives the first of those that asking for more gives.
    """
    assert split in EMBEDDED_SPLITS, split
    count = {"train": corpus.train, "valid": corpus.valid}.get(split, corpus.test)
    random = Random(f"{corpus.seed} {split}").random
    author = Author(random)
    depths = DEPTHS[split]
    seen: set[str] = set()
    while len(seen) < count:
        utterance = author.utterance(depths.draw(random))
        english = utterance.english()
        if split_of(english) == split and english not in seen:
            seen.add(english)
            yield english, utterance.german()
