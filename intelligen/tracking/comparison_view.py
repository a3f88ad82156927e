"""Comparison view of a sweep: columns, order and charts of MLflow's page of runs.

The format is internal to MLflow 3.17, and may change.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from intelligen.analysis.compared_rows import AXIS, ROW_LABEL, ComparedRows
from intelligen.analysis.strategy_table import SELECTED
from intelligen.config.metric_direction import higher_is_better
from intelligen.config.schema.declarations import TaskSettings
from intelligen.config.schema.rows import ROW, STRATEGY
from intelligen.state.trial_records import TrialRecord
from intelligen.tracking.mlflow_mapping import mlflow_key

State = dict[str, Any]
Chart = dict[str, Any]

MOST_SETTINGS = 40
"""Columns of searched settings; more would be scrolled past."""
_RUNS = 100
_WIDTHS = {"tags": 130, "metrics": 160, "params": 230}
# What the page calls the section of metrics without a group, and of those of the group `system`.
_SECTIONS = {"": "Model metrics", "system": "System metrics"}


@dataclass(frozen=True)
class ComparedSettings:
    """What the search varied, as MLflow names it."""

    shared: tuple[str, ...]
    """What every trial has."""
    own: Mapping[str, tuple[str, ...]]
    """Strategy → what only some trials have."""

    @classmethod
    def of(cls, trials: Iterable[TrialRecord]) -> "ComparedSettings":
        """Of the trials of a search, without the strategy, which has a column of its own."""
        named: dict[str, list[list[str]]] = {}
        for record in trials:
            if record.kind == "trial":
                names = [mlflow_key(name) for name in record.params if name not in (STRATEGY, ROW)]
                named.setdefault(record.row, []).append(names)
        everywhere = [names for lists in named.values() for names in lists]
        shared = tuple(name for name in _union(everywhere) if all(name in names for names in everywhere))
        own = {
            strategy: tuple(name for name in _union(lists) if name not in shared) for strategy, lists in named.items()
        }
        return cls(shared, {strategy: names for strategy, names in own.items() if names})

    def first(self, count: int) -> "ComparedSettings":
        """So many of them, those that every trial has first."""
        kept = set(_union([self.shared, *self.own.values()])[:count])
        own = {strategy: tuple(name for name in names if name in kept) for strategy, names in self.own.items()}
        return ComparedSettings(
            tuple(name for name in self.shared if name in kept),
            {strategy: names for strategy, names in own.items() if names},
        )

    def names(self) -> list[str]:
        """All of them."""
        return _union([self.shared, *self.own.values()])


def comparison_state(
    parent_id: str,
    objectives: Sequence[str],
    settings: ComparedSettings,
    *,
    task: TaskSettings,
    metrics: Collection[str],
    compared: ComparedRows | None = None,
) -> State:
    """The page's state for one sweep.

    Args:
        parent_id: The run of the sweep: its trials, baselines and confirmations are shown.
        objectives: The metrics of the sweep's objectives; the first one sorts.
        settings: What the search varied.
        task: Which scores of test sets are reported, and which of the validation set may select.
        metrics: The names of all metrics of these runs.
        compared: What the sweep's rows are; strategies where not given.

    """
    main = SELECTED + objectives[0]
    compared = compared or ComparedRows()
    columns = [*_named(compared), *_columns(objectives, settings, task, metrics)]
    sections = _sections(objectives, main, settings, compared)
    charts = [{**chart, "uuid": f"{key}-{n}", "metricSectionId": key} for key, _, own in sections for n, chart in own]
    return {
        "searchFilter": f"tags.`mlflow.parentRunId` = '{parent_id}'",
        "orderByKey": f"metrics.`{main}`",
        "orderByAsc": not higher_is_better(objectives[0]),
        "selectedColumns": columns,
        "columnOrder": ["attributes.`Run Name`", "runDateAndNestInfo", *columns],
        # So that their headings can be read.
        "columnWidths": {name: _WIDTHS[name.partition(".")[0]] for name in columns},
        "runsHiddenMode": "SHOW_ALL",
        # Without it the page sorts sections by their names.
        "isAccordionReordered": True,
        "compareRunCharts": charts,
        "compareRunSections": [_section(key, title) for key, title, _ in sections] + _folded(metrics),
    }


def _named(compared: ComparedRows) -> list[str]:
    """Columns of which row a run is, and how it ended."""
    axes = [f"{AXIS}{axis}" for axis in compared.axes]
    names = [ROW_LABEL, *axes] if compared.variants else [STRATEGY]
    return [f"tags.`{name}`" for name in (*names, "state")]


def _columns(
    objectives: Sequence[str], settings: ComparedSettings, task: TaskSettings, metrics: Collection[str]
) -> list[str]:
    wanted = [name for name in objectives if name.startswith("valid/")]
    others = [name for name in task.selecting() if name not in wanted and SELECTED + name in metrics]
    # Of each score `test/bleu`, then `test-greedy/bleu` and other test sets.
    splits = sorted({name.partition("/")[0] for name in metrics if name.startswith("test")})
    tested = _union([[objectives[0].partition("/")[2]], task.reported_scores])
    tests = [name for score in tested for split in splits if (name := f"{split}/{score}") in metrics]
    # What decides, what it came to on the test sets, then the other scores.
    selected = [*(SELECTED + name for name in wanted), *tests, *(SELECTED + name for name in others)]
    whole = ("trial/epoch_s", "trial/memory_peak_mib", "trial/cost_device_s")
    return [
        *(f"metrics.`{name}`" for name in (*selected, *whole)),
        *(f"params.`{name}`" for name in settings.names()),
    ]


def _sections(
    objectives: Sequence[str], main: str, settings: ComparedSettings, compared: ComparedRows
) -> list[tuple[str, str, list[tuple[int, Chart]]]]:
    """Key, title and charts. The page shows no titles of line and bar charts, so the sections have them."""
    measured = [name for name in objectives if name.startswith("valid/")]
    row = ROW if compared.variants else "strategy.name"
    scores = [_scatter((row, "PARAM"), (main, "METRIC")), _bar(main)]
    # The page leaves out runs that lack one of the settings.
    parallel = [_parallel([row, *settings.shared], main)]
    parallel += [_parallel([*settings.shared, *names], main) for names in settings.own.values()]
    cost = [_scatter(("trial/cost_device_s", "METRIC"), (main, "METRIC"))]
    sections = (
        ("curves", f"{' and '.join(measured)} by update", [_line(name) for name in measured]),
        ("scores", f"{main} by {compared.word}", scores),
        ("settings", f"{main} by what the search varied", parallel),
        ("cost", f"{main} against device-seconds", cost),
    )
    return [(key, title, list(enumerate(charts))) for key, title, charts in sections]


def _section(key: str, title: str) -> State:
    shown = {"display": True, "isReordered": True, "columns": 2, "cardHeight": 360}
    return {"uuid": key, "name": title, **shown}


def _folded(metrics: Collection[str]) -> list[State]:
    """The page adds a chart of every other metric: folded, by group, they are below ours."""
    groups = {name.rpartition("/")[0] for name in metrics}
    titles = sorted({_SECTIONS.get(group, group) for group in groups})
    return [
        {"uuid": f"rest-{n}", "name": title, "display": False, "isReordered": False} for n, title in enumerate(titles)
    ]


def _line(metric: str) -> Chart:
    # By default the page smooths curves, so that they end at other values than they have.
    axes = {"xAxisKey": "step", "yAxisKey": "metric", "scaleType": "linear", "lineSmoothness": 0}
    return {"type": "LINE", "metricKey": metric, "selectedMetricKeys": [metric], "runsCountToCompare": _RUNS, **axes}


def _bar(metric: str) -> Chart:
    return {"type": "BAR", "metricKey": metric, "runsCountToCompare": _RUNS}


def _parallel(params: Sequence[str], metric: str) -> Chart:
    chosen = {"selectedParams": list(params), "selectedMetrics": [metric]}
    return {"type": "PARALLEL", "showAllRuns": True, "runsCountToCompare": _RUNS, **chosen}


def _scatter(x: tuple[str, str], y: tuple[str, str]) -> Chart:
    axes = {axis: {"key": key, "type": kind} for axis, (key, kind) in (("xaxis", x), ("yaxis", y))}
    return {"type": "SCATTER", "runsCountToCompare": _RUNS, **axes}


def _union(lists: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in lists for name in names))
