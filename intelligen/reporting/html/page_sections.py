"""Sections of a study's page, from the conclusion's numbers down to what was run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from intelligen.analysis.result_rows import ResultRow, primary, result_records
from intelligen.analysis.study import StudyResults
from intelligen.config.schema.decoding import Beam, ByLength
from intelligen.data.data_summary import shared_rows
from intelligen.reporting.html.effort_figures import expected_best_figures, importance_figures, importance_note
from intelligen.reporting.html.learning_curves import epoch_curves, exposure_curves, learning_curves
from intelligen.reporting.html.outputs_table import outputs_table
from intelligen.reporting.html.page import Section
from intelligen.reporting.html.page_tables import MOST_TRIALS, Table, result_table, trial_table, word
from intelligen.reporting.html.parallel_coordinates import parallel_figures
from intelligen.reporting.html.plot_styles import Mark
from intelligen.reporting.html.sample_translations import SAMPLES, samples
from intelligen.reporting.html.score_figures import exposure_by_position, score_figures
from intelligen.reporting.html.search_figures import pareto_figure, simplex_figures
from intelligen.reporting.readable_columns import notes_below

Marks = Mapping[str, Mark]

_HOW_TO_READ = (
    "{score}, the mean over seeds, with its 95 % interval over seeds × rows. Δ is the difference to the control of"
    " that row, over the seeds that both have. Its interval, p and verdict belong together: in at most 5 of 100 studies"
    " is any verdict of all {rows} wrong. An equivalent row's interval is that of two one-sided tests. Only the first"
    " table, of the test set and search of the answer, has verdicts. Effect size is Hedges' g: Δ over its standard"
    " deviation between seeds. The seeds say which trials a"
    " row comes from: all trials are listed below, with their runs in MLflow. Epoch time, memory and device-hours are"
    " over all trials of a {row}, in search and confirmation, the stopped and the"
    " failed included; a device is a GPU, or a worker's processors. Memory is the GPU's, or resident memory of"
    " processes without one."
)
_HOW_VARIANTS = " Epoch, losses and validation scores are of the selected weights, means over the seeds of a row."
_HOW_TOKENS = (
    " Perplexity is exp(valid loss), per piece of the vocabulary. Training FLOPs are estimated as 6 · parameters ·"
    " target tokens of these trainings alone (Kaplan et al. 2020), without what they start from."
)
_HOW_BY_TIME = (
    " Training FLOPs by time are training time × devices × device_flops (Vaswani et al. 2017), of these"
    " trainings alone."
)
_HOW_EXPOSED = "How a model does after its own words, mean over its seeds; docs/measures.md has the formulas."


def study_sections(study: StudyResults, rows: Sequence[ResultRow], marks: Marks) -> list[Section]:
    """All parts of a study's page below the answer."""
    return [_results(study, rows, marks), *_training(study, rows, marks), *_search(study, marks), *_material(study)]


def _results(study: StudyResults, rows: Sequence[ResultRow], marks: Marks) -> Section:
    first = primary(study, rows)
    tables = [result_table(first, _caption(study, study.primary), study=study, with_costs=True)] if first else []
    for setting in study.settings:
        if setting != study.primary:
            found = [row for row in rows if row.score.setting == setting]
            tables.append(result_table(found, _caption(study, setting), study=study, with_costs=False))
    notes = notes_below(result_records(study, rows), study.task.reported, study.compared)
    return Section(
        "results",
        "Results",
        text="" if tables else "No test set has been decoded yet.",
        below=_how_to_read(study) if tables else "",
        tables=tables,
        notes=notes if tables else [],
        figures=list(score_figures(study, [row.score for row in first], marks)) if first else [],
    )


def _how_to_read(study: StudyResults) -> str:
    metric, *further = study.task.reported
    source = f" is {metric.implementation}'s" if metric.implementation else ""
    others = "".join(f" {other.label} is the mean over seeds too, and ranks nothing." for other in further)
    compared = study.compared
    how = _HOW_TO_READ.format(score=f"{metric.label}{source}", rows=compared.words, row=compared.word)
    if not compared.variants:
        return how + others
    by_token = _HOW_TOKENS if study.task.settings.predicts_tokens else ""
    by_time = _HOW_BY_TIME if study.sweep.device_flops is not None else ""
    return how + others + _HOW_VARIANTS + by_token + by_time


def _caption(study: StudyResults, setting: tuple[str, str]) -> str:
    split, search = setting
    kind = "in the domain" if split == "test" else "another test set"
    by_search = f", {search} search" if study.task.settings.writes_text else ""
    return f"{split} ({kind}), {len(study.test_sets[split].references):,} rows{by_search}"


def _training(study: StudyResults, rows: Sequence[ResultRow], marks: Marks) -> list[Section]:
    curves = learning_curves(study, marks)
    exposure = [*exposure_curves(study, marks), *(exposure_by_position(study, marks) if study.settings else ())]
    return [
        Section(
            "learning",
            "Learning curves",
            figures=[*epoch_curves(study, marks), *([curves] if curves.content.data else [])],
        ),
        Section(
            "exposure",
            "Exposure",
            text=_HOW_EXPOSED if exposure else "",
            tables=outputs_table(study, primary(study, rows), "Outputs, and other metrics: shown, not tested"),
            figures=exposure,
            small=True,
        ),
    ]


