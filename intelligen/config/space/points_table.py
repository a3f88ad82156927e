"""Reads a CSV table of points to try first: a wrong cell is named by its line and column."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from intelligen.config.document import nearest, problem_line, raise_problems, shown
from intelligen.config.files.text_file import MAX_BYTES, displayed
from intelligen.config.files.yaml_file import plain_value
from intelligen.config.schema.space_forms import Scalar
from intelligen.config.schema.space_parameters import Parameter, parameters
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ConfigError


@dataclass(frozen=True)
class Point:
    """One row."""

    line: int
    """In its file."""
    params: Mapping[str, Scalar]
    """Parameter → value; empty cells are left out."""
    values: tuple[float, ...]
    """The objectives; empty where the point has not been tried."""


def read_points(path: Path, sweep: Sweep) -> list[Point]:
    """All rows of a table.

    Args:
        path: The file; the first line names parameters of the space and objectives.
        sweep: Its space and its objectives.

    Raises:
        ConfigError: It is no such table; a line `FILE:LINE: COLUMN: …` for each problem.
        FileNotFoundError: There is no such file.

    """
    file_name = displayed(path)
    rows = _rows(path, file_name)
    _, columns = next(rows, (1, []))
    known = {parameter.name: parameter for parameter in parameters(sweep.searched)}
    metrics = [objective.metric for objective in sweep.all_objectives()]
    raise_problems(list(_bad_columns(columns, [*known, *metrics], file_name)))
    points, problems = [], []
    for line, row in rows:
        try:
            points.append(_point(line, _cells(columns, row), known, metrics))
        except ValueError as error:
            problems.append(problem_line(f"{file_name}:{line}", "", str(error)))
    raise_problems(problems)
    return points


def _rows(path: Path, file_name: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row that is not empty."""
    try:
        text = _bytes(path, file_name).decode("utf-8-sig")
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        yield from [(rows.line_num, row) for row in rows if any(row)]
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(problem_line(file_name, "", f"cannot be read: {error.strerror}; check the path")) from None
    except UnicodeDecodeError as error:
        what = f"not UTF-8 at byte {error.start}; save the file as UTF-8"
        raise ConfigError(problem_line(file_name, "", what)) from None
    except csv.Error as error:
        raise ConfigError(problem_line(f"{file_name}:{rows.line_num}", "", f"no CSV: {error}")) from None


def _bytes(path: Path, file_name: str) -> bytes:
    if path.exists() and not path.is_file():  # a pipe would block, a device would never end
        raise ConfigError(problem_line(file_name, "", "is not a regular file; give a CSV table"))
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise ConfigError(problem_line(file_name, "", "larger than 1 MiB; is this the right file?"))
    return raw


def _bad_columns(columns: Sequence[str], known: Sequence[str], file_name: str) -> Iterator[str]:
    if not columns:
        yield problem_line(f"{file_name}:1", "", "the first line must name the columns; it is empty")
    for column in columns:
        if columns.count(column) > 1:
            yield problem_line(f"{file_name}:1", column, "occurs twice")
        elif column not in known:
            yield problem_line(f"{file_name}:1", column, f"no parameter and no objective; {nearest(column, known)}")


def _cells(columns: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    if len(row) != len(columns):
        raise ValueError(f"{len(row)} cells where the first line has {len(columns)}")
    return {column: cell.strip() for column, cell in zip(columns, row, strict=True) if cell.strip()}


def _point(line: int, cells: Mapping[str, str], known: Mapping[str, Parameter], metrics: Sequence[str]) -> Point:
    params = {name: _accepted(name, cell, known[name]) for name, cell in cells.items() if name in known}
    for name in params:
        if why := known[name].why_absent(params):
            raise ValueError(f"{name}: {why}")
    given = [metric for metric in metrics if metric in cells]
    for metric in metrics:
        if given and metric not in given:
            raise ValueError(f"{metric}: missing beside {given[0]}; give all objectives, or none")
    return Point(line, params, tuple(_number(metric, cells[metric]) for metric in given))


def _accepted(name: str, cell: str, parameter: Parameter) -> Scalar:
    try:
        return parameter.accepted(plain_value(cell))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _number(metric: str, cell: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{metric}: must be a finite number, got {shown(cell)}; leave the cell empty if there is none")
    return number
