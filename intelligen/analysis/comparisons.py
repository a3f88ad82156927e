"""Comparisons of a study: each strategy beside its own control and others, all decided together, or why it is not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Final

from intelligen.analysis.decoded import Setting
from intelligen.analysis.sequential_looks import (
    Measured,
    Models,
    Pair,
    Round,
    as_looked_at,
    follow,
    pairs_together,
    sequential_plan,
)
from intelligen.analysis.study import StudyResults, System
from intelligen.evaluation.decision_procedure import LEAST_UNITS, Comparison, Verdict, decide
from intelligen.evaluation.sequential_procedure import End, Looked, SequentialPlan
from intelligen.evaluation.significance import Difference, paired_difference

FAIR_COST: Final = 0.10
"""Computing of a strategy and its own control may differ by this share to be called the same; beyond, the ratio is
said."""
REFUSED: Final = "refused"


@dataclass(frozen=True)
class HeldAgainst:
    """A strategy beside one of its controls."""

    control: str
    seeds: tuple[int, ...]
    """That both have."""
    cost_ratio: float | None
    """The strategy's device-seconds over the control's, in these runs; None where rows are variants."""
    refusal: str
    """Why nothing is decided, a clause; empty where something is."""
    due: tuple[int, ...]
    """The seeds that both should have by now."""
    comparison: Comparison | None = None
    """None with fewer seeds, or searches, than a comparison takes."""
    at_most: int | None = None
    """Seeds at the last look of a sequential study; None where they are fixed."""
    end: End | None = None
    """Why it takes no more of them; None where it does, or where they are fixed."""

    @property
    def goes_on(self) -> bool:
        """Whether another look decides more."""
        return self.at_most is not None and self.end is None and not self.refusal

    @property
    def cost_differs(self) -> bool:
        """Whether one of the two spent clearly more computing."""
        ratio = self.cost_ratio
        return ratio is not None and not 1 / (1 + FAIR_COST) <= ratio <= 1 + FAIR_COST

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `equivalent`, `open` or `refused`."""
        return REFUSED if self.refusal or self.comparison is None else str(self.comparison.verdict)

    @property
    def decided(self) -> Comparison | None:
        """The comparison, where it is not refused."""
        return None if self.refusal else self.comparison


def comparisons(
    study: StudyResults, models: Mapping[str, Models], references: Sequence[str], *, setting: Setting
) -> dict[str, dict[str, HeldAgainst]]:
    """Strategy → control → how it does beside that, its own control first; of the strategies that are asked about.

    Args:
        study: The study.
        models: System → its models that have decoded the test set.
        references: Of the test set.
        setting: Which it is, and by which search; the primary one decides when a sequential study ends.

    """
    controls = held_against(study)
    plan = sequential_plan(study.sweep, family=len(controls))
    if plan is None:
        held = _of_fixed_seeds(study, models, references, controls)
    else:
        measured = Measured(models, references, planned_seeds(study), study.task.ranking)
        held = _of_looks(study, plan, controls, measured, shown=setting != study.primary)
    return {name: _judged_by_cost(study, name, controls) for name, controls in held.items()}


def held_against(study: StudyResults) -> dict[str, tuple[str, ...]]:
    """Strategy that is asked about → its controls, its own first."""
    rows, compared = asked_rows(study), study.compared
    return {
        name: (compared.own_control(name, rows), *compared.further_controls(name, rows))
        for name in compared.asked(rows)
    }


def _of_fixed_seeds(
    study: StudyResults, models: Mapping[str, Models], references: Sequence[str], controls: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, HeldAgainst]]:
    held: dict[str, dict[str, HeldAgainst]] = {}
    differences: dict[Pair, Difference] = {}
    due, units = planned_seeds(study), study.units
    for name, beside in controls.items():
        held[name] = {control: _held(study, name, control, models, due) for control in beside}
        for control, one in held[name].items():
            if units.count(one.seeds) >= LEAST_UNITS:
                ours, theirs = ([models[side][seed].hypotheses for seed in one.seeds] for side in (name, control))
                differences[name, control] = paired_difference(
                    ours, theirs, references, metric=study.task.ranking, units=units.of_seeds(one.seeds)
                )
    for pairs in pairs_together(controls):
        decided = _decided(study, [pair for pair in pairs if pair in differences], differences, family=len(held))
        for (name, control), found in decided.items():
            held[name][control] = replace(held[name][control], comparison=found)
    return held


