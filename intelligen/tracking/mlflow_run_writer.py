"""Writes one MLflow run: changes only what differs, so every write may be repeated."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

T = TypeVar("T")

_PARAMS_PER_BATCH = 100
_METRICS_PER_BATCH = 800
_RUNS_PER_PAGE = 1000


@dataclass(frozen=True)
class Points:
    """Metrics of one step."""

    values: Mapping[str, float]
    step: int
    time_ms: int
    """Milliseconds since 1970."""


class MirroredRun:
    """One run, and what is known to be in it."""

    def __init__(self, client: "MlflowClient", run: "Run") -> None:
        self._client = client
        self.id: str = run.info.run_id
        self.tags: dict[str, str] = dict(run.data.tags)
        self.params: dict[str, str] = dict(run.data.params)
        self.metrics: dict[str, float] = dict(run.data.metrics)
        """Latest value of each metric."""
        self._status: str = run.info.status
        self._end_ms: int | None = run.info.end_time

    @property
    def content(self) -> int:
        """How much is in it."""
        return len(self.tags) + len(self.params) + len(self.metrics)

    def write(
        self,
        *,
        points: Sequence[Points] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log the points, and those params and tags that differ, in one request wherever MLflow's bounds allow it."""
        from mlflow.entities import Param, RunTag

        new_params = {name: value for name, value in (params or {}).items() if name not in self.params}
        new_tags = {name: value for name, value in (tags or {}).items() if self.tags.get(name) != value}
        batches = zip_longest(
            _batches(points),
            _chunks([Param(name, value) for name, value in new_params.items()], _PARAMS_PER_BATCH),
            _chunks([RunTag(name, value) for name, value in new_tags.items()], _PARAMS_PER_BATCH),
            fillvalue=(),
        )
        for batch in batches:
            self._client.log_batch(self.id, *batch)
        for step in points:
            self.metrics |= step.values
        self.params |= new_params
        self.tags |= new_tags

    def drop_tag(self, name: str) -> None:
        """Take a tag away that no longer holds."""
        if name in self.tags:
            self._client.delete_tag(self.id, name)
            del self.tags[name]

    def set_status(self, status: str, end_ms: int | None) -> None:
        """End the run, or let it go on. MLflow cannot take an end back; a running run's means nothing."""
        if status == "RUNNING" and self._status != "RUNNING":
            self._client.update_run(self.id, status=status)
        elif status != "RUNNING" and (status, end_ms) != (self._status, self._end_ms):
            self._client.set_terminated(self.id, status=status, end_time=end_ms)
            self._end_ms = end_ms
        self._status = status

    def put_files(self, files: Mapping[str, str]) -> None:
        """Write artifacts (path → text), over older ones."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            self._client.log_artifacts(self.id, folder)

    def put_figure(self, figure: "Figure", path: str) -> None:
        """Write a picture, over an older one."""
        self._client.log_figure(self.id, figure, path)

    def name_inputs(self, datasets: Mapping[str, str], *, digest: str, source_type: str, source: str) -> None:
        """Link data sets (name → context, such as `training`). MLflow links one name and digest only once."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                Dataset(name=name, digest=digest, source_type=source_type, source=source),
                [InputTag("mlflow.data.context", context)],
            )
            for name, context in datasets.items()
        ]
        self._client.log_inputs(self.id, datasets=inputs)


def create_run(
    client: "MlflowClient", experiment_id: str, *, name: str, start_ms: int, tags: Mapping[str, str]
) -> MirroredRun:
    """A new run. Look for it first: a creation whose answer was lost must not be repeated."""
    run = client.create_run(experiment_id, start_time=start_ms, tags=dict(tags), run_name=name)
    return MirroredRun(client, run)


def find_runs(client: "MlflowClient", experiment_id: str, *, sweep_id: str) -> dict[str | None, MirroredRun]:
    """The sweep's runs by trial id; the sweep's own is under None. Strays are deleted."""
    found: dict[str | None, list[MirroredRun]] = {}
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id],
            filter_string=f"tags.sweep_id = '{sweep_id}'",
            max_results=_RUNS_PER_PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        for run in page:
            found.setdefault(run.data.tags.get("trial_id"), []).append(MirroredRun(client, run))
        token = page.token
        if not token:
            return {trial_id: _only(client, runs) for trial_id, runs in found.items()}


def _only(client: "MlflowClient", runs: Sequence[MirroredRun]) -> MirroredRun:
    """The run that was gone on with. Another is a creation that was given up for lost and came about later."""
    kept, *strays = sorted(runs, key=lambda run: (-run.content, run.id))
    for stray in strays:
        client.delete_run(stray.id)
    return kept


def _chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _batches(points: Sequence[Points]) -> list[list["Metric"]]:
    """MLflow stores a batch's metrics all or none, so a step is not cut in two: a kill would leave half of it."""
    from mlflow.entities import Metric

    batches: list[list[Metric]] = []
    for step in points:
        metrics = [Metric(name, value, step.time_ms, step.step) for name, value in step.values.items()]
        for part in _chunks(metrics, _METRICS_PER_BATCH):
            if not batches or len(batches[-1]) + len(part) > _METRICS_PER_BATCH:
                batches.append([])
            batches[-1] += part
    return batches