def _search(study: StudyResults, marks: Marks) -> list[Section]:
    if not study.searched:
        return []
    return [
        Section(
            "search",
            "The search",
            text="On the validation set alone.",
            figures=[*expected_best_figures(study, marks), pareto_figure(study, marks)],
            small=True,
        ),
        Section(
            "importance",
            "What mattered",
            text=importance_note(study),
            figures=list(importance_figures(study, marks)),
            legend=False,
            small=True,
        ),
        Section(
            "parallel",
            "Parallel coordinates",
            figures=list(parallel_figures(study, marks)),
            legend=False,
            folded=True,
        ),
        Section("mixtures", "Mixing ratios", figures=list(simplex_figures(study, marks)), legend=False),
    ]


def _material(study: StudyResults) -> list[Section]:
    chosen = samples(study, study.primary) if study.primary in study.settings else []
    split, search = study.primary
    how = f"The middle row of each of {SAMPLES} equal parts of {split}, as the models of the first seed"
    if study.task.settings.writes_text:
        how += (
            f" decode it by {search} search; they are not chosen by content. Marked: words that the reference"
            " does not have there; struck out: words of the reference that are missing there."
        )
    else:
        how += " have it; they are not chosen by content."
    return [
        Section("samples", "Sample outputs", text=how if chosen else "", samples=chosen),
        Section("trials", "Trials", text=_traced(study), tables=[trial_table(study)], below=_left_out(study)),
        _what_was_run(study),
    ]


def _left_out(study: StudyResults) -> str:
    """Which trials the table lacks, and where they are; empty where it has all."""
    count = len(study.members)
    if count <= MOST_TRIALS:
        return ""
    return (
        f"The table has room for {MOST_TRIALS:,} of the {count:,} trials: baselines and confirmations, what was tested"
        f" or is running, the latest failures, the best by {study.metric}, and of the others evenly many. Every trial"
        f" counts in the tables and curves above. All are in the sweep's ledger and in MLflow, and"
        f" intelligen export {study.sweep.name} --trials trials.csv writes them into a file."
    )


def _traced(study: StudyResults) -> str:
    where = f" at {study.tracking_uri}" if study.tracking_uri else ""
    of_sweep = (
        f" Run {study.runs.sweep} of experiment {study.runs.experiment} is the sweep's." if study.runs.sweep else ""
    )
    return (
        f"Every number of this page comes from these trials. A row's scores come from the hypotheses of the trials of"
        f" its seeds. Its costs come from the epochs of all trials of the {study.compared.word}. Their files are in"
        f" these directories, which start at {study.directory}. In MLflow{where} a trial's run has its epochs as"
        " metrics and its hypotheses as artifacts, and is found by"
        f" tags.sweep_id = '{study.sweep_id}' and tags.trial_id = the trial's name.{of_sweep}"
    )


def _what_was_run(study: StudyResults) -> Section:
    fingerprint = study.fingerprint
    signatures = sorted(
        {(name, text) for m in study.members for d in m.decoded.values() for name, text in d.signatures.items()}
    )
    facts = [
        ("sweep", study.sweep.name),
        ("sweep id", study.sweep_id),
        ("git commit", fingerprint.get("git_commit") or "not known"),
        ("host", fingerprint.get("host") or "not known"),
        ("prepared data", fingerprint["prepared"]),
        *(("rows of the splits", line) for line in (shared_rows(study.data) if study.data else ())),
        *(("length penalty", line) for line in _length_penalty(study)),
        ("seeds", ", ".join(str(seed) for seed in sorted({m.record.seed for m in study.members}))),
        *((f"version of {name}", version) for name, version in fingerprint.get("versions", {}).items()),
        *((name.replace("_", " "), text) for name, text in signatures),
        *_machine(study.environment),
    ]
    texts = {
        "The sweep file": _readable(study.sweep.model_dump(mode="json")),
        "The experiment": _readable(fingerprint["experiment"]),
    }
    if study.environment:
        texts["Machine and packages"] = study.environment
    table = Table("What was run, on what", ["what", "which"], [[word(name), word(text)] for name, text in facts])
    return Section("run", "What was run", tables=[table], texts=texts)


def _length_penalty(study: StudyResults) -> Iterator[str]:
    """By which penalty beam search compared hypotheses, and whether one was chosen for each model."""
    decoding = study.fingerprint["experiment"]["decoding"]
    if decoding["test"]["name"] != "beam":
        return
    penalty = Beam.model_validate_json(json.dumps(decoding["test"])).length_penalty
    value = f"|Y|^{penalty.alpha:g}" if isinstance(penalty, ByLength) else f"{penalty:g} (Wu et al. 2016)"
    settings = study.sweep.model_dump(mode="json", include={"space", "rows"})
    if "decoding.test" not in json.dumps(settings):
        yield f"{value}, fixed for all models"
    else:
        yield f"{value} where nothing else was set; rows or the search set others, and {study.metric} chose among them"


def _machine(environment: str) -> list[tuple[str, str]]:
    """`# cpu 2 × …` and the like, at the head of what was installed."""
    lines = (line.removeprefix("# ") for line in environment.splitlines() if line.startswith("# "))
    return [(name, text) for name, _, text in (line.partition(" ") for line in lines)]


def _readable(settings: Any) -> str:
    return json.dumps(settings, ensure_ascii=False, indent=1)
