"""One launch of a sweep, from its settings to its table: the wiring that run, resume and the Python API share."""

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from intelligen.addresses import SqliteAddress, absolute_address
from intelligen.cli.closing import INTERRUPTED_LINE, close_launch
from intelligen.cli.options import TRACKING_VARIABLE
from intelligen.cli.progress import counting
from intelligen.cli.stopping import forget_requests, heeding_stop
from intelligen.config.stages import STAGES
from intelligen.errors import (
    ChangedError,
    ClusterLostError,
    ConfigError,
    IntelligenError,
    NodeLostError,
    UnavailableError,
)
from intelligen.sweep.interrupts import Interrupts

if TYPE_CHECKING:
    from rich.console import Console

    from intelligen.config.experiment import Experiment
    from intelligen.config.sweep import Sweep
    from intelligen.data.prepared import Prepared
    from intelligen.sweep.joining import Cluster
    from intelligen.sweep.sweep_run import SweepRun

SOME_FAILED = 3


@dataclass(frozen=True)
class Order:
    """What is to be launched."""

    sweep: "Sweep"
    experiment: "Experiment"
    store: Path
    """The runs directory, absolute."""
    tracking_uri: str
    prepare: Callable[[], "Prepared"]
    until: str = STAGES[-1]
    """The last stage of this launch."""
    failed_again: bool = False
    """Whether the trials that failed run again."""
    local: bool = False
    """Whether it is to run on this machine, whatever cluster could be joined."""

    @property
    def directory(self) -> Path:
        """The sweep's own."""
        return self.store / "sweeps" / self.sweep.name


def order_of_file(sweep: "Sweep", experiment: "Experiment", *, runs: Path, tracking_uri: str | None) -> Order:
    """A sweep as its file has it."""
    from intelligen.config.fixes import told_to_a_sweep

    store = runs.absolute()

    def prepare() -> "Prepared":
        with told_to_a_sweep():
            return _prepared(experiment, store)

    return Order(sweep, experiment, store, tracking_address(tracking_uri), prepare)


def _prepared(experiment: "Experiment", store: Path) -> "Prepared":
    from intelligen.data.preparing import prepare

    with counting() as on_progress:
        return prepare(experiment.data, store, on_progress=on_progress)


def tracking_address(given: str | None) -> str:
    """Where to track to, whatever the working directory is later; a file in it where nothing is given."""
    return absolute_address(given) if given else str(SqliteAddress(Path("mlflow.db").absolute()))


def order_of_directory(directory: Path, overrides: tuple[str, ...], *, tracking_uri: str | None) -> Order:
    """A sweep as its last launch left it: settings from its ledger, data as they were prepared for it.

    Raises:
        ConfigError: An override is wrong, or a secret was not given again.
        ChangedError: Another version wrote the settings, or the data have changed and are to be prepared again.
        StorageError: Ledger or settings are damaged or gone.

    """
    from intelligen.config.changes import changed, parse_override
    from intelligen.config.document import Document
    from intelligen.config.experiment import Experiment
    from intelligen.config.fixes import ANOTHER_SWEEP, told_to_a_sweep
    from intelligen.config.problems import validated
    from intelligen.config.sweep import Sweep
    from intelligen.data.prepared import open_prepared
    from intelligen.tracking.launch import read_launch, require_launch
    from intelligen.tracking.ledger import read_ledger
    from intelligen.tracking.projection import flatten
    from intelligen.tracking.redaction import REDACTED

    header, trials, _ = read_ledger(directory)
    require_launch(directory, trials)
    launch = read_launch(directory, header)
    document = Document(launch.sweep.model_dump(mode="json"), {})
    changes = [parse_override(text) for text in overrides]
    for change in changes:
        if change.key == "name" or change.key.startswith("experiment."):
            what = f"a sweep that was started keeps its name and experiment; {ANOTHER_SWEEP}"
            raise ConfigError(f"{change.origin}: {what}")
    sweep = validated(Sweep, changed(document, Sweep, changes))
    lost = [key for key, value in flatten(sweep.model_dump(mode="json")).items() if REDACTED in str(value)]
    if lost:
        raise ConfigError(f"{directory}: {lost[0]} holds a secret, which is not kept; give it again: -o {lost[0]}=…")
    experiment = validated(Experiment, Document(dict(header["experiment"]), {}))
    uri = tracking_uri or tracked_at(directory)
    order = order_of_file(sweep, experiment, runs=directory.parents[1], tracking_uri=uri)
    if order.directory != directory:
        raise ConfigError(
            f"{directory}: holds the sweep {sweep.name}, which belongs into {order.directory}; move it there"
        )

    def prepare() -> "Prepared":
        place = order.store / "prepared" / header["prepared"]
        if not place.exists():
            with told_to_a_sweep("intelligen run FILE "):
                prepared = _prepared(experiment, order.store)
        else:
            prepared = open_prepared(place)
            prepared.verify()  # damage shows before anything is trained
        if prepared.identity != header["prepared"]:
            raise ChangedError(
                f"{directory}: the data have changed since the sweep started: {header['prepared']} →"
                f" {prepared.identity}; restore them, or {ANOTHER_SWEEP}"
            )
        return prepared

    return Order(sweep, experiment, order.store, order.tracking_uri, prepare)


def tracked_at(directory: Path) -> str:
    """Where the last launch of a sweep tracked to, whatever the environment says; its word where that is not known.

    Raises:
        ConfigError: The address held a secret.

    """
    from intelligen.tracking.launch import read_launch
    from intelligen.tracking.ledger import read_ledger
    from intelligen.tracking.redaction import REDACTED, redact_text

    recorded = read_launch(directory, read_ledger(directory)[0]).tracking_uri
    here = os.environ.get(TRACKING_VARIABLE)
    if here and recorded in (None, redact_text(here)):
        return here  # it has the secret that is not recorded
    if recorded is not None and REDACTED in recorded:
        raise ConfigError(
            f"{directory}: its tracking address held a secret, which is not kept: give --tracking-uri, or the same"
            f" address by {TRACKING_VARIABLE}"
        )
    return recorded or tracking_address(None)


