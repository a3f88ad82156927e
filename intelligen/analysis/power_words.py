"""Words for what a study can find, the same in plan, launch and answer."""

from collections.abc import Sequence
from math import isinf

from intelligen.analysis.system_scores import Score
from intelligen.evaluation.sequential_procedure import SequentialPlan
from intelligen.evaluation.study_power import MOST_SEEDS, WANTED, Power, Prior, prior_of
from intelligen.tasks.base import AnyMetric

UNKNOWN_SD = Prior(sd=1.0, degrees=float("inf"))
"""Where nothing is known beforehand: differences are said in standard deviations."""


def power_after(
    rows: Sequence[Score], *, family: int, seeds: int, sequential: SequentialPlan | None = None
) -> Power | None:
    """What a study could find, by how much its own pairs of runs differ; None where that is not known."""
    held = [row.own for row in rows if row.own is not None]
    known = [(one.comparison.difference, one.control) for one in held if one.comparison is not None]
    prior = prior_of([difference for difference, _ in known], [control for _, control in known])
    return None if prior is None else Power(prior, family, seeds, sequential)


def smallest_words(power: Power, metric: AnyMetric, *, units: str = "seeds") -> str:
    """`1.10 to 1.83 BLEU`; `units` is what differences vary between."""
    low, high = power.smallest()
    if isinf(power.prior.degrees):
        return f"{low:.1f} standard deviations of a pair's difference between {units}"
    return f"{low:{metric.format}} to {high:{metric.format}} {metric.label}"


def seeds_words(power: Power, metric: AnyMetric, *, units: str = "seeds") -> str:
    """`0.3 BLEU takes 32 to 85 seeds, 0.5 BLEU 9 to 22, 1 BLEU 4 to 7`; `units` as above."""
    in_deviations = isinf(power.prior.degrees)
    unit = "standard deviations" if in_deviations else metric.label
    first, *others = [(f"{wanted:g} {unit}", _range(*power.seeds_for(wanted))) for wanted in WANTED]
    return ", ".join([f"{first[0]} takes {first[1]} {units}", *(f"{wanted} {seeds}" for wanted, seeds in others)])


def _range(fewest: int | None, most: int | None) -> str:
    if fewest is None:
        return f"more than {MOST_SEEDS}"
    if most is None:
        return f"{fewest} or more"
    return str(fewest) if fewest == most else f"{fewest} to {most}"