def _of_looks(
    study: StudyResults,
    plan: SequentialPlan,
    controls: Mapping[str, Sequence[str]],
    measured: Measured,
    *,
    shown: bool,
) -> dict[str, dict[str, HeldAgainst]]:
    """Of a sequential study; what other test sets than the primary one have is shown, and ends nothing."""
    following = follow(study, plan, controls)
    looked: dict[Pair, Looked] = following.looked
    if shown:
        looked = {}
        for together in pairs_together(controls):
            looked |= as_looked_at(measured, plan, together, following)

    def one(pair: Pair) -> HeldAgainst:
        due = following.due.get(pair, tuple(measured.seeds[: plan.looks.at_least]))
        held, found = _held(study, *pair, measured.models, due), looked.get(pair)
        seeds = tuple(seed for seed in held.seeds if seed in due)
        held = replace(held, seeds=seeds, cost_ratio=_cost_ratio(study, *pair, seeds), at_most=plan.looks.at_most)
        return held if found is None else replace(held, comparison=found.comparison, end=found.end)

    return {name: {control: one((name, control)) for control in beside} for name, beside in controls.items()}


def next_round(study: StudyResults) -> Round | None:
    """What a sequential study needs before its next look; None where all its comparisons have ended."""
    controls = held_against(study)
    plan = sequential_plan(study.sweep, family=len(controls))
    return None if plan is None else follow(study, plan, controls).next


def asked_rows(study: StudyResults) -> tuple[str, ...]:
    """The rows that the study was planned with, those without a result among them."""
    return study.sweep.table_rows() or study.strategies


def planned_seeds(study: StudyResults) -> tuple[int, ...]:
    """The seeds that confirm, as last launched, of all searches; of a sequential study those of its last look."""
    return study.sweep.confirmation_seeds(study.fingerprint["experiment"]["seed"])


def _decided(
    study: StudyResults,
    pairs: Sequence[Pair],
    differences: Mapping[Pair, Difference],
    *,
    family: int,
) -> dict[Pair, Comparison]:
    asked = study.sweep.confirm
    found = decide(
        [differences[pair] for pair in pairs],
        family=family,
        higher_is_better=study.task.ranking.higher_is_better,
        planned=study.units.count(planned_seeds(study)) or None,
        margin=None if asked is None else asked.counts_as_none,
    )
    return dict(zip(pairs, found, strict=True))


def _held(
    study: StudyResults, name: str, control: str, models: Mapping[str, Models], due: tuple[int, ...]
) -> HeldAgainst:
    seeds = tuple(sorted(models.get(name, {}).keys() & models.get(control, {}).keys()))
    refusal = _refusal(study, name, control, models, due)
    return HeldAgainst(control, seeds, _cost_ratio(study, name, control, seeds), refusal, due)


def _refusal(study: StudyResults, name: str, control: str, models: Mapping[str, Models], seeds: Sequence[int]) -> str:
    """Why no score of these two decides anything; to leave out a run that failed would be to choose."""
    if control not in study.strategies:
        return f"the sweep has no {study.label(control)} to hold it against"
    for side, whose in ((name, "its"), (control, f"{study.label(control)}'s")):
        if missing := [str(seed) for seed in seeds if seed not in models.get(side, {})]:
            return f"{whose} run with seed {' and that with seed '.join(missing)} has no score"
    if (count := study.units.count(seeds)) < LEAST_UNITS:
        return f"it has {count} {study.units.word}, and fewer than {LEAST_UNITS} decide nothing"
    return ""


def _cost_ratio(study: StudyResults, name: str, control: str, seeds: Sequence[int]) -> float | None:
    if study.compared.variants or not seeds:
        return None
    systems = {system.name: system for system in study.systems}
    ours, theirs = (_device_s(systems[side], seeds) for side in (name, control))
    return ours / theirs if theirs else None


def _device_s(system: System, seeds: Sequence[int]) -> float:
    return fmean(member.device_s for member in system.members if member.record.seed in seeds)


def _judged_by_cost(study: StudyResults, name: str, controls: Mapping[str, HeldAgainst]) -> dict[str, HeldAgainst]:
    """Without a costly strategy's gain over a control that is matched to nothing: more computing alone may bring it.

    Of all others the ratio of the costs is said. Of further controls equal cost is not asked: `standard` makes as many
    updates, null controls as it happens.
    """
    own, *_ = controls.values()
    found, ratio = own.decided, own.cost_ratio
    gains = found is not None and found.verdict is Verdict.BETTER
    if not gains or ratio is None or ratio <= 1 + FAIR_COST or not study.compared.lacks_matched(name, own.control):
        return dict(controls)
    less = f"its control spent {100 * (1 - 1 / ratio):.0f} % less computing"
    return {**controls, own.control: replace(own, refusal=f"{less}, which may be all of its gain")}
