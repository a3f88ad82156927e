"""What every system scores on every test set, beside the standard control: differences are paired by seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from intelligen.config.controls import COSTLIER, NULL_CONTROLS
from intelligen.evaluation import Interval
from intelligen.evaluation.significance import Comparison, compare_systems, holm, mean_interval
from intelligen.reporting.study import BASELINE, Decoded, Setting, StudyResults, System

CONTROL = "standard"
LEAST_SEEDS = 2
"""Fewer do not tell a strategy from its seed."""


@dataclass(frozen=True)
class Score:
    """One system on one test set, by one search."""

    system: str
    setting: Setting
    trials: tuple[str, ...]
    """One per seed."""
    seeds: tuple[int, ...]
    bleu: Interval
    """Mean over the seeds, with its 95 % interval over seeds × sentences."""
    difference: Comparison | None
    """To the standard control, over the seeds that both have; none where that is not confirmed, and of it itself."""
    p_holm: float | None
    """Of the difference, by Holm's correction for all differences of the same test set and search."""
    beside: Mapping[str, Comparison]
    """Further control → the difference to that; of strategies that have such."""
    signature: str


def score_table(study: StudyResults, setting: Setting) -> list[Score]:
    """A test set's scores: the baseline, then the strategies in the order in which they first ran."""
    references = study.test_sets[setting[0]].references
    systems = [(system, found) for system in study.systems if (found := system.of(setting))]
    by_name = {system.name: found for system, found in systems}
    rows = []
    for system, found in systems:
        controls = held_against(system.name) if study.confirmations else ()
        differences = {name: compare(found, by_name[name], references) for name in controls if name in by_name}
        rows.append(_score(system, setting, found, references, differences))
    return _corrected(rows)


def held_against(system: str) -> tuple[str, ...]:
    """The controls that a gain of this system must be held against, `standard` first."""
    if system in (BASELINE, CONTROL):
        return ()
    matched = ("standard_matched",) if system in COSTLIER else ()
    return (CONTROL, *matched, *(NULL_CONTROLS if system == "seqgan" else ()))


def compare(ours: dict[int, Decoded], control: dict[int, Decoded], references: Sequence[str]) -> Comparison | None:
    """The difference over the seeds that both have; none where those are too few."""
    seeds = sorted(ours.keys() & control.keys())
    if len(seeds) < LEAST_SEEDS:
        return None
    return compare_systems(
        [ours[seed].hypotheses for seed in seeds], [control[seed].hypotheses for seed in seeds], references
    )


def _score(
    system: System,
    setting: Setting,
    found: dict[int, Decoded],
    references: Sequence[str],
    differences: Mapping[str, Comparison | None],
) -> Score:
    members = [member for member in system.members if setting in member.decoded]
    return Score(
        system=system.name,
        setting=setting,
        trials=tuple(member.record.id for member in members),
        seeds=tuple(found),
        bleu=mean_interval([decoded.hypotheses for decoded in found.values()], references),
        difference=differences.get(CONTROL),
        p_holm=None,
        beside={name: one for name, one in differences.items() if name != CONTROL and one is not None},
        signature=" ".join(sorted({decoded.signatures["bleu_signature"] for decoded in found.values()})),
    )


def _corrected(rows: Sequence[Score]) -> list[Score]:
    compared = [row for row in rows if row.difference is not None]
    p_values = holm([row.difference.p_value for row in compared if row.difference is not None])
    by_system = {row.system: p_value for row, p_value in zip(compared, p_values, strict=True)}
    return [replace(row, p_holm=by_system.get(row.system)) for row in rows]
