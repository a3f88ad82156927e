"""Test scores of every system, and how each strategy does beside its controls."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from intelligen.analysis.comparisons import HeldAgainst, comparisons
from intelligen.analysis.decoded import Decoded, Setting
from intelligen.analysis.other_metrics import OtherDifference, other_differences, shown_beside
from intelligen.analysis.sequential_looks import Models
from intelligen.analysis.study import StudyResults, System
from intelligen.config.metric_direction import merit
from intelligen.evaluation import Interval
from intelligen.evaluation.decision_procedure import Comparison
from intelligen.evaluation.significance import mean_interval
from intelligen.tasks.base import AnyMetric


@dataclass(frozen=True)
class Score:
    """One system on one test set, by one search."""

    system: str
    setting: Setting
    trials: tuple[str, ...]
    """One per seed."""
    seeds: tuple[int, ...]
    searches: int | None
    """That these are of, where there are several; None of the seeds of one search."""
    metric: AnyMetric
    """By which systems rank."""
    mean: Interval
    """Over the seeds, with its 95 % interval over seeds × rows, of several searches over these × rows."""
    further: Mapping[str, float]
    """Other scores that the task reports → mean over the seeds."""
    loss: float | None
    """Of the test set, the mean over the seeds; None where it was not measured."""
    own: HeldAgainst | None
    """How it does beside its own control; None of controls, of the baseline, and where nothing is confirmed."""
    beside: Mapping[str, HeldAgainst]
    """Further control → how it does beside that."""
    others: Sequence[OtherDifference]
    """To its own control, by the metrics that decide nothing."""
    beside_mean: Mapping[str, float]
    """Scores by these metrics, and what its outputs are like: name → mean over the seeds."""
    signature: str
    is_primary: bool
    """Whether it is of the one test set and search by which the study decides; others are shown."""

    @property
    def reported(self) -> tuple[str, ...]:
        """The names of all scores of it, that which ranks first."""
        return (self.metric.name, *self.further)

    @property
    def difference(self) -> Comparison | None:
        """To its own control, over the seeds that both have, whether or not it is judged by it."""
        return None if self.own is None else self.own.comparison

    @property
    def gain(self) -> float:
        """How much better than its own control the system is; 0 where nothing is compared."""
        return 0.0 if self.difference is None else merit(self.metric.name, self.difference.delta)


def score_table(study: StudyResults, setting: Setting) -> list[Score]:
    """A test set's scores: the baseline, then the rows in the order in which they first ran."""
    references, metric = study.test_sets[setting[0]].references, study.task.ranking
    models = {system.name: found for system in study.systems if (found := system.of(setting))}
    held = comparisons(study, models, references, setting=setting) if study.confirmations else {}
    rows = []
    for system in study.systems:
        if system.name in models:
            hypotheses = [decoded.hypotheses for decoded in models[system.name].values()]
            units = study.units.of_seeds([*models[system.name]])
            mean = mean_interval(hypotheses, references, metric=metric, units=units)
            rows.append(_score(study, system, setting, models, mean, held.get(system.name, {})))
    return rows


def _score(
    study: StudyResults,
    system: System,
    setting: Setting,
    models: Mapping[str, Models],
    mean: Interval,
    held: Mapping[str, HeldAgainst],
) -> Score:
    task, found = study.task, models[system.name]
    own = next(iter(held.values()), None)
    members = [member for member in system.members if setting in member.decoded]
    signature = f"{task.ranking.name}_signature"
    return Score(
        system=system.name,
        setting=setting,
        trials=tuple(member.record.id for member in members),
        seeds=tuple(found),
        searches=study.units.count([*found]) if study.units.are_searches else None,
        metric=task.ranking,
        mean=mean,
        further={
            other.name: fmean(decoded.score(other.name) for decoded in found.values()) for other in task.reported[1:]
        },
        loss=_mean_loss(found.values()),
        own=own,
        beside=dict(list(held.items())[1:]),
        others=other_differences(task, own, found, models.get(own.control, {}) if own else {}),
        beside_mean=shown_beside(task, found.values()),
        signature=" ".join(sorted({decoded.signatures.get(signature, "") for decoded in found.values()})),
        is_primary=setting == study.primary,
    )


def _mean_loss(decoded: Iterable[Decoded]) -> float | None:
    losses = [one.metrics.get("loss") for one in decoded]
    known = [loss for loss in losses if loss is not None]
    return fmean(known) if known and len(known) == len(losses) else None
