"""Checks a search before it starts: refuses spaces that its sampler cannot search, and impossible points."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from intelligen.config.document import Document, dotted, nearest, problem_line, raise_problems
from intelligen.config.files.project_folder import require_inside
from intelligen.config.files.text_file import from_here
from intelligen.config.schema.space_forms import Scalar
from intelligen.config.schema.space_parameters import Parameter, grid_size, parameters
from intelligen.config.schema.sweep import Sweep
from intelligen.config.space.check_population import population_problems
from intelligen.config.space.check_replicates import replicate_problems
from intelligen.config.space.points_table import read_points
from intelligen.errors import ConfigError

MOST_GRID_POINTS = 10_000
MOST_LISTED = 1_000_000
"""Whole numbers of a range, of which the Gaussian process lists all."""
_TABLE = ("search", "warm_start", "csv")


def check_search(sweep: Sweep, document: Document, *, project: Path | None) -> None:
    """Try the sampler and the warm start on the space.

    Args:
        sweep: Whose search is checked.
        document: The sweep's file, for the lines in messages.
        project: Where the table of a warm start must lie; None = anywhere.

    Raises:
        ConfigError: A grid without end, a point that does not lie in the space, a population that cannot exchange,
            several searches that cannot be compared, or a table outside of the project.

    """
    raise_problems(
        [
            *_grid_problems(sweep, document),
            *_process_problems(sweep, document),
            *_point_problems(sweep, document),
            *population_problems(sweep, document),
            *replicate_problems(sweep, document),
        ]
    )
    warm_start = sweep.search.warm_start
    if warm_start is None or warm_start.csv is None:
        return
    path = from_here(Path(warm_start.csv))
    try:
        if project is not None:
            require_inside(project, path)
    except ConfigError as error:
        raise ConfigError(problem_line(document.origin(_TABLE), dotted(_TABLE), str(error))) from None
    try:
        read_points(path, sweep)
    except FileNotFoundError:
        what = f"{path}: no such file; check the path"
        raise ConfigError(problem_line(document.origin(_TABLE), dotted(_TABLE), what)) from None


def _grid_problems(sweep: Sweep, document: Document) -> Iterator[str]:
    if sweep.search.sampler != "grid":
        return
    endless = [parameter for parameter in parameters(sweep.searched) if parameter.continuous]
    for parameter in endless:
        what = (
            f"{parameter.name} has infinitely many values, and the sampler grid runs every point;"
            " list values with `choice`, or use another sampler"
        )
        yield problem_line(document.origin(parameter.key), dotted(parameter.key), what)
    if not endless and (size := grid_size(sweep.searched)) > MOST_GRID_POINTS:
        what = f"a grid of {size:,} points; at most {MOST_GRID_POINTS:,}: list fewer values, or use another sampler"
        yield problem_line(document.origin(("space",)), "space", what)


def _process_problems(sweep: Sweep, document: Document) -> Iterator[str]:
    for parameter in parameters(sweep.searched) if sweep.search.sampler == "gp" else ():
        low, high = parameter.ends
        if parameter.whole and high - low >= MOST_LISTED:
            what = (
                f"{parameter.name} has {high - low + 1:,.0f} values, and the sampler gp lists all, at most"
                f" {MOST_LISTED:,}: take a smaller range, or another sampler"
            )
            yield problem_line(document.origin(parameter.key), dotted(parameter.key), what)


def _point_problems(sweep: Sweep, document: Document) -> Iterator[str]:
    warm_start = sweep.search.warm_start
    if warm_start is None:
        return
    known = {parameter.name: parameter for parameter in parameters(sweep.searched)}
    for row, point in enumerate(warm_start.points or ()):
        for name in point:
            if what := _problem(known, name, point):
                key = ("search", "warm_start", "points", row, name)
                yield problem_line(document.origin(key), dotted(key), what)


def _problem(known: Mapping[str, Parameter], name: str, point: Mapping[str, Scalar]) -> str | None:
    if name not in known:
        return f"no parameter of the space; {nearest(name, list(known))}"
    try:
        known[name].accepted(point[name])
    except ValueError as error:
        return str(error)
    return known[name].why_absent(point)
