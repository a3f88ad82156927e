"""Sentences of an answer: what was found of each strategy, how surely, and what to do next.

Each is read from the interval that its verdict is read from, and claims no more than that.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from intelligen.analysis.comparisons import REFUSED, HeldAgainst
from intelligen.analysis.costs import StrategyCost
from intelligen.analysis.next_step import NextStep, Step
from intelligen.analysis.power_words import seeds_words, smallest_words
from intelligen.analysis.study import StudyResults
from intelligen.analysis.system_scores import Score
from intelligen.config.schema.declarations import MATCHED, STANDARD
from intelligen.config.schema.own_controls import trained_by
from intelligen.evaluation.decision_procedure import Comparison, Verdict
from intelligen.evaluation.sequential_procedure import FUTILE_BELOW, End
from intelligen.evaluation.significance import ALPHA
from intelligen.evaluation.study_power import Power
from intelligen.tasks.base import AnyMetric

_ORDER = (Verdict.BETTER, Verdict.WORSE, Verdict.EQUIVALENT, Verdict.OPEN, REFUSED)
_CLAIMS = (Verdict.BETTER, Verdict.WORSE, Verdict.EQUIVALENT)
_HERE = "as configured here"
"""Of a row whose configurations one search has found: other searches find others."""


@dataclass(frozen=True)
class AnswerSentences:
    """What the primary comparison shows."""

    study: StudyResults
    rows: Sequence[Score]
    """Of the strategies that are asked about; others are passed over."""
    costs: Mapping[str, StrategyCost]
    power: Power | None = None
    """What the study could find; None where that is not known."""
    steps: list[Step] = field(default_factory=list)
    """What the sentences so far say to do next."""

    def winners(self) -> list[str]:
        """The rows that win."""
        return [row.system for row in self.rows if self._wins(row)]

    def all(self) -> Iterator[str]:
        """The winners, then what else is claimed, then what is not known, and what is not judged."""
        rows = [(row, row.own) for row in self.rows if row.own is not None]
        rows.sort(key=lambda one: (_ORDER.index(one[1].verdict), -one[0].gain))
        if not any(self._wins(row) for row, _ in rows):
            yield f"No {self.study.compared.word} is shown to win."
        for row, own in rows:
            if own.verdict != Verdict.OPEN:
                yield " ".join(self._of(row, own))
                yield from self._contradicted(row, own)
        if winners := [row for row, _ in rows if self._wins(row)][1:]:
            yield f"The {len(winners) + 1} winners are not compared with each other."
        if any(own.verdict in _CLAIMS for _, own in rows):
            yield self._certainty()
        if unknown := [(row, own) for row, own in rows if own.verdict == Verdict.OPEN]:
            yield " ".join(self._open(unknown))
        if self._goes_on():
            yield f"The study has not ended. {self._next(NextStep(self.study).to_end())}"

    def _next(self, step: Step) -> str:
        self.steps.append(step)
        return f"Next: {step}."

    def _of(self, row: Score, own: HeldAgainst) -> Iterator[str]:
        found, label, step = own.decided, self._label(row.system), NextStep(self.study)
        if found is None:
            yield f"{label} is not judged: {own.refusal}."
            yield self._next(step.after_refusal(row.system, own))
        elif found.verdict is Verdict.BETTER:
            yield from self._better(row, own, found)
        elif found.verdict is Verdict.WORSE:
            size = _size(found, row.metric)
            taken = self._seeds(own, found, row.metric)
            yield f"{self._claimed(row.system)} is worse than {self._control(own)} by {size}. {taken}"
            yield self._next(Step("leave it out, or search more of its settings"))
        else:
            yield self._equivalent(row, own, found)
            yield self._next(Step(f"take the cheaper, {self._cheaper(row, own)}"))

    def _contradicted(self, row: Score, own: HeldAgainst) -> Iterator[str]:
        """A sentence where other metrics point the other way than a claim; they are not tested."""
        claims = own.decided is not None and own.verdict in (Verdict.BETTER, Verdict.WORSE)
        if claims and (against := [other for other in row.others if other.gain * row.gain < 0]):
            say = "says" if len(against) == 1 else "say"
            by = " and ".join(other.label for other in against)
            how = " and ".join(other.words for other in against)
            pair = f"{self._label(row.system)} {how} to {self._label(own.control)}"
            subject = f"T{by[1:]}" if by.startswith("the ") else by
            yield f"{subject} {say} the opposite: {pair} on average; this is not tested."

    def _better(self, row: Score, own: HeldAgainst, found: Comparison) -> Iterator[str]:
        label, gate = self._label(row.system), row.beside.get(STANDARD)
        gain = f"{self._control(own)} by {_size(found, row.metric)}"
        if self._wins(row):
            second = gate and gate.decided
            also = f" and {STANDARD} by {_size(second, row.metric, unit=False)}" if second else ""
            here = "" if self.study.units.are_searches else f"{_HERE}, "
            yield f"{label} wins: {here}it beats {gain}{also}. {self._seeds(own, found, row.metric)}"
            yield from self._price(row)
        else:
            yield f"{self._claimed(row.system)} beats {gain}. {self._seeds(own, found, row.metric)}"
            yield self._why_no_win(gate, row.metric)
        for control, other in row.beside.items():
            if control != STANDARD and other.decided is not None:
                yield _beside(control, other.decided, row.metric)
        if not self._goes_on():
            yield self._next(NextStep(self.study).after_gain(own))

    def _goes_on(self) -> bool:
        """Whether another look may change what is not decided."""
        gates = [row.beside.get(STANDARD) for row in self.rows if row.own and row.own.verdict == Verdict.BETTER]
        return any(one is not None and one.goes_on for one in (*gates, *(row.own for row in self.rows)))

    def _wins(self, row: Score) -> bool:
        """Better than its own control and than `standard`: that control may be worse than no more computing at all."""
        if row.own is None or row.own.verdict != Verdict.BETTER:
            return False
        gate = row.beside.get(STANDARD)
        if gate is not None:
            return gate.verdict == Verdict.BETTER
        return bool(self.study.compared.variants) or STANDARD in self.study.strategies

    def _why_no_win(self, gate: HeldAgainst | None, metric: AnyMetric) -> str:
        if gate is None:
            return f"The sweep has no {STANDARD} that it could be shown to beat too."
        found = gate.decided
        if found is None:
            return f"Beside {STANDARD} it is not judged: {gate.refusal}."
        return f"It is not shown to beat {STANDARD} too: {_change(found, metric)}."

    def _equivalent(self, row: Score, own: HeldAgainst, found: Comparison) -> str:
        metric = row.metric
        assert self.study.sweep.confirm is not None
        margin = f"{self.study.sweep.confirm.counts_as_none:g} {metric.label}"
        between = f"its score minus the control's is between {metric.change(found.low)} and {metric.change(found.high)}"
        return (
            f"{self._claimed(row.system)} and {self._control(own)} differ by less than the {margin} that you"
            f" asked about: {between}. {self._seeds(own, found, metric)} A smaller difference is possible."
        )

    def _open(self, rows: Sequence[tuple[Score, HeldAgainst]]) -> Iterator[str]:
        one, (row, own) = len(rows) == 1, rows[0]
        if one:
            assert own.comparison is not None
            found, metric = own.comparison, row.metric
            yield (
                f"Whether {self._claimed(row.system)} is better or worse than {self._control(own)} is not"
                f" known: {_change(found, metric)}. {self._seeds(own, found, metric)}"
            )
        else:
            each = ", ".join(self._open_row(row, own) for row, own in rows)
            yield f"Whether {self._claimed()} are better or worse than their own controls is not known: {each}."
            if futile := [own for _, own in rows if own.end is End.FUTILE]:
                yield f"What stopped early did so {_futility(futile[0])}."
        if self.power is None or self._goes_on():
            return
        metric, step = row.metric, NextStep(self.study).to_find_less(self.power, row.metric)
        units = self.study.units.word
        smallest = smallest_words(self.power, metric, units=units)
        yield f"Such a study finds a difference of {smallest} in four of five cases, a smaller one in fewer."
        yield f"{seeds_words(self.power, metric, units=units)}."
        if step is not None:
            yield self._next(step)

    def _open_row(self, row: Score, own: HeldAgainst) -> str:
        assert own.comparison is not None
        found, metric = own.comparison, row.metric
        beside = self._label(own.control)
        if own.cost_differs and own.cost_ratio is not None:
            beside = f"{beside}, which spent {1 / own.cost_ratio:.2f} times the computing"
        bounds = f"{metric.change(found.low)} to {metric.change(found.high)} fits{_taken(own, found)}"
        return f"{self._label(row.system)} {metric.change(found.delta)} {metric.label} to {beside} ({bounds})"

    def _certainty(self) -> str:
        confirm, first = self.study.sweep.confirm, self.study.fingerprint["sweep"].get("confirm") or {}
        before, now = first.get("seeds"), 0 if confirm is None else confirm.at_most
        if isinstance(before, int) and before < now:
            return (
                f"The study was begun with {before} seeds and got {now}: if its scores were the reason, more"
                f" than {100 * ALPHA:g} of 100 such studies make a wrong claim; a new study with new seeds does not."
            )
        return f"In at most {100 * ALPHA:g} of 100 such studies is any claim of better, worse or equivalent wrong."

    def _control(self, own: HeldAgainst) -> str:
        """A control, and what it spent."""
        label = self._label(own.control)
        if own.cost_ratio is None:
            return f"the control {label}"
        spent = f"{1 / own.cost_ratio:.2f} times the computing" if own.cost_differs else "the same computing"
        how = "teacher forcing with" if trained_by(own.control) in (STANDARD, MATCHED) else "which spent"
        return f"its own control {label}, {how} {spent},"

    def _cheaper(self, row: Score, own: HeldAgainst) -> str:
        if own.cost_ratio is None:
            return self._label(row.system)
        name, ratio = (own.control, 1 / own.cost_ratio) if own.cost_ratio > 1 else (row.system, own.cost_ratio)
        return f"{self._label(name)}, which spent {ratio:.2f} times the computing of the other"

    def _price(self, row: Score) -> Iterator[str]:
        control = self.study.compared.control
        own, other = self.costs.get(row.system), self.costs.get(control)
        if own is not None and other is not None:
            yield (
                f"It took {own.device_hours:.3g} device-hours in all (× {own.device_s / other.device_s:.2f} of"
                f" {self._label(control)}) and {own.epoch_s:.1f} s per epoch (× {own.epoch_s / other.epoch_s:.2f})."
            )

    def _claimed(self, name: str | None = None) -> str:
        """What a claim is about: a row, or these rows, over searches; of one search as it has configured them."""
        label = "these" if name is None else self._label(name)
        return label if self.study.units.are_searches else f"{label}, {_HERE},"

    def _seeds(self, own: HeldAgainst, found: Comparison, metric: AnyMetric) -> str:
        """How many seeds a comparison took, and why no more, in whole sentences."""
        taken = found.difference.units
        if own.at_most is None or (own.end is End.DECIDED and found.verdict is Verdict.EQUIVALENT):
            return f"{self.study.units.counted(own.seeds)}."
        match own.end:
            case End.DECIDED if taken < own.at_most:
                size = f"{abs(found.delta):{metric.format}}"
                return f"{taken} seeds. It stopped early: expect a little less than {size} when repeated."
            case End.FUTILE:
                return f"It stopped at {taken} seeds, {_futility(own)}."
            case None:
                return f"{taken} of {own.at_most} seeds so far."
            case _:
                return f"{taken} of {own.at_most} seeds."

    def _label(self, name: str) -> str:
        return self.study.compared.label(name)


def _size(found: Comparison, metric: AnyMetric, *, unit: bool = True) -> str:
    """How large a difference is, whichever way it points: `0.80 BLEU (between 0.20 and 1.40)`."""
    low, high = sorted((abs(found.low), abs(found.high)))
    name = f" {metric.label}" if unit else ""
    return f"{abs(found.delta):{metric.format}}{name} (between {low:{metric.format}} and {high:{metric.format}})"


def _change(found: Comparison, metric: AnyMetric) -> str:
    bounds = f"anything from {metric.change(found.low)} to {metric.change(found.high)} fits"
    return f"{metric.change(found.delta)} {metric.label} on average, and {bounds}"


def _taken(own: HeldAgainst, found: Comparison) -> str:
    """The same where there is little room."""
    if own.at_most is None:
        return ""
    so_far = " so far" if own.end is None else ""
    stopped = "stopped at " if own.end is End.FUTILE else ""
    return f"; {stopped}{found.difference.units} of {own.at_most} seeds{so_far}"


def _futility(own: HeldAgainst) -> str:
    return f"as fewer than 1 in {1 / FUTILE_BELOW:.0f} such studies would be decided by seed {own.at_most}"


def _beside(control: str, found: Comparison, metric: AnyMetric) -> str:
    """The gain over a control that shows what it is due to."""
    if found.verdict is Verdict.BETTER:
        return f"It beats {control} too, by {_size(found, metric)}: the gain is more than what that controls for."
    return f"The gain may be due to what {control} controls for: beside that it is {_change(found, metric)}."
