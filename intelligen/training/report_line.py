"""Line of text for the report of one epoch, for logs and terminals."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from intelligen.state.history import Report

TARGETS = {"target_tokens": "tokens", "rows": "rows"}
"""What losses are summed over, as metrics and as people name it."""

if TYPE_CHECKING:
    from intelligen.tasks.base import AnyMetric


def report_line(report: Report, shown: "Sequence[AnyMetric]") -> str:
    """One epoch in one line: loss, validation's loss and a task's metrics as far as measured, time, memory."""
    metrics = report.metrics
    throughput = {f"throughput/{targets}_per_s": unit for targets, unit in TARGETS.items()}
    speed = next(f"{metrics[name]:,.0f} {unit}/s" for name, unit in throughput.items() if name in metrics)
    kind = "gpu" if metrics["gpu/count"] else "cpu"
    known = {f"valid/{one.name}": one for one in shown if f"valid/{one.name}" in metrics}
    scores = "".join(f"  {one.label} {one.text(metrics[name])}" for name, one in known.items())
    valid_loss = f"  valid loss {metrics['valid/loss']:.3f}" if "valid/loss" in metrics else ""
    return (
        f"epoch {report.epoch}  update {report.update}"
        f"  loss {metrics['train/loss']:.3f}"
        f"{valid_loss}{scores}"
        f"  epoch time {metrics['time/epoch_s']:.1f} s  {speed}"
        f"  {kind} memory avg {metrics[f'{kind}/memory_avg_mib']:,.0f}"
        f" max {metrics[f'{kind}/memory_peak_mib']:,.0f} MiB"
    )
