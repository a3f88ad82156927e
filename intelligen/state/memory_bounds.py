"""Memory bounds of a trial (memory.json): in which parts it makes its updates, because its memory did not suffice."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from pydantic import ConfigDict, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError

from intelligen.errors import StorageError
from intelligen.state.atomic_files import write_atomically
from intelligen.state.checksummed_json import seal, unseal

MEMORY_FILE = "memory.json"
_FIX = "restore it from a copy, or delete it: a trial that has not ended then goes on in the parts of its settings"
MEMORY_TAG = "memory/micro_batch_tokens"
"""The tag of reports that says in which parts the last update of their epoch was made, where there is a bound."""


@dataclass(frozen=True)
class MemoryBound:
    """Bounds from an update on."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    since_update: NonNegativeInt
    """Updates behind this one are made with it, and so is the validation at it."""
    micro_batch_tokens: PositiveInt | None
    """Most padded tokens that a worker trains on at once; none = as the settings have it."""
    evaluation_tokens: PositiveInt | None
    """Most padded tokens of a validation's batch, likewise."""
    device: str
    """Whose memory did not suffice."""
    bytes_asked: NonNegativeInt | None = None
    """What could not be had; none where that is not known, or where the bound was found before anything failed."""
    bytes_free: NonNegativeInt | None = None


_ENTRIES = TypeAdapter(tuple[MemoryBound, ...])


@dataclass(frozen=True)
class MemoryBounds:
    """All bounds of a trial, oldest first. Which one holds is a function of the update's number.

    So a trial that is given the file beforehand makes the same updates in the same parts.
    """

    entries: tuple[MemoryBound, ...] = ()

    @classmethod
    def read(cls, directory: Path) -> Self:
        """The bounds of the trial in a directory; none where its memory has sufficed.

        Raises:
            StorageError: The file is damaged, or cannot be read.

        """
        path = directory / MEMORY_FILE
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise StorageError(f"{path}: cannot be read: {error.strerror}; fix it, or {_FIX}") from error
        try:
            return cls(_ENTRIES.validate_json(json.dumps(unseal(text)["bounds"])))
        except (KeyError, TypeError, ValueError) as error:
            raise StorageError(f"{path}: damaged ({_why(error)}); {_FIX}") from error

    def write(self, directory: Path, *, rank: int = 0) -> None:
        """Write them; several ranks may do it at the same time, for all of them write the same bounds.

        Raises:
            CannotCreateError: The file may not be written.
            StorageError: The disk is full or fails.

        """
        entries = [asdict(entry) for entry in self.entries]
        write_atomically(directory / MEMORY_FILE, seal(json.dumps({"bounds": entries}, indent=1)), writer=f"rank{rank}")

    def micro_batch_tokens(self, update: int) -> int | None:
        """The bound of an update's micro-batches beside that of the settings; none where there is none."""
        return next((entry.micro_batch_tokens for entry in self._latest() if entry.since_update < update), None)

    def evaluation_tokens(self, update: int) -> int | None:
        """The bound of the batches of a validation at an update, likewise."""
        return next((entry.evaluation_tokens for entry in self._latest() if entry.since_update <= update), None)

    @property
    def newest_micro_batch_tokens(self) -> int | None:
        """The bound of all updates behind those of the last checkpoint; none where there is none."""
        return self.entries[-1].micro_batch_tokens if self.entries else None

    def with_bound(self, bound: MemoryBound) -> Self:
        """These and a new one, in place of those at or behind its update, which may not have been stricter.

        Those behind it are of updates that are made again, because a later checkpoint was damaged.
        """
        replaced = [entry for entry in self.entries if entry.since_update >= bound.since_update]
        stricter = MemoryBound(
            since_update=bound.since_update,
            micro_batch_tokens=_least(bound.micro_batch_tokens, *(one.micro_batch_tokens for one in replaced)),
            evaluation_tokens=_least(bound.evaluation_tokens, *(one.evaluation_tokens for one in replaced)),
            device=bound.device,
            bytes_asked=bound.bytes_asked,
            bytes_free=bound.bytes_free,
        )
        return type(self)((*self.entries[: len(self.entries) - len(replaced)], stricter))

    def _latest(self) -> Iterator[MemoryBound]:
        return reversed(self.entries)


def _why(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"{type(error).__name__}: {error}"


def _least(*bounds: int | None) -> int | None:
    return min((bound for bound in bounds if bound is not None), default=None)
