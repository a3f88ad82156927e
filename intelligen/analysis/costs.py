"""Costs of strategies: counted over every trial, stopped and failed ones included."""

from collections.abc import Sequence
from dataclasses import dataclass

from intelligen.analysis.study import BASELINE, SeedModel, StudyResults

SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class StrategyCost:
    """Costs of one system, over all its trials."""

    system: str
    trials: int
    epoch_s: float
    """Mean over all epochs with the same kind of memory, as the memory's figures are."""
    memory_kind: str
    """`gpu`, or `cpu` where there was none: then it is resident memory of processes."""
    memory_avg_mib: float
    """Mean over all epochs."""
    memory_peak_mib: float
    device_s: float
    target_tokens: int

    @property
    def device_hours(self) -> float:
        """Hours of training and validation × devices."""
        return self.device_s / SECONDS_PER_HOUR


def costs(study: StudyResults) -> dict[str, StrategyCost]:
    """System → cost. The baselines' costs are the system `baseline`'s and no strategy's."""
    groups = {BASELINE: [member for member in study.members if member.record.kind == "baseline"]}
    for name in study.strategies:
        groups[name] = [m for m in study.searched + study.confirmations if m.record.row == name]
    return {name: _cost(name, members) for name, members in groups.items() if any(m.reports for m in members)}


def _cost(name: str, members: Sequence[SeedModel]) -> StrategyCost:
    epochs = [report.metrics for member in members for report in member.reports]
    # A sweep may go on on another machine: figures of two kinds of memory do not mix.
    kind = "gpu" if epochs[-1]["gpu/count"] else "cpu"
    measured = [metrics for metrics in epochs if f"{kind}/memory_avg_mib" in metrics]
    return StrategyCost(
        system=name,
        trials=len(members),
        epoch_s=sum(metrics["time/epoch_s"] for metrics in measured) / len(measured),
        memory_kind=kind,
        memory_avg_mib=sum(metrics[f"{kind}/memory_avg_mib"] for metrics in measured) / len(measured),
        memory_peak_mib=max(metrics[f"{kind}/memory_peak_mib"] for metrics in measured),
        device_s=sum(member.device_s for member in members),
        target_tokens=sum(member.target_tokens for member in members),
    )
