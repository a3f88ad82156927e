"""The Python API: load, plan, run and resume sweeps, results as a data frame, reports, replays."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from intelligen.addresses import DEFAULT_RUNS, LOCAL_VARIABLE, RUNS_VARIABLE, TRACKING_VARIABLE, runs_directory
from intelligen.analysis.data_frame import Columns, results_frame
from intelligen.analysis.find_sweep import find_sweep
from intelligen.config import load
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.sweep import Sweep
from intelligen.reporting.notebook.sweep_html import sweep_html
from intelligen.reporting.terminal.console_output import lasting_output, people_console
from intelligen.reporting.terminal.console_reporter import ConsoleReporter
from intelligen.reporting.terminal.progress_bars import counting
from intelligen.sweep.cluster.find_cluster import find_cluster
from intelligen.sweep.launch import launch_sweep
from intelligen.sweep.launch_request import LaunchRequest, request_of_directory, request_of_file
from intelligen.sweep.replay_directory import trial_directory
from intelligen.sweep.signals import EXIT_CODES

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from intelligen.sweep.preflight.plan import Plan
    from intelligen.training.replay import Replay

PathLike = str | Path


class LoadedSweep(NamedTuple):
    """A sweep file that has been checked: frozen settings."""

    sweep: Sweep
    experiment: Experiment
    """What the file names, with its overrides."""

    def _repr_html_(self) -> str:
        """In a notebook."""
        return sweep_html(self.sweep, self.experiment)


def load_sweep(file: PathLike, overrides: Sequence[str] = ()) -> LoadedSweep:
    """Read and check a sweep file.

    Args:
        file: Its path; `search_spaces/quickstart.yaml` and the like are found from any directory.
        overrides: `KEY=VALUE`, as `-o` takes them.

    Raises:
        ConfigError: The file or an override is wrong; a line for each problem.

    """
    return LoadedSweep(*load.load_sweep(Path(file), overrides))


def plan(loaded: LoadedSweep, *, runs: PathLike | None = None, calibrate: bool = True, local: bool = False) -> "Plan":
    """What a sweep would do here, and what it would cost; nothing is trained.

    Args:
        loaded: From `load_sweep`.
        runs: The runs directory; INTELLIGEN_RUNS or `runs` where not given.
        calibrate: Whether to time a few updates, which needs the data prepared.
        local: Whether to run on this machine, whatever Ray cluster RAY_ADDRESS names or runs here.

    Returns:
        Sampled trials, machines, `cost` (spans in seconds and device-hours), `warnings`, and `refusal` where it cannot
        run here.

    """
    from intelligen.sweep.preflight.plan import make_plan

    request = request_of_file(loaded.sweep, loaded.experiment, runs=_runs(runs), tracking_uri=_tracking(None))
    return make_plan(
        loaded.sweep,
        loaded.experiment,
        store=request.store,
        calibrate=calibrate,
        prepare=lambda: request.prepare(counting),
        cluster=find_cluster(local=_local(local)),
    )


def run(
    loaded: LoadedSweep, *, runs: PathLike | None = None, tracking_uri: str | None = None, local: bool = False
) -> "pd.DataFrame":
    """Run a sweep, or the rest of it, to its end; its directory lies in the runs directory.

    Args:
        loaded: From `load_sweep`.
        runs: The runs directory; INTELLIGEN_RUNS or `runs` where not given.
        tracking_uri: Of MLflow; MLFLOW_TRACKING_URI or `mlflow.db` in the working directory where not given.
        local: Whether to run on this machine, whatever Ray cluster RAY_ADDRESS names or runs here.

    Returns:
        As `results`; failed trials are in it.

    Raises:
        IntelligenError: It cannot run here, or cannot go on; the message says why, and the fix.
        KeyboardInterrupt: It was interrupted, or asked to stop; the same call goes on.

    """
    request = request_of_file(loaded.sweep, loaded.experiment, runs=_runs(runs), tracking_uri=_tracking(tracking_uri))
    return _finished(replace(request, local=_local(local)))


def resume(
    name: str,
    overrides: Sequence[str] = (),
    *,
    runs: PathLike | None = None,
    tracking_uri: str | None = None,
    local: bool = False,
    failed: bool = False,
) -> "pd.DataFrame":
    """Go on with a sweep from its own directory.

    Args:
        name: The sweep's.
        overrides: `KEY=VALUE` of what may change between launches, such as `budget.trials=20`.
        runs: The runs directory; INTELLIGEN_RUNS or `runs` where not given.
        tracking_uri: Of MLflow; that of the last launch where not given.
        local: Whether to run on this machine, whatever Ray cluster RAY_ADDRESS names or runs here.
        failed: Whether the trials that failed run again, within the same budget.

    Returns:
        As `results`.

    Raises:
        IntelligenError: There is no such sweep, or it cannot go on.
        KeyboardInterrupt: It was interrupted, or asked to stop; the same call goes on.

    """
    directory = find_sweep(_runs(runs), name)
    request = request_of_directory(directory, tuple(overrides), tracking_uri=tracking_uri)
    return _finished(replace(request, failed_again=failed, local=_local(local)))


def results(name: str, *, runs: PathLike | None = None, columns: Columns = "main") -> "pd.DataFrame":
    """What came of a sweep so far: one row per baseline, trial and repetition of a trial, as they were started.

    Args:
        name: The sweep's.
        runs: The runs directory; INTELLIGEN_RUNS or `runs` where not given.
        columns: `"main"`: kind, strategy, settings in few words, seed, state, objectives, test scores, device_s; or
            `"all"`.

    Returns:
        Index: the trial. All columns: kind (baseline, trial, confirm, start), strategy (of a baseline: `baseline`; of
        variants: row, label, `axis/NAME`, and `setting/KEY` of what listed ones differ in), state, stop_reason, seed,
        confirms (the trial that is repeated with this seed), attempts, epochs, updates, target_tokens, device_s, the
        validation metrics of the weights that count (`valid/bleu`), test scores where there are any (`test/bleu`),
        what the search suggested (`param/finetuning.optimizer.learning_rate`), and, of a study that has ended, what
        was decided of the row that a confirmation is of: verdict, control, delta, delta_low, delta_high.

    Raises:
        ConfigError: There is no such sweep, or there are no such columns.

    """
    return results_frame(find_sweep(_runs(runs), name), columns=columns)


def figures(name: str, *, runs: PathLike | None = None) -> "dict[str, go.Figure]":
    """Every figure of a sweep's report, to be shown or changed.

    Args:
        name: The sweep's.
        runs: The runs directory; INTELLIGEN_RUNS or `runs` where not given.

    Returns:
        Name, as `intelligen export --figures` names its file, → Plotly's figure.

    Raises:
        ConfigError: There is no such sweep.
        StorageError: Its files are damaged.

    """
    from intelligen.reporting.html.write_report import read_compared, report_figures

    found = report_figures(read_compared(find_sweep(_runs(runs), name), store=_runs(runs)))
    return {one.key: one.content.update_layout(title=one.title, margin_t=50) for one in found}


def reproduce(sweep: str, trial: str | None = None, *, runs: PathLike | None = None) -> "Replay":
    """Run a trial again from its manifest, and compare.

    A trial of several processes starts new ones that import the main module, so a script needs its `__main__` guard.

    Args:
        sweep: Its sweep's name; `SWEEP/TRIAL` or a trial's directory where `trial` is not given.
        trial: Its name in the sweep.
        runs: The runs directory; INTELLIGEN_RUNS or `runs` where not given.

    Returns:
        `identical`, `comparisons`, and in `recorded.changes` what is not as it was.

    Raises:
        IntelligenError: There is no such trial, or it cannot be replayed.

    """
    from intelligen.training.replay import Recorded, new_directory, replay

    store = _runs(runs)
    recorded = Recorded.read(trial_directory(store, sweep, trial), store=store)
    return replay(recorded, new_directory(store, recorded.directory))


def report(name: str, *, runs: PathLike | None = None) -> Path:
    """Write the report of a sweep, one HTML file, into the sweep's directory.

    Args:
        name: The sweep's.
        runs: The runs directory; INTELLIGEN_RUNS or `runs` where not given.

    Returns:
        Where it lies.

    Raises:
        ConfigError: There is no such sweep.
        StorageError: Its files are damaged.

    """
    from intelligen.reporting.html.write_report import write_report

    return write_report(find_sweep(_runs(runs), name), store=_runs(runs))


def compare(names: Sequence[str], *, runs: PathLike | None = None) -> "pd.DataFrame":
    """What several sweeps, or one, came to on their test sets: a row per sweep, strategy, test set and search.

    Args:
        names: The sweeps'.
        runs: The runs directory; INTELLIGEN_RUNS or `runs` where not given.

    Returns:
        Index: sweep, strategy (of variants: row), test_set, search. Columns: as of `intelligen export --csv`.

    Raises:
        ConfigError: There is no such sweep.
        StorageError: Its files are damaged.

    """
    import pandas as pd

    from intelligen.reporting.html.write_report import read_compared

    compared = [read_compared(find_sweep(_runs(runs), name), store=_runs(runs)) for name in names]
    records = [{"sweep": one.name, **record} for one in compared for record in one.records]
    words = dict.fromkeys(one.study.compared.word for one in compared)
    keys = ["sweep", *(words or ["strategy"]), "test_set", "search"]
    return pd.DataFrame(records, columns=None if records else keys).set_index(keys)


def _finished(request: LaunchRequest) -> "pd.DataFrame":
    with lasting_output():
        code = launch_sweep(request, _reporter(), ends_process=False)
    if code in EXIT_CODES.values():
        raise KeyboardInterrupt
    return results_frame(request.directory)


def _reporter() -> ConsoleReporter:
    """A cell shows a bar and tables, everything else lines."""
    console = people_console()
    if not console.is_jupyter:
        return ConsoleReporter(console)
    from intelligen.reporting.notebook.notebook_reporter import NotebookReporter

    return NotebookReporter(console)


def _runs(given: PathLike | None) -> Path:
    return runs_directory(given or os.environ.get(RUNS_VARIABLE) or DEFAULT_RUNS).absolute()


def _local(given: bool) -> bool:
    return given or os.environ.get(LOCAL_VARIABLE, "") not in ("", "0")


def _tracking(given: str | None) -> str | None:
    return given or os.environ.get(TRACKING_VARIABLE)
