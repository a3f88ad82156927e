"""Loader of training batches: their order depends on data, bound, seed and pass alone, not on ranks."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic

import numpy as np

from intelligen.data.batches import BatchT, Examples, PaddedPart, Rows, cut, largest_part


@dataclass(frozen=True)
class PassPlan:
    """One pass over the data, cut into updates in the order in which they are made."""

    order: Rows
    """Rows of the split, longest first."""
    bounds: Rows
    """Group i is order[bounds[i]] to order[bounds[i + 1]]."""
    groups: Rows
    """Group of each update."""

    def rows(self, update: int) -> Rows:
        """Rows of an update, longest first."""
        group = self.groups[update]
        return self.order[self.bounds[group] : self.bounds[group + 1]]


def plan_pass(
    lengths: Rows, *, batch_tokens: int | None = None, batch_rows: int | None = None, seed: int, number: int
) -> PassPlan:
    """Plan a pass: rows of like length share an update, which ones is drawn anew in each pass.

    All rows are sorted together, with equal lengths in random order: a pool smaller than the data would draw no
    better (an update's rows have nearly one length either way), and so every pass has the same number of updates,
    which a learning-rate schedule can count on.

    Args:
        lengths: Tokens of each row's longest side.
        batch_tokens: Bound of rows × longest per update; a longer row is an update of its own. None = no such bound.
        batch_rows: Rows per update; one update may have fewer. None = no such bound.
        seed: Of the whole run.
        number: Of the pass, from 0.

    """
    assert batch_tokens is not None or batch_rows is not None
    rng = np.random.default_rng((seed, number))
    order = rng.permutation(len(lengths))
    order = order[np.argsort(-lengths[order], kind="stable")]
    bounds = np.array(cut(lengths[order], batch_tokens, max_rows=batch_rows))
    return PassPlan(order, bounds, rng.permutation(len(bounds) - 1))


class Loader(Generic[BatchT]):
    """Endless updates over a training split, each as this rank's micro-batches.

    Every rank gets the same number of updates, and of micro-batches in each.

    Args:
        examples: Of the training split.
        batch_tokens: Bound of rows × longest side of an update, over all ranks together; None = no such bound.
        batch_rows: Rows of an update, over all ranks together, instead of that bound.
        micro_batch_tokens: Bound of rows × longest side of one micro-batch; None = one micro-batch per update.
        seed: Of the order.
        rank: This process among `world_size`.
        world_size: Processes that share each update.

    """

    def __init__(
        self,
        examples: Examples[BatchT],
        *,
        batch_tokens: int | None = None,
        batch_rows: int | None = None,
        micro_batch_tokens: int | None = None,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        assert 0 <= rank < world_size
        self._examples = examples
        self._batch_tokens = batch_tokens
        self._batch_rows = batch_rows
        self._micro_batch_tokens = micro_batch_tokens
        self._seed = seed
        self._rank = rank
        self._world_size = world_size
        self._largest: PaddedPart | None = None
        self._start_pass(0)

    @property
    def updates_per_pass(self) -> int:
        """Updates of every pass."""
        return len(self._plan.groups)

    @property
    def largest_part(self) -> PaddedPart:
        """Of the micro-batches that were handed out last, the largest that could be cut smaller; alike on every rank.

        Where each is a single row, the longest row.
        """
        assert self._largest is not None, "nothing was handed out yet"
        return self._largest

    def part_tokens(self, at_most: int | None) -> int | None:
        """The bound of an update's micro-batches: the loader's own, or `at_most` where it is stricter; none = none."""
        return min((tokens for tokens in (self._micro_batch_tokens, at_most) if tokens is not None), default=None)

    def next_update(self, *, at_most: int | None = None) -> list[BatchT]:
        """Micro-batches of this rank for the next update; after a pass' last update the next pass begins.

        Args:
            at_most: Bound of this update's micro-batches beside the loader's own: see `part_tokens`.

        """
        if self._update == self.updates_per_pass:
            self._start_pass(self._pass + 1)
        rows = self._plan.rows(self._update)
        self._update += 1
        return self._micro_batches(rows, at_most)

    def longest_update(self, *, at_most: int | None = None) -> list[BatchT]:
        """Micro-batches of this rank for the update with the longest rows of the pass; the position stays."""
        return self._micro_batches(self._plan.order[: self._plan.bounds[1]], at_most)

    def state_dict(self) -> dict[str, int]:
        """Position of the next update."""
        return {"pass": self._pass, "update": self._update}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on where `state_dict` was taken."""
        self._start_pass(state["pass"])
        self._update = state["update"]

    def _start_pass(self, number: int) -> None:
        self._pass, self._update = number, 0
        self._plan = plan_pass(
            self._examples.lengths,
            batch_tokens=self._batch_tokens,
            batch_rows=self._batch_rows,
            seed=self._seed,
            number=number,
        )

    def _micro_batches(self, rows: Rows, at_most: int | None) -> list[BatchT]:
        examples, targets = self._examples, self._examples.targets(rows)
        own = rows[self._rank :: self._world_size]
        batches = []
        for start, end in self._micro_bounds(rows, at_most):
            part = own[start:end]
            batch = examples.batch(part if len(part) else rows[:1], update_targets=targets, update_rows=len(rows))
            batches.append(batch if len(part) else examples.without_targets(batch))
        return batches

    def _micro_bounds(self, rows: Rows, at_most: int | None) -> list[tuple[int, int]]:
        """Bounds of the micro-batches, the same on every rank: they follow rank 0, whose rows are the longest."""
        leading = self._examples.lengths[rows[:: self._world_size]]
        bounds = cut(leading, self.part_tokens(at_most))
        self._largest = largest_part(leading, bounds)
        return list(pairwise(bounds))
