"""Augmentation of training texts: random deletion and random swap of words (Wei & Zou 2019, EDA)."""

from collections.abc import Callable, Iterator, Sequence
from random import Random

from intelligen.config.schema.columns import Column, Row
from intelligen.config.schema.data import Augment


def copies_of(columns: Sequence[Column], settings: Augment | None) -> Callable[[Row, int], Iterator[Row]]:
    """What makes the further rows that a training row with a number becomes; none where there are no settings."""
    if settings is None:
        return lambda row, number: iter(())
    read = [index for index, column in enumerate(columns) if column.kind == "text" and column.read]

    def copies(row: Row, number: int) -> Iterator[Row]:
        for copy in range(settings.copies):
            draw = Random(f"{settings.seed} {number} {copy}")
            texts = list(row)
            for index in read:
                texts[index] = augmented(row[index], settings, draw)
            yield tuple(texts)

    return copies


def augmented(text: str, settings: Augment, draw: Random) -> str:
    """The text with words left out, then with pairs of words exchanged; words are what has spaces around it.

    Each word goes with probability `delete`; if all would, one that is drawn stays. Then `swap` × words times, and at
    least once unless `swap` is 0, two words change places, as in the authors' code.
    """
    words = text.split()
    kept = [word for word in words if draw.random() >= settings.delete]
    if not kept:
        kept = [draw.choice(words)] if words else []
    if settings.swap and len(kept) > 1:
        for _ in range(max(1, int(settings.swap * len(kept)))):
            one, other = draw.sample(range(len(kept)), 2)
            kept[one], kept[other] = kept[other], kept[one]
    return " ".join(kept)
