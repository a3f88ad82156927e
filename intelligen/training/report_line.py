"""Lines of text for the reports of a training, for logs and terminals: one per epoch, and its memory once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from intelligen.state.history import Report

TARGETS = {"target_tokens": "tokens", "rows": "rows"}
"""What losses are summed over, as metrics and as people name it."""

if TYPE_CHECKING:
    from intelligen.tasks.base import AnyMetric


def report_line(report: Report, shown: "Sequence[AnyMetric]") -> str:
    """One epoch in one line: loss, validation's loss and a task's metrics as far as measured, time, speed."""
    metrics = report.metrics
    throughput = {f"throughput/{targets}_per_s": unit for targets, unit in TARGETS.items()}
    speed = next(f"{metrics[name]:,.0f} {unit}/s" for name, unit in throughput.items() if name in metrics)
    known = {f"valid/{one.name}": one for one in shown if f"valid/{one.name}" in metrics}
    scores = "".join(f"  {one.label} {one.text(metrics[name])}" for name, one in known.items())
    valid_loss = f"  valid loss {metrics['valid/loss']:.3f}" if "valid/loss" in metrics else ""
    return (
        f"epoch {report.epoch}  update {report.update}"
        f"  loss {metrics['train/loss']:.3f}"
        f"{valid_loss}{scores}"
        f"  epoch time {metrics['time/epoch_s']:.1f} s  {speed}"
    )


def memory_words(reports: Sequence[Report]) -> str:
    """Memory of a whole training, which hardly changes from epoch to epoch; empty where no epoch has ended."""
    if not reports:
        return ""
    kind = "gpu" if reports[-1].metrics["gpu/count"] else "cpu"
    average = [one.metrics[name] for one in reports if (name := f"{kind}/memory_avg_mib") in one.metrics]
    peak = [one.metrics[name] for one in reports if (name := f"{kind}/memory_peak_mib") in one.metrics]
    return f"{kind} memory avg {sum(average) / len(average):,.0f} max {max(peak):,.0f} MiB"
