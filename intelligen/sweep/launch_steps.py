"""What a launch does: settings, data and ledger are checked, then stage follows stage, and the launch is closed."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace

from intelligen import layout
from intelligen.config.stages import STAGES
from intelligen.config.sweep import Sweep
from intelligen.data.describing import describe
from intelligen.errors import ClusterLostError, IntelligenError, NodeLostError
from intelligen.sweep.closing import close_launch
from intelligen.sweep.cluster import ray_running
from intelligen.sweep.devices import gpus_of_stages
from intelligen.sweep.header import require_unchanged, sweep_header
from intelligen.sweep.interrupts import Interrupts
from intelligen.sweep.joining import Cluster, find_cluster
from intelligen.sweep.orders import Order
from intelligen.sweep.provenance import record_provenance
from intelligen.sweep.ray_places import short_temporary_directory
from intelligen.sweep.reporter import Reporter
from intelligen.sweep.stages import is_finished, prepare_search, require_no_late_search, run_stages
from intelligen.sweep.stopping import forget_requests, heeding_stop
from intelligen.sweep.survey import survey
from intelligen.sweep.sweep_run import SweepRun
from intelligen.sweep.trials import reopen_failed
from intelligen.sweep.verifying import require_data, require_files
from intelligen.sweep.watchdog import watching_progress
from intelligen.tasks import build_task
from intelligen.tracking.command_line import command_line
from intelligen.tracking.launch import write_launch
from intelligen.tracking.ledger import Ledger, read_ledger, settled_devices
from intelligen.tracking.mirror import MlflowMirror
from intelligen.tracking.records import SweepStatus, TrialState
from intelligen.tracking.store import ensure_store

SOME_FAILED = 3


def run_sweep(order: Order, reporter: Reporter, interrupts: Interrupts) -> int:
    """Do what is left of a sweep; returns the exit code.

    Raises:
        KeyboardInterrupt: It was interrupted before the stages began.
        IntelligenError: It cannot run here, or cannot go on.

    """
    directory, cluster = order.directory, find_cluster(local=order.local)
    begun = (directory / layout.LEDGER_FILE).exists()
    last = read_ledger(directory)[2] if begun else None
    # What needs no machines is not refused for want of them: the cluster of a sweep that has finished may be gone.
    rests = last is not None and last.status is SweepStatus.COMPLETE and not order.failed_again
    sweep = order.sweep if rests else _surveyed(order, cluster, reporter)
    prepared = order.prepare(reporter.counting)
    _say(describe(prepared), reporter)
    if not begun:  # what has begun is scored as it was
        build_task(order.experiment.task).require_scorable(prepared, key="experiment.task")
    header = sweep_header(order.sweep, order.experiment, prepared=prepared.identity)
    with Ledger.open(directory, header) as ledger:
        forget_requests(directory)
        require_unchanged(ledger.header, header, directory)
        launch = SweepRun(sweep, order.experiment, prepared.identity, order.store, directory, ledger)
        require_files(launch)
        require_data(launch, prepared)
        require_no_late_search(launch)
        if rests and not is_finished(launch):
            launch, rests = replace(launch, sweep=_surveyed(order, cluster, reporter)), False
        if not rests:
            ledger.settle_devices(gpus_of_stages(launch.sweep))
        record_provenance(directory)
        ensure_store(order.tracking_uri, order.experiment.name)
        write_launch(directory, order.sweep, tracking_uri=order.tracking_uri)
        if order.failed_again:
            _say(reopened_lines(launch), reporter)
        return _run_stages(launch, order, cluster, reporter, interrupts)


def reopened_lines(launch: SweepRun) -> Iterator[str]:
    """Have the trials that failed run again; says which do, and what keeps the others from it."""
    again, unpaid = reopen_failed(launch)
    if again:
        yield f"runs again: {', '.join(again)}"
    for bounds, names in unpaid.items():
        reasons = ", ".join(bound.reason for bound in bounds)
        overrides = "".join(f" -o {bound.override}" for bound in bounds)
        more = f"{command_line('resume', launch.directory)} --failed{overrides}"
        yield f"does not run again: {', '.join(names)}: {reasons}; give more: {more}"
    if not again and not unpaid:
        yield "no trial has failed: there is none to run again"


def _run_stages(
    launch: SweepRun, order: Order, cluster: Cluster | None, reporter: Reporter, interrupts: Interrupts
) -> int:
    """What is left to do, with its mirror in MLflow; however it ends, the launch is closed."""
    mirror = MlflowMirror(launch.directory, tracking_uri=order.tracking_uri, experiment=order.experiment.name)
    mirror.start()
    code, status, closing = 0, SweepStatus.FAILED, threading.Lock()

    def close_lost() -> int:
        closing.acquire()  # for good: the process ends here
        close_launch(launch, SweepStatus.INTERRUPTED, mirror, reporter, tracking_uri=order.tracking_uri)
        return interrupts.exit_code if interrupts.requested else ClusterLostError.exit_code

    try:
        done = is_finished(launch)
        if not done:
            task, objective = build_task(order.experiment.task), launch.sweep.objective.metric
            with reporter.following(launch.directory, objective=objective, metrics=task.metrics):
                _stages(launch, cluster, order.until, interrupts, close_lost)
        status = SweepStatus.COMPLETE if done or order.until == STAGES[-1] else SweepStatus.PAUSED
    except KeyboardInterrupt:
        code, status = interrupts.exit_code, SweepStatus.INTERRUPTED
    except BaseException as error:
        if isinstance(error, ClusterLostError | NodeLostError):
            status = SweepStatus.INTERRUPTED
        # Of a full disk, say, the launch may not be closed either: what came first is told.
        with closing, suppress(IntelligenError, OSError):
            close_launch(launch, status, mirror, reporter, tracking_uri=order.tracking_uri)
        raise
    with closing:
        close_launch(launch, status, mirror, reporter, tracking_uri=order.tracking_uri)
    failed = any(record.state is TrialState.FAILED for record in launch.ledger.trials.values())
    return code or (SOME_FAILED if failed else 0)


def _surveyed(order: Order, cluster: Cluster | None, reporter: Reporter) -> Sweep:
    """The sweep with what its place has in place of `auto`; says what that is."""
    found = survey(order.sweep, cluster, settled=settled_devices(order.directory), store=order.store)
    _say(found.lines, reporter)
    return found.sweep


def _say(lines: Iterable[str], reporter: Reporter) -> None:
    for line in lines:
        reporter.say(line)


def _stages(
    launch: SweepRun,
    cluster: Cluster | None,
    until: str,
    interrupts: Interrupts,
    close_lost: Callable[[], int],
) -> None:
    prepare_search(launch)
    try:
        with (
            heeding_stop(launch.directory),
            short_temporary_directory(),
            ray_running(launch.sweep, cluster, store=launch.store, last_words=close_lost),
            watching_progress(launch),
        ):
            run_stages(launch, until=until)
    except ClusterLostError as lost:
        if interrupts.requested:  # Ray's processes had the same signal
            raise KeyboardInterrupt from lost
        raise
