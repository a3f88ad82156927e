"""Table of the memory that updates of several sizes take, for people and as a document."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intelligen.config.load import experiment_document
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
        return self.settings.task.longest_row(self.settings.data.max_tokens)


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
    room = amount(sizes.memory_bytes)
    yield f"the largest that fits in {room}: {largest.rows:,} rows, {largest.tokens:,} tokens ({end})"
    fit = _fit(sizes, longest.own_rows)
    yield f"an update of this {group} holds up to {longest.own_rows:,} rows at once, which {fit}"
    where, line = setting_line(measured.file.path, group=group, tokens=largest.tokens)
    yield f"to hold no more than the largest, write {where}, or add the option to a command:"
    yield f"  {line}"
    yield f"  -o {group}.micro_batch_tokens={largest.tokens}"


def _fit(sizes: "MemorySizes", rows: int) -> str:
    """What is known of so many rows; those between the largest that fits and the next may do either."""
    if sizes.largest is not None and rows <= sizes.largest.rows:
        return "fit"
    return "do not fit" if sizes.too_large is not None and sizes.too_large <= rows else "were not tried"


def setting_line(path: Path, *, group: str, tokens: int) -> tuple[str, str]:
    """Where an experiment file is to bound its micro-batches, and the line: no group, and no key, may come twice."""
    document, line = experiment_document(path), f"micro_batch_tokens: {tokens}"
    own, of_group, of_key = (
        document.origins.get(key, "").rpartition(":") for key in ((), (group,), (group, "micro_batch_tokens"))
    )
    if of_key[0] == own[0]:
        return f"in place of what {own[0]} has in line {of_key[2]}", line
    if of_group[0] == own[0]:
        return f"into `{group}` of {own[0]}, in line {of_group[2]}", line
    return f"into {own[0]}", f"{group}: {{{line}}}"


def amount(size: int) -> str:
    """Bytes for people."""
    return f"{size / _GIB:.1f} GiB" if size >= _GIB else f"{size / _MIB:.0f} MiB"
