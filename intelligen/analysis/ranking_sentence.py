"""Sentence of a ranking: which row beats the control, by how much, how surely, and at what cost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.costs import StrategyCost
from intelligen.analysis.system_scores import Score
from intelligen.evaluation.significance import ALPHA, Comparison
from intelligen.tasks.base import AnyMetric


@dataclass(frozen=True)
class RankingSentence:
    """What the primary comparison shows."""

    compared: ComparedRows
    rows: Sequence[Score]
    costs: Mapping[str, StrategyCost]

    def __str__(self) -> str:
        better = [row for row in self._tested if _is_claimed(row) and row.gain > 0]
        if not better:
            return self._no_winner()
        best, *others = sorted(better, key=lambda row: -row.gain)
        sentence = f"{self._label(best)} wins: {self._difference(best)}{self._price(best)}"
        if self.compared.controls_for_something(best.system):
            sentence += "; it is a control, so the gain is due to what it controls for, not to a strategy"
        sentence += "".join(_beside(control, found, best.metric) for control, found in best.beside.items())
        if others:
            sentence += f"; {self._deltas(others)} beat{'s' if len(others) == 1 else ''} {self._control} too"
        if untested := [self._label(row) for row in others if row.system not in best.beside]:
            sentence += f"; no test was made between {self._label(best)} and {', '.join(untested)}"
        return sentence + "."

    @property
    def _tested(self) -> list[Score]:
        return [row for row in self.rows if row.difference is not None and row.p_holm is not None]

    @property
    def _control(self) -> str:
        return self.compared.label(self.compared.control)

    def _label(self, row: Score) -> str:
        return self.compared.label(row.system)

    def _deltas(self, rows: Iterable[Score], unit: str = "") -> str:
        return ", ".join(f"{self._label(row)} ({_delta(row)}{unit})" for row in rows)

    def _no_winner(self) -> str:
        most = max(self._tested, key=lambda row: abs(row.gain))
        if worse := [row for row in self._tested if _is_claimed(row)]:
            named = self._deltas(worse, f" {most.metric.label}")
            verb = "is" if len(worse) == 1 else "are"
            return f"No {self.compared.word} is shown to be better than {self._control}; worse {verb} {named}."
        assert most.difference is not None
        needed = most.difference.seeds_needed
        more = f"; about {needed} seeds would resolve it" if needed is not None else ""
        found = f"the largest is {self._label(most)}, {self._difference(most)}{more}"
        return f"No difference can be claimed: {found}."

    def _difference(self, row: Score) -> str:
        """`+1.20 BLEU against standard (95 % interval 0.40 to 2.00, p = 0.012 after Holm over 5 comparisons, …)`."""
        found = row.difference
        assert found is not None
        assert row.p_holm is not None
        p_value = "p < 0.001" if row.p_holm < 0.001 else f"p = {row.p_holm:.3f}"
        count = len(self._tested)
        family = "in the only comparison" if count == 1 else f"after Holm over {count} comparisons"
        return (
            f"{_delta(row)} {row.metric.label} against {self._control} (95 % interval {_bounds(found, row.metric)},"
            f" {p_value} {family}, {found.seeds} seeds)"
        )

    def _price(self, row: Score) -> str:
        own, control = self.costs.get(row.system), self.costs.get(self.compared.control)
        if own is None or control is None:
            return ""
        return (
            f", at {own.device_hours:.3g} device-hours in all (× {own.device_s / control.device_s:.2f} of"
            f" {self._control}) and {own.epoch_s:.1f} s per epoch (× {own.epoch_s / control.epoch_s:.2f})"
        )


def _beside(control: str, found: Comparison, metric: AnyMetric) -> str:
    """The gain over a further control, beside that over the sweep's."""
    explained = found.p_value >= ALPHA or not metric.improves(found.delta)
    return (
        f"; against {control} {metric.change(found.delta)} ({_bounds(found, metric)}, p = {found.p_value:.3f},"
        f" uncorrected), so {'the gain may be due to what that controls for' if explained else 'it is more than that'}"
    )


def _is_claimed(row: Score) -> bool:
    return row.p_holm is not None and row.p_holm < ALPHA


def _delta(row: Score) -> str:
    assert row.difference is not None
    return row.metric.change(row.difference.delta)


def _bounds(found: Comparison, metric: AnyMetric) -> str:
    return f"{found.low:{metric.format}} to {found.high:{metric.format}}"
