"""Steps of a launch: checks settings, data and ledger, runs the stages, closes."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from intelligen.analysis.suggested_command import command_line
from intelligen.config.files.suggested_fixes import typed_for_sweep
from intelligen.config.schema.stages_after_search import STAGES
from intelligen.config.schema.sweep import Sweep
from intelligen.data.data_summary import describe
from intelligen.errors import BusyError, ChangedError, ClusterLostError, IntelligenError, NodeLostError, StorageError
from intelligen.state import layout
from intelligen.state.launch_file import read_launch, write_launch
from intelligen.state.ledger import LOCK_FILE, Ledger, read_ledger, recorded_devices
from intelligen.state.lock_owner import find_lock_owner
from intelligen.state.redaction import redact_text
from intelligen.state.trial_records import SweepStatus, TrialState
from intelligen.sweep.cluster.device_choice import gpus_of_stages
from intelligen.sweep.cluster.find_cluster import Cluster, find_cluster
from intelligen.sweep.cluster.ray_directories import short_temporary_directory
from intelligen.sweep.cluster.ray_session import ray_running
from intelligen.sweep.complete_lines import complete_lines
from intelligen.sweep.end_of_launch import close_launch
from intelligen.sweep.execution.watchdog import watching_progress
from intelligen.sweep.fingerprint import require_unchanged, sweep_fingerprint
from intelligen.sweep.launch_header import header_lines, time_left
from intelligen.sweep.launch_reporter import Reporter
from intelligen.sweep.launch_request import LaunchRequest
from intelligen.sweep.matmul_by_processor import settle_matmul
from intelligen.sweep.preflight.planned_power import power_lines
from intelligen.sweep.preflight.resource_survey import survey
from intelligen.sweep.preflight.sweep_warnings import sweep_warnings
from intelligen.sweep.preflight.verify_files import require_data, require_files, require_pretrained
from intelligen.sweep.provenance import record_provenance
from intelligen.sweep.signals import Interrupts
from intelligen.sweep.stages import is_finished, prepare_search, require_no_late_search, run_stages
from intelligen.sweep.stop_file import clear_stop_requests, interrupted_by_stop_file
from intelligen.sweep.sweep_context import SweepContext
from intelligen.sweep.trial_lifecycle import failed_trials, reopen_failed
from intelligen.tasks import build_task
from intelligen.tracking.mlflow_mirror import MlflowMirror
from intelligen.tracking.mlflow_store import require_address

SOME_FAILED = 3


def run_sweep(request: LaunchRequest, reporter: Reporter, interrupts: Interrupts) -> int:
    """Do what is left of a sweep; returns the exit code.

    Raises:
        KeyboardInterrupt: It was interrupted before the stages began.
        IntelligenError: It cannot run here, or cannot go on.

    """
    directory, cluster = request.directory, find_cluster(local=request.local)
    _require_not_running(directory)
    begun = (directory / layout.LEDGER_FILE).exists()
    last = read_ledger(directory)[2] if begun else None
    # What needs no machines is not refused for want of them: the cluster of a sweep that has finished may be gone.
    finished = last is not None and last.status is SweepStatus.COMPLETE and not request.failed_again
    sweep = request.sweep if finished else _surveyed(request, cluster, reporter)
    prepared = request.prepare(reporter.counting)
    for one in () if finished else prepared.each_once():
        _say(map(typed_for_sweep, describe(one)), reporter)
    if not begun:  # what has begun is scored as it was
        build_task(request.experiment.task).require_scorable(prepared.shared, key="experiment.task")
    data = prepared.identities()
    fingerprint = sweep_fingerprint(request.sweep, request.experiment, data=data)
    with Ledger.open(directory, fingerprint) as ledger:
        clear_stop_requests(directory)
        require_unchanged(ledger.fingerprint, fingerprint, directory)
        context = SweepContext(
            sweep, request.experiment, data, request.store, directory, ledger, own_ray=cluster is None
        )
        require_files(context)
        require_data(context, list(prepared.each_once()))
        require_no_late_search(context)
        if finished and not is_finished(context):
            context, finished = replace(context, sweep=_surveyed(request, cluster, reporter)), False
        if not finished:
            require_pretrained(context)
            _say((f"power: {line}" for line in power_lines(sweep, request.experiment, store=request.store)), reporter)
            for warning in sweep_warnings(sweep, request.experiment):
                reporter.say(f"warning: {warning}")
            ledger.record_devices(gpus_of_stages(context.sweep))
        record_provenance(directory)
        require_address(request.tracking_uri)
        return _run_stages(context, request, cluster, reporter, interrupts)


def _require_not_running(directory: Path) -> None:
    """Say at once how to go on beside another launch, which the ledger's lock would refuse in the end."""
    owner = find_lock_owner(directory / LOCK_FILE)
    if owner is not None and owner.certain:
        watch, stop = (command_line(verb, directory) for verb in ("watch", "stop"))
        raise BusyError(
            f"{directory.name}: held by {owner}: wait for it to end, watch it ({watch}) or stop it ({stop})"
        )


