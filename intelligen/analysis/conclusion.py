"""Conclusion of a sweep in one sentence: it claims no more than was shown, and says why nothing is ranked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from intelligen.analysis.costs import StrategyCost
from intelligen.analysis.search_analysis import SearchEffort, budget_differences
from intelligen.analysis.study import StudyResults, scored_as
from intelligen.analysis.system_scores import CONTROL, LEAST_SEEDS, Score, required_controls
from intelligen.config.schema.control_strategies import is_control, missing_controls
from intelligen.data.data_summary import leaks
from intelligen.evaluation.significance import ALPHA, Comparison
from intelligen.state.trial_records import TrialState
from intelligen.tasks.base import AnyMetric

_SAME_SCORE = 1e-6


@dataclass(frozen=True)
class Conclusion:
    """What a study concludes: one sentence, why nothing is ranked, and notes."""

    sentence: str
    refusals: tuple[str, ...]
    """Why nothing is ranked; empty where something is."""
    notes: tuple[str, ...]
    """What a reader of the table must know."""


def answer(study: StudyResults, rows: Sequence[Score], costs: Mapping[str, StrategyCost]) -> Conclusion:
    """Conclude from the primary comparison.

    Args:
        study: The study.
        rows: Its scores on the primary test set.
        costs: Of each system.

    """
    refused = tuple(refusals(study, rows))
    sentence = f"No strategy is ranked: {'; '.join(refused)}." if refused else _ranking(rows, costs)
    return Conclusion(sentence, refused, tuple(_notes(study)))


def refusals(study: StudyResults, rows: Sequence[Score]) -> list[str]:
    """Reasons against a ranking, one clause each; empty where strategies can be ranked."""
    if not study.confirmations:
        unasked = study.sweep.confirm is None
        why = "its sweep file has no section `confirm`" if unasked else "the sweep has not reached that stage"
        noise = "with one seed a strategy's effect cannot be separated from seed noise"
        return [f"nothing is confirmed with other seeds ({why}), and {noise}"]
    if waiting := _undecoded(study):
        return [waiting]
    found = [*budget_differences(spent(study), study.sweep.budget), *missing_controls(study.strategies)]
    if not found and not any(row.difference for row in rows):
        found.append(f"no strategy shares {LEAST_SEEDS} confirmed seeds with {CONTROL}")
    return found + list(_uncompared(study, rows))


def _undecoded(study: StudyResults) -> str:
    """What the test stage still has to do; empty where it has finished."""
    split, search = study.primary
    due = [member for member in study.confirmations if member.record.state is not TrialState.FAILED]
    left = [member for member in due if study.primary not in member.decoded]
    if not left:
        return ""
    return f"{len(left)} of {len(due)} confirmed models have not decoded {split} by {search} search yet"


def _uncompared(study: StudyResults, rows: Sequence[Score]) -> Iterator[str]:
    """Controls that ran, but have too few results for a strategy to be compared with."""
    for row in rows:
        for control in required_controls(row.system)[1:] if row.difference else ():
            if control in study.strategies and control not in row.beside:
                yield f"{row.system} and its control {control} share fewer than {LEAST_SEEDS} confirmed seeds"


def spent(study: StudyResults) -> dict[str, SearchEffort]:
    """Strategy → what its trials of the search have spent, however they ended."""
    groups = {name: [m for m in study.searched if m.record.row == name] for name in study.strategies}
    return {
        name: SearchEffort(len(own), sum(m.device_s for m in own), sum(m.target_tokens for m in own))
        for name, own in groups.items()
    }


def _ranking(rows: Sequence[Score], costs: Mapping[str, StrategyCost]) -> str:
    """Which strategy beats the standard control, by how much, how surely, and at what cost."""
    compared = [row for row in rows if row.difference is not None and row.p_holm is not None]
    better = [row for row in compared if _is_claimed(row) and row.gain > 0]
    if not better:
        return _no_winner(compared)
    best, *others = sorted(better, key=lambda row: -row.gain)
    sentence = f"{best.system} wins: {_difference(best, compared)}{_price(best, costs)}"
    if is_control(best.system):
        sentence += "; it is a control, so the gain is due to what it controls for, not to a strategy"
    sentence += "".join(_beside(control, found, best.metric) for control, found in best.beside.items())
    if others:
        named = ", ".join(f"{row.system} ({_delta(row)})" for row in others)
        sentence += f"; {named} beat{'s' if len(others) == 1 else ''} {CONTROL} too"
    if untested := [row.system for row in others if row.system not in best.beside]:
        sentence += f"; no test was made between {best.system} and {', '.join(untested)}"
    return sentence + "."


def _no_winner(compared: Sequence[Score]) -> str:
    most = max(compared, key=lambda row: abs(row.gain))
    worse = [row for row in compared if _is_claimed(row)]
    sentence = f"No strategy is shown to be better than {CONTROL}"
    if worse:
        named = ", ".join(f"{row.system} ({_delta(row)} {row.metric.label})" for row in worse)
        return f"{sentence}; worse {'is' if len(worse) == 1 else 'are'} {named}."
    assert most.difference is not None
    needed = most.difference.seeds_needed
    more = f"; about {needed} seeds would resolve it" if needed is not None else ""
    return f"No difference can be claimed: the largest is {most.system}, {_difference(most, compared)}{more}."


def _difference(row: Score, compared: Sequence[Score]) -> str:
    """`+1.20 BLEU over standard (95 % interval 0.40 to 2.00, p = 0.012 after Holm over 5 comparisons, 3 seeds)`."""
    found = row.difference
    assert found is not None
    assert row.p_holm is not None
    p_value = "p < 0.001" if row.p_holm < 0.001 else f"p = {row.p_holm:.3f}"
    family = "in the only comparison" if len(compared) == 1 else f"after Holm over {len(compared)} comparisons"
    return (
        f"{_delta(row)} {row.metric.label} against {CONTROL} (95 % interval {_bounds(found, row.metric)}, {p_value}"
        f" {family}, {found.seeds} seeds)"
    )


def _beside(control: str, found: Comparison, metric: AnyMetric) -> str:
    """The gain over a further control, beside that over `standard`."""
    explained = found.p_value >= ALPHA or not metric.improves(found.delta)
    return (
        f"; against {control} {metric.change(found.delta)} ({_bounds(found, metric)}, p = {found.p_value:.3f},"
        f" uncorrected), so {'the gain may be due to what that controls for' if explained else 'it is more than that'}"
    )


def _price(row: Score, costs: Mapping[str, StrategyCost]) -> str:
    own, control = costs.get(row.system), costs.get(CONTROL)
    if own is None or control is None:
        return ""
    return (
        f", at {own.device_hours:.3g} device-hours in all (× {own.device_s / control.device_s:.2f} of {CONTROL}) and"
        f" {own.epoch_s:.1f} s per epoch (× {own.epoch_s / control.epoch_s:.2f})"
    )


def _notes(study: StudyResults) -> list[str]:
    notes = [
        f"{member.record.id} ({member.record.row}, seed {member.record.seed}) failed:"
        f" {member.record.stop_reason or 'no reason is known'}"
        for member in study.confirmations
        if member.record.state is TrialState.FAILED
    ]
    failed = sum(member.record.state is TrialState.FAILED for member in study.searched)
    if failed:
        notes.append(f"{failed} of {len(study.searched)} trials of the search failed")
    ranking = study.task.ranking
    if study.metric != f"valid/{ranking.name}":
        notes.append(f"the search chose by {study.metric}, the test sets rank by {ranking.label}")
    notes += leaks(study.data) if study.data else []
    notes += _decoded_anew(study)
    going_on = [member.record.id for member in study.members if member.record.state is TrialState.RUNNING]
    if going_on:
        notes.append(f"not ended yet: {', '.join(going_on)}")
    return notes


def _decoded_anew(study: StudyResults) -> Iterator[str]:
    """Notes on models whose hypotheses were written anew since the test stage scored them."""
    metric = study.task.ranking
    for member in study.members:
        for (split, search), decoded in member.decoded.items():
            scored = member.record.scores[scored_as((split, search), study.primary[1], metric.name)]
            now = decoded.score(metric.name)
            if abs(scored - now) > _SAME_SCORE:
                yield (
                    f"{member.record.id}: its hypotheses for {split} by {search} search were rewritten after the"
                    f" sweep scored them: {metric.label} was {metric.text(scored)} and is {metric.text(now)}"
                )


def _is_claimed(row: Score) -> bool:
    return row.p_holm is not None and row.p_holm < ALPHA


def _delta(row: Score) -> str:
    assert row.difference is not None
    return row.metric.change(row.difference.delta)


def _bounds(found: Comparison, metric: AnyMetric) -> str:
    return f"{found.low:{metric.format}} to {found.high:{metric.format}}"
