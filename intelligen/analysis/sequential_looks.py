"""Looks at a sequential study: what each has found, and which seeds are still to be trained; a function of its files.

The same scores lead to the same decisions, after a kill as well. A look is taken once all that it needs
has been scored, so that no decision depends on which run was the first to end.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from intelligen.analysis.decoded import Decoded
from intelligen.analysis.study import StudyResults
from intelligen.config.schema.declarations import STANDARD
from intelligen.config.schema.stages_after_search import SeedRange
from intelligen.config.schema.sweep import Sweep
from intelligen.evaluation.bootstrap_resampling import Floats
from intelligen.evaluation.decision_procedure import Verdict
from intelligen.evaluation.error_spending import Looks
from intelligen.evaluation.sequential_procedure import Looked, SequentialPlan
from intelligen.evaluation.significance import Difference, differences_by_seeds, statistics_by_seed
from intelligen.state.trial_records import TrialState
from intelligen.tasks.base import AnyMetric

Pair = tuple[str, str]
"""A strategy, and a control that it is held against."""
Models = Mapping[int, Decoded]
"""Seed → a test set as the model of that seed translates it."""


@dataclass(frozen=True)
class Round:
    """What has to be scored before the next look."""

    seeds: tuple[int, ...]
    rows: frozenset[str]
    """Strategies and controls; their earlier seeds have been scored."""


@dataclass
class Following:
    """The looks so far."""

    looked: dict[Pair, Looked] = field(default_factory=dict)
    """As each comparison ended, or as the latest look found it."""
    due: dict[Pair, tuple[int, ...]] = field(default_factory=dict)
    """The seeds that it has taken, those of lost runs among them; before the first look, those of that."""
    lost: set[Pair] = field(default_factory=set)
    """Comparisons that have ended because a run has no score, and will have none."""
    next: Round | None = None
    """None where every comparison has ended."""


def sequential_plan(sweep: Sweep, *, family: int) -> SequentialPlan | None:
    """What a sweep's looks go by; None where its seeds are fixed."""
    asked = sweep.confirm
    if asked is None or not isinstance(asked.seeds, SeedRange):
        return None
    assert asked.difference is not None, "the settings ask for it"
    return SequentialPlan(Looks(asked.seeds.at_least, asked.seeds.at_most), family, asked.difference)


def follow(study: StudyResults, plan: SequentialPlan, controls: Mapping[str, Sequence[str]]) -> Following:
    """Take the looks that the scores on the primary test set allow.

    Args:
        study: Whose scores they are.
        plan: Of its looks.
        controls: Strategy → what it is held against, its own control first.

    """
    return _Looks(study, plan, controls).taken()


def pairs_together(controls: Mapping[str, Sequence[str]]) -> Iterable[list[Pair]]:
    """Pairs that are decided together: those with own controls; then those with each further one."""
    yield [(name, own) for name, (own, *_) in controls.items()]
    for further in dict.fromkeys(control for _, *others in controls.values() for control in others):
        yield [(name, further) for name, (_, *others) in controls.items() if further in others]


class Measured:
    """Differences of one test set and search by the first seeds of a study.

    Args:
        models: Row → its models.
        references: Of the test set.
        seeds: In the study's order.
        metric: That decides.

    """

    def __init__(
        self, models: Mapping[str, Models], references: Sequence[str], seeds: Sequence[int], metric: AnyMetric
    ) -> None:
        self.models, self.seeds = models, seeds
        self.higher_is_better = metric.higher_is_better
        everything = [decoded.hypotheses for of_row in models.values() for decoded in of_row.values()]
        self._references, self._metric = references, metric.over(everything, references)
        self._statistics: dict[str, Floats] = {}
        self._differences: dict[Pair, list[Difference]] = {}

    def difference(self, pair: Pair, seeds: int) -> Difference:
        """By so many seeds, which both have."""
        if pair not in self._differences:
            both = min(map(self._count, pair))
            ours_SMK, control_SMK = (self._statistics_of(row)[:both] for row in pair)
            self._differences[pair] = differences_by_seeds(ours_SMK, control_SMK, metric=self._metric)
        return self._differences[pair][seeds - 1]

    def _count(self, row: str) -> int:
        return len(list(takewhile(lambda seed: seed in self.models.get(row, {}), self.seeds)))

    def _statistics_of(self, row: str) -> Floats:
        if row not in self._statistics:
            hypotheses = [self.models[row][seed].hypotheses for seed in self.seeds[: self._count(row)]]
            self._statistics[row] = statistics_by_seed(hypotheses, self._references, self._metric)
        return self._statistics[row]

    def has(self, pair: Pair, seeds: int) -> bool:
        """Whether both have so many."""
        return min(map(self._count, pair)) >= seeds


