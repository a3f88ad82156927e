"""Verdicts of a study as plain values: its ledger keeps them, and tables, MLflow and programs show them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from intelligen.state.trial_records import Closing, TrialRecord

COLUMNS: Final = ("verdict", "control", "delta", "delta_low", "delta_high")
"""Of a table of trials; those that repeat a row's best with other seeds have them."""
_VERDICTS, _ANSWER = "verdicts", "answer"


@dataclass(frozen=True)
class RowVerdict:
    """What was decided of a row beside its own control."""

    row: str
    verdict: str
    """`better`, `worse`, `equivalent`, `open` or `refused`."""
    control: str
    delta: float | None
    """How much higher it scores; None where that was not compared."""
    delta_low: float | None
    """Of the interval that the verdict is read from."""
    delta_high: float | None
    words: str
    """All of it for people: `better than standard_matched: +0.80 BLEU (+0.20 to +1.40)`."""

    def columns(self) -> dict[str, str | float | None]:
        """As `COLUMNS` name them."""
        return {name: getattr(self, name) for name in COLUMNS}


def summed_up(verdicts: Sequence[RowVerdict], sentences: Sequence[str]) -> dict[str, Any]:
    """What the end of a launch keeps of a study."""
    return {_VERDICTS: [asdict(one) for one in verdicts], _ANSWER: list(sentences)}


def kept_verdicts(closing: Closing | None) -> dict[str, RowVerdict]:
    """Row → verdict, as the last launch of a sweep left them; empty of earlier versions' sweeps."""
    found = [] if closing is None else [RowVerdict(**stored) for stored in closing.summary.get(_VERDICTS, ())]
    return {one.row: one for one in found}


def kept_answer(closing: Closing | None) -> str:
    """The answer that the last launch ended with; empty where it had none."""
    return "" if closing is None else " ".join(closing.summary.get(_ANSWER, ()))


def verdict_of(record: TrialRecord, verdicts: Mapping[str, RowVerdict]) -> RowVerdict | None:
    """The verdict that a trial had a part in: those that repeat a row's best with other seeds were compared."""
    return verdicts.get(record.row) if record.kind == "confirm" else None