def reopened_lines(context: SweepContext) -> Iterator[str]:
    """Have the trials that failed run again; yields lines that say which do, and why others do not."""
    again, unpaid = reopen_failed(context)
    if again:
        yield f"runs again: {', '.join(again)}"
    for bounds, names in unpaid.items():
        reasons = ", ".join(bound.reason for bound in bounds)
        overrides = "".join(f" -o {bound.override}" for bound in bounds)
        more = f"{command_line('resume', context.directory)} --failed{overrides}"
        yield f"does not run again: {', '.join(names)}: {reasons}; give more: {more}"
    named = {name for names in unpaid.values() for name in names}
    if kept := [record.id for record in failed_trials(context) if record.id not in named]:
        why = "is being confirmed" + (" or has fixed its control's ratio" if context.ledger.updates_ratios else "")
        yield f"does not run again: {', '.join(kept)}: the best trial of the row {why}, and stays the best"
    if not again and not unpaid and not kept:
        yield "no trial has failed, so there is none to run again"


def _run_stages(
    context: SweepContext, request: LaunchRequest, cluster: Cluster | None, reporter: Reporter, interrupts: Interrupts
) -> int:
    """What is left to do, with its mirror in MLflow; however it ends, the launch is closed.

    The mirror makes MLflow's store ready while Ray starts. Where it cannot, nothing has begun that is to be closed.
    """
    mirror = MlflowMirror(context.directory, tracking_uri=request.tracking_uri, experiment=request.experiment.name)
    mirror.open()
    code, status, closing = 0, SweepStatus.FAILED, threading.Lock()

    def close_lost() -> int:
        closing.acquire()  # for good: the process ends here
        close_launch(context, SweepStatus.INTERRUPTED, mirror, reporter, tracking_uri=request.tracking_uri)
        return interrupts.exit_code if interrupts.requested else ClusterLostError.exit_code

    try:
        _note_launch(context, request, mirror, reporter)
        done = is_finished(context)
        if done:
            mirror.require_store()
            _say(complete_lines(context, request.given), reporter)
        else:
            _say(_header(context, given=request.given), reporter)
            task, objective = build_task(request.experiment.task), context.sweep.objective.metric
            with reporter.following(context.directory, objective=objective, metrics=task.metrics):
                _stages(context, cluster, request.until, interrupts, close_lost, mirror)
        status = SweepStatus.COMPLETE if done or request.until == STAGES[-1] else SweepStatus.PAUSED
    except KeyboardInterrupt:
        code, status = interrupts.exit_code, SweepStatus.INTERRUPTED
    except BaseException as error:
        if mirror.is_without_store(error):
            raise
        if isinstance(error, ClusterLostError | NodeLostError):
            status = SweepStatus.INTERRUPTED
        # Of a full disk, say, the launch may not be closed either: the first error is raised.
        with closing, suppress(IntelligenError, OSError):
            close_launch(context, status, mirror, reporter, tracking_uri=request.tracking_uri)
        raise
    with closing:
        unmade = close_launch(context, status, mirror, reporter, tracking_uri=request.tracking_uri)
    failed = any(record.state is TrialState.FAILED for record in context.ledger.trials.values())
    return code or unmade or (SOME_FAILED if failed else 0)


def _header(context: SweepContext, *, given: Sequence[str]) -> Iterator[str]:
    sweep, experiment, trials = context.sweep, context.experiment, context.ledger.trials
    left = time_left(sweep, experiment, trials, directory=context.directory)
    return header_lines(sweep, experiment, given=given, trials=trials, left=left)


def _note_launch(context: SweepContext, request: LaunchRequest, mirror: MlflowMirror, reporter: Reporter) -> None:
    """Write down what the next launch is to go on with; an address is first tried where another one has worked."""
    recorded = None
    with suppress(ChangedError, StorageError):  # what cannot be read is replaced
        recorded = read_launch(context.directory, context.ledger.fingerprint).tracking_uri
    if request.failed_again or recorded not in (None, redact_text(request.tracking_uri)):
        mirror.require_store()
    resolved = context.sweep
    write_launch(
        context.directory, request.sweep, tracking_uri=request.tracking_uri, given=request.given, resolved=resolved
    )
    if request.failed_again:
        _say(reopened_lines(context), reporter)


def _surveyed(request: LaunchRequest, cluster: Cluster | None, reporter: Reporter) -> Sweep:
    """The sweep with what its place has in place of `auto`; says what that is."""
    found = survey(request.sweep, cluster, recorded=recorded_devices(request.directory), store=request.store)
    _say(found.lines, reporter)
    return found.sweep


def _say(lines: Iterable[str], reporter: Reporter) -> None:
    for line in lines:
        reporter.say(line)


def _stages(
    context: SweepContext,
    cluster: Cluster | None,
    until: str,
    interrupts: Interrupts,
    close_lost: Callable[[], int],
    mirror: MlflowMirror,
) -> None:
    prepare_search(context)
    try:
        with (
            interrupted_by_stop_file(context.directory),
            short_temporary_directory(),
            ray_running(context.sweep, cluster, store=context.store, on_hang=close_lost),
            watching_progress(context),
        ):
            mirror.require_store()
            settle_matmul(context, cluster)
            run_stages(context, until=until)
    except ClusterLostError as lost:
        if interrupts.requested:  # Ray's processes had the same signal
            raise KeyboardInterrupt from lost
        raise
