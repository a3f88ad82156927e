"""Where the weights that a training starts from are named, for errors that show only when data and weights are read."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from intelligen.config.files.config_errors import Problem
from intelligen.config.kind_of_file import settings_in
from intelligen.config.load import experiment_document
from intelligen.config.schema.sweep import Sweep
from intelligen.config.space.check_rows import row_line
from intelligen.config.sweep_file import read_sweep
from intelligen.errors import IntelligenError

_LINE = re.compile(r"(?:row (?P<row>\S+): )?(?P<key>initial(?:\.[a-z]+)?|model\.path): (?P<what>.*)", re.DOTALL)


@contextmanager
def placing_initial(path: Path, overrides: Sequence[str]) -> Iterator[None]:
    """Meanwhile errors that begin with `initial` or `model.path`, or with a row before them, say where that is written.

    Args:
        path: An experiment file or a sweep file, which has been found to be valid.
        overrides: With which it was read.

    """
    try:
        yield
    except IntelligenError as error:
        lines = [str(one) for one in error.args]
        if not any(map(_LINE.fullmatch, lines)):
            raise
        raise type(error)(*(_placed(line, path, overrides) for line in lines)) from error


def _placed(line: str, path: Path, overrides: Sequence[str]) -> str:
    found = _LINE.fullmatch(line)
    if found is None:
        return line
    problem = Problem(key := tuple(found["key"].split(".")), found["what"], key)
    if settings_in(path) is not Sweep:
        return problem.line(experiment_document(path, overrides))
    file = read_sweep(path, overrides)
    if found["row"] is None:
        return problem.line(file.named)
    row = next(row for row in file.sweep.variants() if row.id == found["row"])
    return row_line(file.document, row, problem)
