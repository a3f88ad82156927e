"""A task says by which metrics its models are scored, shown, watched and ranked: nothing above it knows their names."""

from collections.abc import Mapping, Sequence
from typing import Any

from intelligen.config.metrics import higher_is_better
from intelligen.data.prepared import Prepared
from intelligen.evaluation import Metric

AnyMetric = Metric[Any, Any]


class Task:
    """What models are trained for.

    Args:
        metrics: Shown after every epoch.
        reported: Names of those whose test scores have intervals; the first one ranks strategies.
        watched: The name of that which health checks watch beside a rising reward.
        further: Other scores that have a signature, name → label; they are shown where an evaluation has them.

    Raises:
        TypeError: A metric points another way than its name says, and its best would be taken for its worst.

    """

    def __init__(
        self,
        metrics: Sequence[AnyMetric],
        *,
        reported: Sequence[str],
        watched: str,
        further: Mapping[str, str] | None = None,
    ) -> None:
        for metric in metrics:
            if metric.higher_is_better != higher_is_better(metric.name):
                raise TypeError(
                    f"metric {metric.name}: higher_is_better is {metric.higher_is_better}, and its name says otherwise:"
                    " names that end in loss, perplexity or error are minimised, all others maximised; rename it"
                )
        by_name = {metric.name: metric for metric in metrics}
        self.metrics = tuple(metrics)
        self.reported = tuple(by_name[name] for name in reported)
        self.watched = by_name[watched]
        self.further = dict(further or {})

    @property
    def ranking(self) -> AnyMetric:
        """By which test sets rank strategies."""
        return self.reported[0]

    def require_scorable(self, prepared: Prepared, *, key: str = "task") -> None:
        """Refuse to train on data whose results the metrics could not score; most score anything.

        Args:
            prepared: The data.
            key: Of the task's settings, as `-o` takes it.

        Raises:
            ConfigError: They need a setting that was not made.
            UnavailableError: What a metric needs is not on this machine.

        """

    @property
    def labels(self) -> dict[str, str]:
        """Name → label of every score that has a signature."""
        return {metric.name: metric.label for metric in self.metrics} | self.further
