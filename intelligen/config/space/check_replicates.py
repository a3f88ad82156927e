"""Checks several searches of a sweep: refuses what leaves nothing to compare, or ties the searches to each other."""

from collections.abc import Iterator

from intelligen.config.document import Document, dotted, problem_line
from intelligen.config.schema.sweep import Sweep

_KEY = ("search", "replicates")


def replicate_problems(sweep: Sweep, document: Document) -> Iterator[str]:
    """One line for each reason against more than one search."""
    if sweep.search.replicates > 1:
        for what in _reasons(sweep):
            yield problem_line(document.origin(_KEY), dotted(_KEY), what)


def _reasons(sweep: Sweep) -> Iterator[str]:
    if not sweep.space:
        yield "has no meaning without a space, where nothing is searched: leave it out, and raise confirm.seeds"
    elif sweep.confirm is None:
        yield "needs `confirm`: searches are compared by what they have found, trained again with other seeds; add it"
    elif sweep.confirm.until is not None:
        yield (
            "is fixed beforehand, and confirm.until takes one seed after the other, which do not show how searches"
            " differ: give fixed confirm.seeds, without until and difference, or leave replicates out"
        )
    if sweep.search.warm_start is not None:
        yield (
            "is for searches that are independent of each other, and search.warm_start gives all of them the same"
            " points; leave one of the two out"
        )
