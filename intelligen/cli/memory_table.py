"""Table of the memory that updates of several sizes take, for people and as a document."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from intelligen.config.schema.experiment import Experiment, Trial

if TYPE_CHECKING:
    from intelligen.cli.experiment_file import ExperimentFile
    from intelligen.training.memory_measurement import LongestRows
    from intelligen.training.memory_sizes import MemorySizes, Place, Size

_HEADINGS = ("rows", "tokens", "memory", "of it weights + optimizer", "s/update", "tokens/s", "fits")
_MIB, _GIB = 2**20, 2**30


@dataclass(frozen=True)
class Measured:
    """What was measured of an experiment."""

    file: "ExperimentFile"
    settings: Experiment
    trial: Trial
    place: "Place"
    longest: "LongestRows"
    sizes: "MemorySizes"

    @property
    def group(self) -> str:
        """Whose settings they are: of the baseline's training, or of fine-tuning."""
        return "training" if self.file.strategy is None else "finetuning"

    @property
    def published(self) -> dict[int, float]:
        """Rows → what others report, in GiB."""
        found = self.settings.published_memory
        return {} if found is None else {one.rows: one.gib for one in found.sizes}

    @property
    def longest_possible(self) -> int:
        """Tokens that the settings allow a row to have."""
        most = [self.settings.data.max_tokens, self.settings.model.max_positions]
        return min(one for one in most if one is not None)


def memory_lines(measured: Measured) -> Iterator[str]:
    """The sizes, a row each; the largest that fits, and the setting that keeps to it."""
    sizes, longest, place = measured.sizes, measured.longest, measured.place
    what = "baseline" if measured.file.strategy is None else f"fine-tuning with {measured.trial.strategy.name}"
    threads = "1 thread" if place.threads == 1 else f"{place.threads} threads"
    how = f"{place.device}, {threads}" if place.device.type == "cpu" else f"{place.device}"
    yield f"{measured.settings.name}: {what}, {measured.trial.training.precision}, on {how}"
    if longest.longest < measured.longest_possible:
        yield (
            f"the longest training row has {longest.longest:,} tokens; the settings allow"
            f" {measured.longest_possible:,}, and such rows would take more"
        )
    yield from _table(measured)
    if measured.settings.published_memory is not None:
        yield f"published: {' '.join(measured.settings.published_memory.note.split())}"
    if measured.settings.initial is not None and measured.settings.initial.freeze:
        yield "initial.freeze is left out: nothing was frozen here, so a training takes less than this"
    if (largest := sizes.largest) is not None:
        yield from _conclusion(measured, largest)


def memory_document(measured: Measured) -> dict[str, Any]:
    """As JSON; the keys are documented in docs/commands.md."""
    sizes, longest = measured.sizes, measured.longest
    largest = sizes.largest
    return {
        "format": 1,
        "experiment": measured.settings.name,
        "strategy": measured.trial.strategy.name if measured.file.strategy is not None else None,
        "device": str(measured.place.device),
        "threads": measured.place.threads,
        "memory_bytes": sizes.memory_bytes,
        "longest_row": longest.longest,
        "update_rows": longest.update_rows,
        "own_rows": longest.own_rows,
        "sizes": [_size_document(measured, size) for size in sizes.in_order()],
        "largest": None if largest is None else largest.rows,
        "too_large": sizes.too_large,
        "setting": f"{measured.group}.micro_batch_tokens",
        "value": None if largest is None else largest.tokens,
    }


def _size_document(measured: Measured, size: "Size") -> dict[str, Any]:
    use = size.use
    return {
        "rows": size.rows,
        "tokens": size.tokens,
        "memory_bytes": None if use is None else use.memory_bytes,
        "state_bytes": None if use is None else use.state_bytes,
        "update_s": None if use is None else use.update_s,
        "tokens_per_s": None if use is None else use.tokens_per_s,
        "fits": measured.sizes.fits(size),
        "why": size.why,
        "published_gib": measured.published.get(size.rows),
    }


def _table(measured: Measured) -> Iterator[str]:
    published = measured.published
    rows = [[*_HEADINGS, *(["published"] if published else [])]]
    for size in measured.sizes.in_order():
        beside = [f"{published[size.rows]:g} GiB" if size.rows in published else ""] if published else []
        rows.append([*_cells(measured, size), *beside])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "| " + " | ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) + " |"


def _cells(measured: Measured, size: "Size") -> list[str]:
    if (use := size.use) is None:
        return [f"{size.rows:,}", f"{size.tokens:,}", size.why or "", "", "", "", "no"]
    return [
        f"{size.rows:,}",
        f"{size.tokens:,}",
        amount(use.memory_bytes),
        amount(use.state_bytes),
        f"{use.update_s:.2g}" if use.update_s < 1 else f"{use.update_s:.1f}",
        f"{use.tokens_per_s:,.0f}",
        "yes" if measured.sizes.fits(size) else "no",
    ]


def _conclusion(measured: Measured, largest: "Size") -> Iterator[str]:
    sizes, longest, group = measured.sizes, measured.longest, measured.group
    end = "no more were tried" if sizes.too_large is None else f"{sizes.too_large:,} do not fit"
    room, fit = amount(sizes.memory_bytes), "fit" if longest.own_rows <= largest.rows else "do not fit"
    yield f"the largest that fits in {room}: {largest.rows:,} rows, {largest.tokens:,} tokens ({end})"
    yield f"an update of this {group} holds up to {longest.own_rows:,} rows at once, which {fit}"
    yield f"to hold no more than the largest, in {measured.file.path} or on the command line:"
    yield f"  {group}: {{micro_batch_tokens: {largest.tokens}}}"
    yield f"  -o {group}.micro_batch_tokens={largest.tokens}"


def amount(size: int) -> str:
    """Bytes for people."""
    return f"{size / _GIB:.1f} GiB" if size >= _GIB else f"{size / _MIB:.0f} MiB"
