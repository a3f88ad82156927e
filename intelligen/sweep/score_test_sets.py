"""Test stage: scores trained models on test sets by tasks on the cluster."""

from collections.abc import Iterable
from typing import Any

import ray

from intelligen.errors import ClusterLostError, IntelligenError, NodeLostError
from intelligen.state.trial_records import TrialRecord
from intelligen.sweep.cluster.capacity_monitor import LOOK_EVERY_S, CapacityMonitor
from intelligen.sweep.execution.retries import AttemptCounter, Next
from intelligen.sweep.execution.workers import score_tests
from intelligen.sweep.sweep_context import SweepContext


def score_trials(context: SweepContext, records: Iterable[TrialRecord]) -> None:
    """Score trained models on their test sets, as many at a time as there is room for.

    Scores are in the ledger at once. A model that cannot be scored prevents no other from being scored.

    Args:
        context: The launch.
        records: The models'.

    Raises:
        NodeLostError: No node is left that can score.
        ClusterLostError: The cluster is gone.
        IntelligenError: Of the first model that could not be scored. Its training counts all the same.

    """
    scoring = _Scoring(context)
    for record in records:
        scoring.begin(record)
    scoring.finish()


class _Scoring:
    def __init__(self, context: SweepContext) -> None:
        self._context = context
        self._attempt_counter, self._capacity = (
            AttemptCounter(context.sweep.resources),
            CapacityMonitor(context.sweep.resources),
        )
        self._under_way: dict[ray.ObjectRef, TrialRecord] = {}
        self._alone: list[TrialRecord] = []
        self._failed: list[IntelligenError] = []

    def begin(self, record: TrialRecord) -> None:
        resources = self._context.sweep.resources
        task: Any = score_tests.options(num_cpus=resources.cpus_per_worker, num_gpus=resources.gpus)
        paths = (str(self._context.directory_of(record)), str(self._context.store))
        reference = task.remote(*paths, resources.model_dump_json(), self._context.sweep.test.model_dump_json())
        self._under_way[reference] = record

    def finish(self) -> None:
        while self._under_way or self._alone:
            if not self._under_way:
                self.begin(self._alone.pop(0))
            done, _ = ray.wait(list(self._under_way), timeout=LOOK_EVERY_S)
            for reference in done:
                self._end(self._under_way.pop(reference), reference)
            self._capacity.look()
        if self._failed:
            raise self._failed[0]

    def _end(self, record: TrialRecord, reference: ray.ObjectRef) -> None:
        try:
            scores = ray.get(reference)
        except ray.exceptions.RayError as error:
            self._attempt_failed(record, error)
        else:
            self._context.ledger.score(record.id, scores)

    def _attempt_failed(self, record: TrialRecord, error: ray.exceptions.RayError) -> None:
        directory = self._context.directory_of(record)
        try:
            following = self._attempt_counter.failed(record.id, error, directory=directory)
        except (ClusterLostError, NodeLostError):
            raise
        except IntelligenError as fault:
            following = fault
        match following:
            case Next.AGAIN:
                self.begin(record)
            case Next.ALONE:
                self._alone.append(record)
            case IntelligenError() as why:
                line = f"{directory}: cannot score the test sets: {why}; the same command tries again"
                self._failed.append(type(why)(line))
