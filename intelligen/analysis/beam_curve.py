"""Beam curve: a test set's scores by sizes of the beam; each model has its seeds and its length penalty at all sizes.

Of a model that is miscalibrated, or whose distribution has only become more peaked, larger beams find worse hypotheses
(Koehn and Knowles 2017, *Six Challenges for Neural Machine Translation*).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from intelligen.analysis.result_rows import ResultRow
from intelligen.analysis.study import StudyResults
from intelligen.config.schema.decoding import Beam
from intelligen.evaluation import Interval
from intelligen.tasks.base import AnyMetric

_HOW: Final = (
    "The same models at every size, each with one length penalty. Size 1 is greedy search. Nothing is tested here, and"
    " the answer is of the experiment's own search."
)


@dataclass(frozen=True)
class BeamCurve:
    """Of every system, on the first test set."""

    split: str
    metric: AnyMetric
    scores: Mapping[str, Mapping[int, Interval]]
    """System → size, ascending → the mean over the seeds, with its 95 % interval over seeds × rows."""

    @property
    def sizes(self) -> list[int]:
        """Of any system."""
        return sorted({size for found in self.scores.values() for size in found})

    @property
    def title(self) -> str:
        """For headings."""
        return f"{self.metric.title} of {self.split} by beam size"

    @property
    def note(self) -> str:
        """How to read it."""
        return _HOW

    def rows(self) -> list[tuple[str, list[Interval | None]]]:
        """Of every system its scores at all sizes; None at those by which it was not decoded."""
        sizes = self.sizes
        return [(system, [found.get(size) for size in sizes]) for system, found in self.scores.items()]


def beam_curve(study: StudyResults, rows: Sequence[ResultRow]) -> BeamCurve | None:
    """None where the sweep names no sizes, or nothing has been decoded by them."""
    if not study.sweep.test.has_beam_sizes:
        return None
    split, scores = study.primary[0], dict[str, dict[int, Interval]]()
    for row in rows:
        if row.score.setting[0] == split and (size := _size(study, row)) is not None:
            scores.setdefault(row.score.system, {})[size] = row.score.mean
    ordered = {system: dict(sorted(found.items())) for system, found in scores.items()}
    return BeamCurve(split, study.task.ranking, ordered) if ordered else None


def _size(study: StudyResults, row: ResultRow) -> int | None:
    """Of the beam that has decoded a row's models; None where it was another search, or not one size."""
    system = next(one for one in study.systems if one.name == row.score.system)
    searches = [decoded.search for decoded in system.of(row.score.setting).values()]
    sizes = {search.size if isinstance(search, Beam) else None for search in searches}
    return sizes.pop() if len(sizes) == 1 else None