def launch_sweep(order: Order, console: "Console", *, ends_process: bool) -> int:
    """Run a sweep, or the rest of it; returns the exit code.

    Args:
        order: What is launched.
        console: Told how it goes.
        ends_process: Whether a second Ctrl-C ends the process at once; else it raises KeyboardInterrupt.

    Raises:
        IntelligenError: It cannot run here, or cannot go on.

    """
    from intelligen.sweep.ray_places import require_home

    require_home()
    from intelligen.sweep.cluster import require_no_ray

    if threading.current_thread() is not threading.main_thread():
        raise UnavailableError(
            "a sweep runs in a process' main thread only: signals reach no other; call it from there"
        )
    require_no_ray()
    with Interrupts(ends_process=ends_process) as interrupts:
        try:
            return _run_sweep(order, console, interrupts)
        except KeyboardInterrupt:
            click.echo(INTERRUPTED_LINE, err=True)
            return interrupts.exit_code
        except OSError as error:
            from intelligen.sweep.causes import fault_of

            raise (fault_of(error, place=order.directory) or error) from None


def _run_sweep(order: Order, console: "Console", interrupts: Interrupts) -> int:
    from intelligen.data.bleu import require_bleu_tokenizer
    from intelligen.data.describing import describe
    from intelligen.reporting.live import LiveProgress
    from intelligen.sweep.devices import gpus_of_stages
    from intelligen.sweep.header import require_unchanged, sweep_header
    from intelligen.sweep.joining import find_cluster
    from intelligen.sweep.stages import is_finished, require_no_late_search
    from intelligen.sweep.survey import survey
    from intelligen.sweep.sweep_run import SweepRun
    from intelligen.sweep.trials import reopen_failed
    from intelligen.sweep.verifying import require_files
    from intelligen.tracking.launch import write_launch
    from intelligen.tracking.ledger import LEDGER_FILE, Ledger, settled_devices
    from intelligen.tracking.mirror import MlflowMirror
    from intelligen.tracking.provenance import record_provenance
    from intelligen.tracking.records import SweepStatus, TrialState
    from intelligen.tracking.store import ensure_store

    directory, cluster = order.directory, find_cluster(local=order.local)
    found = survey(order.sweep, cluster, settled=settled_devices(directory), store=order.store)
    sweep = found.sweep
    _print_lines(found.lines, console)
    prepared = order.prepare()
    _print_lines(describe(prepared), console)
    if not (directory / LEDGER_FILE).exists():  # what has begun is scored as it was
        require_bleu_tokenizer(order.experiment.task, prepared, key="experiment.task.bleu_tokenizer")
    header = sweep_header(order.sweep, order.experiment, prepared=prepared.identity)
    with Ledger.open(directory, header) as ledger:
        forget_requests(directory)
        require_unchanged(ledger.header, header, directory)
        launch = SweepRun(sweep, order.experiment, prepared.identity, order.store, directory, ledger)
        require_files(launch)
        require_no_late_search(launch)
        ledger.settle_devices(gpus_of_stages(sweep))
        record_provenance(directory)
        ensure_store(order.tracking_uri, order.experiment.name)
        write_launch(directory, order.sweep, tracking_uri=order.tracking_uri)
        if order.failed_again:
            again = reopen_failed(launch)
            line = f"runs again: {', '.join(again)}" if again else "no trial has failed: there is none to run again"
            _print_lines([line], console)
        mirror = MlflowMirror(directory, tracking_uri=order.tracking_uri, experiment=order.experiment.name)
        mirror.start()
        code, status, closing = 0, SweepStatus.FAILED, threading.Lock()

        def close_lost() -> int:
            closing.acquire()  # for good: the process ends here
            close_launch(launch, SweepStatus.INTERRUPTED, mirror, console, tracking_uri=order.tracking_uri)
            return interrupts.exit_code if interrupts.requested else ClusterLostError.exit_code

        try:
            done = is_finished(launch)
            if not done:
                with LiveProgress(directory, objective=sweep.objective.metric, console=console):
                    _stages(launch, cluster, order.until, interrupts, close_lost)
            status = SweepStatus.COMPLETE if done or order.until == STAGES[-1] else SweepStatus.PAUSED
        except KeyboardInterrupt:
            code, status = interrupts.exit_code, SweepStatus.INTERRUPTED
        except BaseException as error:
            if isinstance(error, ClusterLostError | NodeLostError):
                status = SweepStatus.INTERRUPTED
            # Of a full disk, say, the launch may not be closed either: what came first is told.
            with closing, suppress(IntelligenError, OSError):
                close_launch(launch, status, mirror, console, tracking_uri=order.tracking_uri)
            raise
        with closing:
            close_launch(launch, status, mirror, console, tracking_uri=order.tracking_uri)
        failed = any(record.state is TrialState.FAILED for record in ledger.trials.values())
    return code or (SOME_FAILED if failed else 0)


def _print_lines(lines: Iterable[str], console: "Console") -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _stages(
    launch: "SweepRun",
    cluster: "Cluster | None",
    until: str,
    interrupts: Interrupts,
    close_lost: Callable[[], int],
) -> None:
    from intelligen.sweep.cluster import ray_running
    from intelligen.sweep.ray_places import short_temporary_directory
    from intelligen.sweep.stages import prepare_search, run_stages
    from intelligen.sweep.watchdog import watching_progress

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
