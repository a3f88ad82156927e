"""Result rows: one per system, test set and search; page, exports and programs share them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from intelligen.analysis.costs import StrategyCost, costs
from intelligen.analysis.study import StudyResults
from intelligen.analysis.system_scores import Score, score_table
from intelligen.analysis.variant_results import VariantResult, variant_results
from intelligen.config.schema.rows import STRATEGY


@dataclass(frozen=True)
class ResultRow:
    """One system's score and what the system cost."""

    score: Score
    cost: StrategyCost | None
    """None of the systems that are no strategy of this sweep."""
    runs: tuple[str, ...]
    """In MLflow, of the trials that the score is of, as far as they are known."""
    variant: VariantResult | None = None
    """What the row is and came to; None where rows are strategies."""

    @property
    def score_per_device_hour(self) -> float | None:
        """Mean score over the device-hours of all the system's trials; none where less of it is better."""
        if self.cost is None or not self.score.metric.higher_is_better:
            return None
        return self.score.mean.value / self.cost.device_hours

    def values(self) -> dict[str, Any]:
        """Everything under the names that the exports have; what is not known is None."""
        score, cost, name = self.score, self.cost, self.score.metric.name
        return {
            **self._row(),
            "test_set": score.setting[0],
            "search": score.setting[1],
            "seeds": len(score.seeds),
            **({} if score.searches is None else {"replicates": score.searches}),
            **self._training(),
            name: score.mean.value,
            f"{name}_low": score.mean.low,
            f"{name}_high": score.mean.high,
            **score.further,
            **{name: value for name, value in score.beside_mean.items() if name not in score.further},
            **self._difference(),
            "epoch_s": cost and cost.epoch_s,
            "memory_kind": cost and cost.memory_kind,
            "memory_avg_mib": cost and cost.memory_avg_mib,
            "memory_peak_mib": cost and cost.memory_peak_mib,
            "trials_run": cost and cost.trials,
            "target_tokens": cost and cost.target_tokens,
            "device_hours": cost and cost.device_hours,
            f"{name}_per_device_hour": self.score_per_device_hour,
            "trials": " ".join(score.trials),
            "mlflow_runs": " ".join(self.runs),
            "signature": score.signature,
            **({"note": self.variant.note or None} if self.variant else {}),
        }

    def _difference(self) -> dict[str, Any]:
        """To its own control: the verdict of the primary comparison, and what it is read from."""
        own, found = self.score.own, self.score.difference
        decides = own is not None and self.score.is_primary
        return {
            "control": own and own.control,
            "verdict": own.verdict if own is not None and decides else None,
            "delta": found and found.delta,
            "delta_low": found and found.low,
            "delta_high": found and found.high,
            "p_value": found.p_value if found is not None and own is not None and decides and own.decided else None,
            "delta_seeds": " ".join(map(str, own.seeds)) if own is not None and own.seeds else None,
            "effect_size": found and found.difference.effect_size,
            "cost_ratio": own and own.cost_ratio,
            "refusal": (own.refusal or None) if own is not None and decides else None,
        }

    def _row(self) -> Mapping[str, Any]:
        return {STRATEGY: self.score.system} if self.variant is None else self.variant.place

    def _training(self) -> dict[str, Any]:
        if self.variant is None:
            return {}
        return {**self.variant.values(self.score.reported), "loss": self.score.loss}


def result_rows(study: StudyResults) -> list[ResultRow]:
    """All test sets and searches, the primary one first."""
    spent, runs = costs(study), study.runs.trials
    variants = variant_results(study)
    return [
        ResultRow(
            score,
            spent.get(score.system),
            tuple(runs[name] for name in score.trials if name in runs),
            variants.get(score.system),
        )
        for setting in study.settings
        for score in score_table(study, setting)
    ]


def result_records(study: StudyResults, rows: Sequence[ResultRow]) -> list[dict[str, Any]]:
    """The rows' values, with figures of others; behind them what variants came to that have no score, and why."""
    compared = study.compared
    records: list[dict[str, Any]] = [row.values() for row in rows]
    for row, record in zip(rows, records, strict=True):
        # Others' figures are of the test set that everybody has.
        record |= compared.published_for(row.score.system) if row.score.setting == study.primary else {}
    scored = {row.score.system for row in primary(study, rows)}
    split, search = study.primary
    return records + [
        {
            **one.place,
            "test_set": split,
            "search": search,
            **one.values(study.task.settings.reported_scores),
            **compared.published_for(name),
            "note": one.note,
        }
        for name, one in variant_results(study).items()
        if name not in scored
    ]


def primary(study: StudyResults, rows: Sequence[ResultRow]) -> list[ResultRow]:
    """The rows of the primary comparison, from which the conclusion is drawn."""
    return [row for row in rows if row.score.setting == study.primary]


def costs_of(rows: Sequence[ResultRow]) -> Mapping[str, StrategyCost]:
    """System → cost."""
    return {row.score.system: row.cost for row in rows if row.cost is not None}
