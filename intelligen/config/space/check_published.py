"""Checks published figures: they are of rows that the sweep has, and of results that its task has."""

from collections.abc import Iterator

from intelligen.config.document import Document, Key, dotted, problem_line, raise_problems
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.published import known_measures
from intelligen.config.schema.sweep import Sweep


def check_published(sweep: Sweep, experiment: Experiment, document: Document) -> None:
    """Refuse figures that no table could show.

    Raises:
        ConfigError: A row or a result is unknown.

    """
    raise_problems(list(_unknown(sweep, experiment, document)))


def _unknown(sweep: Sweep, experiment: Experiment, document: Document) -> Iterator[str]:
    rows, known = sweep.table_rows() or (experiment.strategy.name,), known_measures(experiment.task)
    for row, figures in (sweep.published.rows if sweep.published is not None else {}).items():
        key: Key = ("published", "rows", row)
        if row not in rows:
            yield problem_line(document.origin(key), dotted(key), f"is no row; there are {', '.join(rows)}")
            continue
        for name in figures:
            if name not in known:
                what = f"is no result of {experiment.task.name}; there are {', '.join(known)}"
                yield problem_line(document.origin((*key, name)), dotted((*key, name)), what)
