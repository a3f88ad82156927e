"""Rows of a table that training keeps as they are, while it changes the others."""

from torch import Tensor, nn

from intelligen.data.device_transfer import to_device

_MARK = "keeps_rows"


def keep_rows(table: nn.Parameter, rows: Tensor) -> None:
    """Keep some rows as they are: their gradients are zero, so that Adam does not move them, and nothing decays.

    Args:
        table: [V, D]
        rows: Indices [n].

    """
    table.register_hook(lambda gradient: gradient.index_fill(0, to_device(rows, gradient.device), 0.0))  # type: ignore[no-untyped-call]
    setattr(table, _MARK, True)


def keeps_rows(weight: nn.Parameter) -> bool:
    """Whether some of its rows stay as they are; weight decay, which knows no rows, must leave out all of it."""
    return hasattr(weight, _MARK)
