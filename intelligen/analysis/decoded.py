"""Test sets as the models of a sweep translate them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from intelligen.config.schema.decoding import DecodingSearch
from intelligen.evaluation import Interval
from intelligen.state.trial_records import TrialRecord
from intelligen.training.scores_file import read_scores, score_files, scored_split

Setting = tuple[str, str]
"""A test set and the search that decoded it, by their names."""


@dataclass(frozen=True)
class Decoded:
    """A test set as one model translates it by one search."""

    hypotheses: tuple[str, ...]
    """In the test set's order."""
    intervals: Mapping[str, Interval]
    """Metric → its score with the 95 % interval over rows."""
    metrics: Mapping[str, float]
    """`bleu`, `prefix_switch_gap`, `bleu_by_length/11-20`, …"""
    signatures: Mapping[str, str]
    search: DecodingSearch | None
    """None where the models write no text."""

    def score(self, name: str) -> float:
        """A score; the first revisions kept no interval of most."""
        return self.intervals[name].value if name in self.intervals else self.metrics[name]


def read_decoded(directory: Path, record: TrialRecord, own_search: str, ranking: str) -> dict[Setting, Decoded]:
    """The hypotheses that this sweep's test stage has scored: others may lie beside them."""
    found = {}
    for path in score_files(record.within(directory)) if record.scores else ():
        split = scored_split(path)
        search = path.stem.removeprefix(f"{split}-") if own_search else ""
        if scored_as((split, search), own_search, ranking) in record.scores:
            scores = read_scores(path)
            metrics = {name.partition("/")[2]: value for name, value in scores.metrics.items()}
            found[split, search] = Decoded(
                scores.hypotheses, scores.intervals, metrics, scores.signatures, scores.search
            )
    return found


def scored_as(setting: Setting, own_search: str, score: str) -> str:
    """Name in the ledger of a test set's score by a search: `test/bleu` where it is the experiment's own search."""
    split, search = setting
    return f"{split}/{score}" if search == own_search else f"{split}-{search}/{score}"