def as_looked_at(
    measured: Measured, plan: SequentialPlan, together: Sequence[Pair], found: Following
) -> dict[Pair, Looked]:
    """Comparisons on another test set, which ends none: by the seeds, and at the levels, of their latest looks."""
    shown: dict[Pair, Looked] = {}
    counts = {pair: found.looked[pair].seeds for pair in together if pair in found.looked}
    counts = {pair: count for pair, count in counts.items() if measured.has(pair, count)}
    for count in sorted(set(counts.values())):
        differences = [measured.difference(pair, min(count, own)) for pair, own in counts.items()]
        looked = plan.look(differences, seeds=count, higher_is_better=measured.higher_is_better)
        shown |= {pair: one for pair, one in zip(counts, looked, strict=True) if counts[pair] == count}
    return {pair: replace(one, end=found.looked[pair].end) for pair, one in shown.items()}


class _Looks:
    def __init__(self, study: StudyResults, plan: SequentialPlan, controls: Mapping[str, Sequence[str]]) -> None:
        self._plan, self._controls = plan, controls
        self._seeds = study.sweep.confirmation_seeds(study.fingerprint["experiment"]["seed"])
        self._models = primary_models(study)
        self._is_lost = _lost(study)
        test_set = study.test_sets.get(study.primary[0])
        references = () if test_set is None else test_set.references
        self._measured = Measured(self._models, references, self._seeds, study.task.ranking)
        self._found = Following()

    def taken(self) -> Following:
        pairs = [(name, control) for name, controls in self._controls.items() for control in controls]
        for count in self._plan.looks.seeds:
            due, going = self._seeds[:count], [pair for pair in pairs if self._goes_on(pair)]
            rows = frozenset(row for pair in going for row in pair)
            if not all(self._has_ended(row, seed) for row in rows for seed in due):
                self._found.next = Round(due, rows)
                for pair in going:
                    self._found.due.setdefault(pair, due)
                break
            for pair in going:
                if any(self._is_lost(row, seed) for row in pair for seed in due):
                    self._found.lost.add(pair)
                    self._found.due[pair] = due
            self._look([pair for pair in going if self._goes_on(pair)], count)
        return self._found

    def _has_ended(self, row: str, seed: int) -> bool:
        return seed in self._models.get(row, {}) or self._is_lost(row, seed)

    def _look(self, going: Sequence[Pair], count: int) -> None:
        for together in pairs_together(self._controls) if going else ():
            # The variance of what has ended still counts, as it was then.
            looked = {pair: one.seeds for pair in together if (one := self._found.looked.get(pair)) is not None}
            counts = looked | {pair: count for pair in together if pair in going}
            differences = [self._measured.difference(pair, own) for pair, own in counts.items()]
            higher = self._measured.higher_is_better
            found = self._plan.look(differences, seeds=count, higher_is_better=higher)
            for pair, one in zip(counts, found, strict=True):
                if pair in going:
                    self._found.looked[pair] = one
                    self._found.due[pair] = self._seeds[:count]

    def _goes_on(self, pair: Pair) -> bool:
        """Whether it takes another seed, by the looks so far.

        One that has beaten its own control goes on until it is decided beside `standard` too, and others along with it.
        """
        name, control = pair
        if pair in self._found.lost or self._end(pair):
            return False
        own, *further = self._controls[name]
        if control == own or self._goes_on((name, own)):
            return True
        looked = self._found.looked.get((name, own))
        beaten = looked is not None and looked.comparison.verdict is Verdict.BETTER
        if control == STANDARD:
            return beaten
        return beaten and STANDARD in further and self._goes_on((name, STANDARD))

    def _end(self, pair: Pair) -> bool:
        looked = self._found.looked.get(pair)
        return looked is not None and looked.end is not None


def primary_models(study: StudyResults) -> Mapping[str, Models]:
    """Row → its confirmed models that have been scored on the primary test set."""
    models: dict[str, dict[int, Decoded]] = {}
    for member in study.confirmations:
        decoded = member.decoded.get(study.primary)
        if decoded is not None and member.record.state is not TrialState.FAILED:
            models.setdefault(member.record.row, {})[member.record.seed] = decoded
    return models


def _lost(study: StudyResults) -> Callable[[str, int], bool]:
    """Whether a row's run with a seed has failed, or there is no trial that it could repeat."""
    failed = {(one.record.row, one.record.seed) for one in study.confirmations if one.record.state is TrialState.FAILED}
    repeated = {one.record.row for one in study.searched if one.value(study.metric) is not None}
    return lambda row, seed: (row, seed) in failed or row not in repeated
