"""Test scores of every system beside the control; differences are paired by seed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from intelligen.analysis.study import Decoded, Setting, StudyResults, System
from intelligen.config.metric_direction import merit
from intelligen.evaluation import Interval
from intelligen.evaluation.significance import Comparison, compare_systems, holm, mean_interval
from intelligen.tasks.base import AnyMetric

LEAST_SEEDS = 2
"""With fewer seeds, strategies cannot be distinguished from seeds."""

Models = Mapping[int, Decoded]
"""Seed → a test set as the model of that seed translates it."""


@dataclass(frozen=True)
class Score:
    """One system on one test set, by one search."""

    system: str
    setting: Setting
    trials: tuple[str, ...]
    """One per seed."""
    seeds: tuple[int, ...]
    metric: AnyMetric
    """By which systems rank."""
    mean: Interval
    """Over the seeds, with its 95 % interval over seeds × rows."""
    further: Mapping[str, float]
    """Other scores that the task reports → mean over the seeds."""
    loss: float | None
    """Of the test set, the mean over the seeds; None where it was not measured."""
    difference: Comparison | None
    """To the control, over the seeds that both have; none where that is not confirmed, and of it itself."""
    shared: tuple[int, ...]
    """The seeds of the difference."""
    p_holm: float | None
    """Of the difference, by Holm's correction for all differences of the same test set and search."""
    beside: Mapping[str, Comparison]
    """Further control → the difference to that; of strategies that have such."""
    signature: str

    @property
    def reported(self) -> tuple[str, ...]:
        """The names of all scores of it, that which ranks first."""
        return (self.metric.name, *self.further)

    @property
    def gain(self) -> float:
        """How much better than its control the system is; 0 where nothing is compared."""
        return 0.0 if self.difference is None else merit(self.metric.name, self.difference.delta)


def score_table(study: StudyResults, setting: Setting) -> list[Score]:
    """A test set's scores: the baseline, then the rows in the order in which they first ran."""
    references, metric = study.test_sets[setting[0]].references, study.task.ranking
    models = {system.name: found for system in study.systems if (found := system.of(setting))}
    control, rows = study.compared.control, []
    held = models.keys() & set(study.strategies) if study.confirmations else set()
    controls = {name: study.compared.controls_of(name) if name in held else () for name in models}
    compared = [name for name, own in controls.items() if control in own and _seeds(name, control, models)]
    for system in study.systems:
        if system.name in models:
            differences = {
                other: _compare((system.name, other), models, references, metric=metric, family=max(1, len(compared)))
                for other in controls[system.name]
            }
            shared = tuple(_seeds(system.name, control, models)) if control in differences else ()
            hypotheses = [decoded.hypotheses for decoded in models[system.name].values()]
            mean = mean_interval(hypotheses, references, metric=metric)
            rows.append(_score(study, system, setting, models[system.name], mean, differences, shared))
    return _corrected(rows)


def _seeds(system: str, control: str, models: Mapping[str, Models]) -> list[int]:
    """The seeds that both systems have; empty where they are too few."""
    common = sorted(models[system].keys() & models.get(control, {}).keys())
    return common if len(common) >= LEAST_SEEDS else []


def _compare(
    pair: tuple[str, str],
    models: Mapping[str, Models],
    references: Sequence[str],
    *,
    metric: AnyMetric,
    family: int,
) -> Comparison | None:
    """The difference of a system to its control, over the seeds that both have."""
    seeds = _seeds(*pair, models)
    if not seeds:
        return None
    ours, theirs = ([models[name][seed].hypotheses for seed in seeds] for name in pair)
    return compare_systems(ours, theirs, references, metric=metric, family=family)


def _score(
    study: StudyResults,
    system: System,
    setting: Setting,
    found: Models,
    mean: Interval,
    differences: Mapping[str, Comparison | None],
    shared: tuple[int, ...],
) -> Score:
    task, control = study.task, study.compared.control
    members = [member for member in system.members if setting in member.decoded]
    signature = f"{task.ranking.name}_signature"
    return Score(
        system=system.name,
        setting=setting,
        trials=tuple(member.record.id for member in members),
        seeds=tuple(found),
        metric=task.ranking,
        mean=mean,
        further={
            other.name: fmean(decoded.score(other.name) for decoded in found.values()) for other in task.reported[1:]
        },
        loss=_mean_loss(found.values()),
        difference=differences.get(control),
        shared=shared,
        p_holm=None,
        beside={name: one for name, one in differences.items() if name != control and one is not None},
        signature=" ".join(sorted({decoded.signatures.get(signature, "") for decoded in found.values()})),
    )


def _mean_loss(decoded: Iterable[Decoded]) -> float | None:
    losses = [one.metrics.get("loss") for one in decoded]
    known = [loss for loss in losses if loss is not None]
    return fmean(known) if known and len(known) == len(losses) else None


def _corrected(rows: Sequence[Score]) -> list[Score]:
    compared = [row for row in rows if row.difference is not None]
    p_values = holm([row.difference.p_value for row in compared if row.difference is not None])
    by_system = {row.system: p_value for row, p_value in zip(compared, p_values, strict=True)}
    return [replace(row, p_holm=by_system.get(row.system)) for row in rows]
