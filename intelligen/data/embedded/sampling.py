"""Word sampling by Zipf's law: a few words often, most of them rarely."""

from bisect import bisect
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

Item = TypeVar("Item")
Random = Callable[[], float]
"""`random.Random(...).random`: the one method whose sequence Python promises never to change."""


class Weighted(Generic[Item]):
    """Items with a probability each."""

    __slots__ = ("cumulative", "items", "total", "weights")

    def __init__(self, weighted: Iterable[tuple[Item, float]]) -> None:
        pairs = list(weighted)
        assert pairs, "nothing to draw from"
        self.items = [item for item, _ in pairs]
        self.weights = [weight for _, weight in pairs]
        self.cumulative = list(accumulate(self.weights))
        self.total = self.cumulative[-1]

    def draw(self, random: Random) -> Item:
        """One item, by weight."""
        return self.items[bisect(self.cumulative, random() * self.total)]


def zipf(items: Sequence[Item], *, shift: float = 2.0) -> Weighted[Item]:
    """The k-th item weighs 1 / (k + shift) (Mandelbrot's form of the law): a larger shift flattens the head."""
    return Weighted((item, 1.0 / (rank + shift)) for rank, item in enumerate(items, start=1))
