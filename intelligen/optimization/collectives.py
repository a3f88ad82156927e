"""Sums and gathers over ranks; a single process returns what it has."""

from typing import Any, TypeVar

from torch import Tensor, distributed

Value = TypeVar("Value")


def sum_over_ranks(value: Tensor) -> Tensor:
    """The sum of every rank's tensor, of one shape, on every rank; the argument stays as it is."""
    if not distributed.is_initialized():
        return value
    total = value.clone()
    distributed.all_reduce(total)
    return total


def gather_over_ranks(value: Value) -> list[Value]:
    """Every rank's picklable value, in rank order, on every rank."""
    if not distributed.is_initialized():
        return [value]
    values: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values
