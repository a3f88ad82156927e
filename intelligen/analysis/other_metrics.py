"""Other metrics than the one that decides: shown beside it, and said where they contradict a verdict; never tested."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from intelligen.analysis.comparisons import HeldAgainst
from intelligen.analysis.decoded import Decoded
from intelligen.analysis.sequential_looks import Models
from intelligen.config.metric_direction import merit
from intelligen.evaluation.learned_metric import LEARNED, LEARNED_SIGNATURE
from intelligen.tasks import AnyTask
from intelligen.tasks.base import AnyMetric

DESCRIBED: Final = {"self_bleu": "self-BLEU", "output_entropy": "output entropy", "output_top1": "top-1 probability"}
"""Measures that say what outputs are like, and not how good → what they are called."""


LEARNED_LABEL: Final = "the learned metric"


@dataclass(frozen=True)
class OtherDifference:
    """A strategy beside its own control, by a metric that decides nothing."""

    label: str
    delta: float
    """Mean over the seeds that both have."""
    gain: float
    """The same, positive where it is better."""
    form: str
    """Python's format of a value of it."""
    words: str
    """`−0.31 chrF`."""


def other_differences(task: AnyTask, own: HeldAgainst | None, ours: Models, theirs: Models) -> list[OtherDifference]:
    """By every metric of the task but the one that ranks, as far as all these models were scored by it.

    Args:
        task: The study's.
        own: Which control it is; None where nothing is compared.
        ours: The strategy's models.
        theirs: The control's.

    """
    return [] if own is None or not own.seeds else list(_differences(task, own.seeds, ours, theirs))


def _differences(task: AnyTask, seeds: Iterable[int], ours: Models, theirs: Models) -> Iterator[OtherDifference]:
    pairs = [(ours[seed], theirs[seed]) for seed in seeds]
    models = [one for pair in pairs for one in pair]

    def difference(name: str) -> float | None:
        if not all(_has(one, name) for one in models):
            return None
        return fmean(one.score(name) - other.score(name) for one, other in pairs)

    for metric in _others(task):
        if (delta := difference(metric.name)) is not None:
            words = f"{metric.change(delta)} {metric.label}"
            yield OtherDifference(metric.label, delta, merit(metric.name, delta), metric.format, words)
    if _comparable(models) and (delta := difference(LEARNED)) is not None:
        form = task.form(LEARNED)
        yield OtherDifference(LEARNED_LABEL, delta, delta, form, f"{delta:+{form}} (learned)")


def shown_beside(task: AnyTask, decoded: Collection[Decoded]) -> Mapping[str, float]:
    """Name → mean over the models, of these metrics and of `DESCRIBED`; earlier versions had none of the latter."""
    names = [metric.name for metric in _others(task)]
    names += [*([LEARNED] if _comparable(decoded) else []), *DESCRIBED]
    return {
        name: fmean(one.score(name) for one in decoded) for name in names if all(_has(one, name) for one in decoded)
    }


def _others(task: AnyTask) -> list[AnyMetric]:
    return [metric for metric in task.metrics if metric.name != task.ranking.name]


def _comparable(decoded: Iterable[Decoded]) -> bool:
    """Whether one learned metric has scored all of them."""
    return len({one.signatures.get(LEARNED_SIGNATURE) for one in decoded}) == 1


def _has(one: Decoded, name: str) -> bool:
    return name in one.intervals or name in one.metrics
