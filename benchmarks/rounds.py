"""Sides are timed in turn, round by round, so that a busy moment hits all alike; only ratios are claimed."""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing import get_context

Side = Callable[[], float]
"""Does the work once and returns its figure: seconds, or something per second."""


@dataclass(frozen=True)
class Row:
    """One line of the table: ours against a peer, over all rounds."""

    what: str
    ours: str
    """Median with its unit, such as `3,210 tokens/s`."""
    theirs: str
    ratio: float
    """Median of the per-round ratios, in the sense of the target."""
    low: float
    high: float
    """Smallest and largest per-round ratio."""
    target: str = ""
    """`≥ 1.5`, `≤ 2.0` and so on; empty = shown for comparison only."""

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or nothing where there is no target."""
        if not self.target:
            return ""
        sign, bound = self.target.split()
        return "met" if (self.ratio >= float(bound) if sign == "≥" else self.ratio <= float(bound)) else "missed"


@dataclass(frozen=True)
class Remark:
    """A line without figures: why there are none, or what stands behind those of the line before."""

    what: str
    text: str


Table = list[Row | Remark]
Rows = Iterator[Row | Remark]
"""The table's, each as soon as it is there."""


def round_robin(sides: Mapping[str, Side], *, rounds: int) -> dict[str, list[float]]:
    """Every side's figures. Each round runs every side once, in an order that turns; a first round warms up."""
    figures: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for index in range(rounds + 1):
        for name in names[index % len(names) :] + names[: index % len(names)]:
            figure = sides[name]()
            if index:
                figures[name].append(figure)
    return figures


@contextmanager
def apart(makers: Mapping[str, Callable[[], Side]]) -> Iterator[dict[str, Side]]:
    """The sides, each made and run in a process of its own: what one sets in its process helps or hinders no other."""
    with ExitStack() as running:

        def elsewhere(make: Callable[[], Side]) -> Side:
            spawned = get_context("spawn")
            pool = ProcessPoolExecutor(1, mp_context=spawned, initializer=_make, initargs=(make,))
            process = running.enter_context(pool)
            return lambda: process.submit(_run).result()

        yield {name: elsewhere(make) for name, make in makers.items()}


def timed(work: Callable[[], object], *, clock: Callable[[], float] = time.perf_counter) -> Side:
    """The work's seconds as a side."""

    def side() -> float:
        started = clock()
        work()
        return clock() - started

    return side


def compare(what: str, ours: list[float], theirs: list[float], *, unit: str, target: str = "", faster: bool) -> Row:
    """A row from two sides' figures of the same rounds.

    Args:
        what: The line's name.
        ours: Figures of our side, one per round.
        theirs: Figures of the other side, of the same rounds.
        unit: Of both, such as `s` or `tokens/s`.
        target: See `Row.target`.
        faster: The ratio says how many times as fast we are, not how many times as much ours is: it is theirs / ours
            where the figures are seconds, and ours / theirs where they are something per second.

    """
    inverted = faster and not unit.endswith("/s")
    ratios = [b / a if inverted else a / b for a, b in zip(ours, theirs, strict=True)]
    shown = (
        f"{statistics.median(figures):,.{0 if statistics.median(figures) >= 100 else 3}f} {unit}"
        for figures in (ours, theirs)
    )
    return Row(what, *shown, statistics.median(ratios), min(ratios), max(ratios), target)


def missing(*modules: str) -> str:
    """Why a peer cannot be compared here, or nothing where it can."""
    absent = [module for module in modules if find_spec(module) is None]
    return f"{', '.join(absent)} not installed: benchmarks/peers/install" if absent else ""


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="more rounds and every variant; else a quick look")
    parser.add_argument("--threads", type=int, default=1, help="processor threads of every side")
    return parser


def machine(threads: int) -> str:
    """What the figures were taken on."""
    names = [line.partition(":")[2].strip() for line in _processor_lines() if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    versions = f"torch {version('torch')}, Python {platform.python_version()}"
    return f"{name}, {os.cpu_count()} cores, {threads} thread(s) a side, {versions}"


HEAD = "| what | ours | peer | ratio | spread | target | |\n| --- | ---: | ---: | ---: | --- | --- | --- |"


def line(row: Row | Remark) -> str:
    """A row of the table as Markdown."""
    if isinstance(row, Remark):
        return f"| {row.what} | – | – | – | – | – | {row.text} |"
    figures = (row.ours, row.theirs, f"{row.ratio:.2f}", f"{row.low:.2f}–{row.high:.2f}")
    return f"| {' | '.join((row.what, *figures, row.target, row.verdict))} |"


def markdown(table: Table) -> str:
    """The table as Markdown."""
    return "\n".join([HEAD, *map(line, table)])


def print_table(rows: Iterable[Row | Remark], *, threads: int) -> None:
    """Print what it was taken on and each row as soon as it is there, so that a limit of time loses none of them."""
    print(machine(threads), HEAD, sep="\n\n", flush=True)
    for row in rows:
        print(line(row), flush=True)


def resident_mib(field: str = "VmHWM") -> float:
    """Resident memory of this process now (`VmRSS`) or at most so far (`VmHWM`).

    Not getrusage's: that begins with what the parent held when it started this process.
    """
    with open("/proc/self/status", encoding="ascii") as status:
        (kib,) = (line.split()[1] for line in status if line.startswith(f"{field}:"))
    return int(kib) / 1024


_sides: list[Side] = []
"""This process' own, where it is a side's."""


def _make(make: Callable[[], Side]) -> None:
    _sides.append(make())


def _run() -> float:
    return _sides[0]()


def _processor_lines() -> list[str]:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return file.readlines()
    except OSError:
        return []
