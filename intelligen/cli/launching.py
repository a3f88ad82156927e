"""One launch of a sweep, from its settings to its table: the wiring that run, resume and the Python API share."""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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
from intelligen.errors import ChangedError, ClusterLostError, ConfigError, UnavailableError

if TYPE_CHECKING:
    from rich.console import Console

    from intelligen.config.experiment import Experiment
    from intelligen.config.sweep import Sweep
    from intelligen.data.prepared import Prepared
    from intelligen.sweep.joining import Cluster
    from intelligen.sweep.sweep_run import SweepRun

INTERRUPTED, TERMINATED, SOME_FAILED = 130, 143, 3


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

    """
    from intelligen.config.changes import changed, parse_override
    from intelligen.config.document import Document
    from intelligen.config.experiment import Experiment
    from intelligen.config.fixes import ANOTHER_SWEEP, told_to_a_sweep
    from intelligen.config.problems import validated
    from intelligen.config.sweep import Sweep
    from intelligen.data.prepared import open_prepared
    from intelligen.tracking.launch import read_launch
    from intelligen.tracking.ledger import read_ledger
    from intelligen.tracking.projection import flatten
    from intelligen.tracking.redaction import REDACTED

    header, _, _ = read_ledger(directory)
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


def launch_sweep(order: Order, console: "Console") -> int:
    """Run a sweep, or the rest of it; returns the exit code.

    Raises:
        IntelligenError: It cannot run here, or cannot go on.

    """
    if threading.current_thread() is not threading.main_thread():
        raise UnavailableError(
            "a sweep runs in a process' main thread only: signals reach no other; call it from there"
        )
    signals: list[int] = []
    try:
        with interruptible(signals):
            return _run_sweep(order, console, signals)
    except KeyboardInterrupt:
        click.echo(INTERRUPTED_LINE, err=True)
        return _interrupt_code(signals)


def _interrupt_code(signals: list[int]) -> int:
    return TERMINATED if signal.SIGTERM in signals else INTERRUPTED


def _run_sweep(order: Order, console: "Console", signals: list[int]) -> int:
    from intelligen.data.describing import describe
    from intelligen.reporting.live import LiveProgress
    from intelligen.sweep.devices import gpus_of_stages
    from intelligen.sweep.header import require_unchanged, sweep_header
    from intelligen.sweep.joining import find_cluster
    from intelligen.sweep.stages import is_finished, require_no_late_search
    from intelligen.sweep.survey import survey
    from intelligen.sweep.sweep_run import SweepRun
    from intelligen.tracking.launch import write_launch
    from intelligen.tracking.ledger import Ledger, settled_devices
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
    header = sweep_header(order.sweep, order.experiment, prepared=prepared.identity)
    with Ledger.open(directory, header) as ledger:
        forget_requests(directory)
        require_unchanged(ledger.header, header, directory)
        launch = SweepRun(sweep, order.experiment, prepared.identity, order.store, directory, ledger)
        require_no_late_search(launch)
        ledger.settle_devices(gpus_of_stages(sweep))
        record_provenance(directory)
        ensure_store(order.tracking_uri, order.experiment.name)
        write_launch(directory, order.sweep, tracking_uri=order.tracking_uri)
        mirror = MlflowMirror(directory, tracking_uri=order.tracking_uri, experiment=order.experiment.name)
        mirror.start()
        code, status = 0, SweepStatus.FAILED
        try:
            done = is_finished(launch)
            if not done:
                with LiveProgress(directory, objective=sweep.objective.metric, console=console):
                    code = _stages(launch, cluster, order.until, signals)
            status = SweepStatus.COMPLETE if done or order.until == STAGES[-1] else SweepStatus.PAUSED
            status = SweepStatus.INTERRUPTED if code in (INTERRUPTED, TERMINATED) else status
        except (KeyboardInterrupt, ClusterLostError):
            status = SweepStatus.INTERRUPTED
            raise
        finally:
            close_launch(launch, status, mirror, console, tracking_uri=order.tracking_uri)
        failed = any(record.state is TrialState.FAILED for record in ledger.trials.values())
    return code or (SOME_FAILED if failed else 0)


def _print_lines(lines: Iterable[str], console: "Console") -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _stages(launch: "SweepRun", cluster: "Cluster | None", until: str, signals: list[int]) -> int:
    from intelligen.sweep.cluster import ray_running
    from intelligen.sweep.stages import prepare_search, run_stages
    from intelligen.sweep.watchdog import watching_progress

    prepare_search(launch)
    try:
        # Once more: Ray's start takes the handlers for itself.
        with (
            heeding_stop(launch.directory),
            ray_running(launch.sweep, cluster, store=launch.store),
            watching_progress(launch),
            interruptible(signals),
        ):
            run_stages(launch, until=until)
    except (KeyboardInterrupt, SystemExit):  # Ray Train answers an interrupt by leaving the process
        return _interrupt_code(signals)
    return 0


@contextmanager
def interruptible(signals: list[int]) -> Iterator[None]:
    """Ray stops cleanly at SIGINT but dies at SIGTERM: make the one the other, and remember which it was."""

    def on_termination(number: int, frame: object) -> None:
        signals.append(number)
        signal.raise_signal(signal.SIGINT)

    termination, interrupt = signal.signal(signal.SIGTERM, on_termination), signal.getsignal(signal.SIGINT)
    if interrupt is signal.SIG_IGN:
        # So does a shell start what it puts into the background; SIGTERM and `stop` would do nothing.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, termination)
        if interrupt is signal.SIG_IGN:
            signal.signal(signal.SIGINT, interrupt)
