"""Sections of a study's page, from the conclusion's numbers down to what was run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from intelligen.analysis.beam_curve import beam_curve
from intelligen.analysis.result_rows import ResultRow, primary, result_records
from intelligen.analysis.study import StudyResults
from intelligen.analysis.system_scores import Score
from intelligen.config.schema.decoding import Beam, ByLength, Decoding
from intelligen.config.schema.replicates import Replicate
from intelligen.data.data_summary import shared_rows
from intelligen.reporting.html.beam_curve_parts import beam_curve_figure, beam_curve_table
from intelligen.reporting.html.cost_figure import cost_figure
from intelligen.reporting.html.difference_figures import forest_plot
from intelligen.reporting.html.effort_figures import expected_best_figures, importance_figures, importance_note
from intelligen.reporting.html.footnotes import full_footnote, short_footnote
from intelligen.reporting.html.learning_curves import epoch_curves, exposure_curves, learning_curves
from intelligen.reporting.html.outputs_table import outputs_table
from intelligen.reporting.html.page import Section
from intelligen.reporting.html.page_tables import MOST_TRIALS, Table, result_table, trial_table, word
from intelligen.reporting.html.parallel_coordinates import parallel_figures
from intelligen.reporting.html.plot_styles import Mark
from intelligen.reporting.html.sample_translations import SAMPLES, samples
from intelligen.reporting.html.score_figures import exposure_by_position, score_figures
from intelligen.reporting.html.search_figures import pareto_figure, simplex_figures
from intelligen.reporting.html.settings_section import settings_section
from intelligen.reporting.readable_columns import notes_below

Marks = Mapping[str, Mark]

_HOW_EXPOSED = "How a model does after its own words; docs/measures.md has the formulas."


def study_sections(study: StudyResults, rows: Sequence[ResultRow], marks: Marks) -> list[Section]:
    """All parts of a study's page below the answer."""
    return [
        _differences(study, rows, marks),
        _results(study, rows, marks),
        settings_section(study),
        *_training(study, rows, marks),
        *_search(study, marks),
        *_material(study),
    ]


def _differences(study: StudyResults, rows: Sequence[ResultRow], marks: Marks) -> Section:
    """The answer as a picture."""
    figures = list(forest_plot(study, _by_own_search(study, rows), marks))
    return Section("differences", "Differences", figures=figures, legend=False)


def _by_own_search(study: StudyResults, rows: Sequence[ResultRow]) -> list[Score]:
    """The scores of every test set by the experiment's own search."""
    return [row.score for row in rows if row.score.setting[1] == study.primary[1]]


def _results(study: StudyResults, rows: Sequence[ResultRow], marks: Marks) -> Section:
    first = primary(study, rows)
    tables = [result_table(first, _caption(study, study.primary), study=study, with_costs=True)] if first else []
    for setting in study.settings:
        if setting != study.primary:
            found = [row for row in rows if row.score.setting == setting]
            tables.append(result_table(found, _caption(study, setting), study=study, with_costs=False))
    figures = [*score_figures(study, _by_own_search(study, rows), marks), *cost_figure(study, first, marks)]
    if (curve := beam_curve(study, rows)) is not None:
        tables.append(beam_curve_table(study, curve))
        figures.append(beam_curve_figure(study, curve, marks))
    notes = notes_below(result_records(study, rows), study.task.reported, study.compared)
    return Section(
        "results",
        "Results",
        text="" if tables else "No test set has been decoded yet.",
        below=short_footnote(study, rows) if tables else "",
        more=full_footnote(study, rows) if tables else "",
        tables=tables,
        notes=notes if tables else [],
        figures=figures,
        small=True,
    )


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
            text=_how_exposed(study) if exposure else "",
            tables=outputs_table(study, primary(study, rows), "Outputs, and other metrics: shown, not tested"),
            figures=exposure,
            small=True,
        ),
    ]


def _how_exposed(study: StudyResults) -> str:
    if any(len(system.members) > 1 for system in study.systems):
        return f"{_HOW_EXPOSED} Means over the seeds, with bars from the least to the most of them."
    return f"{_HOW_EXPOSED} One model each: a small difference may be noise."


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


def _several_searches(study: StudyResults) -> Sequence[Replicate]:
    return study.units.searches if study.units.are_searches else ()


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
        *(("search", f"{one.number}: seeds from {one.seed} on") for one in _several_searches(study)),
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
    """By which penalty beam search compared hypotheses of test sets, and whether one was chosen for each model."""
    decoding = Decoding.model_validate_json(json.dumps(study.fingerprint["experiment"]["decoding"]))
    beams = [search for search in study.sweep.test.of(decoding) if isinstance(search, Beam)]
    if not beams:
        return
    penalty = beams[0].length_penalty
    value = f"|Y|^{penalty.alpha:g}" if isinstance(penalty, ByLength) else f"{penalty:g} (Wu et al. 2016)"
    sizes = " and sizes of the beam" if study.sweep.test.has_beam_sizes else ""
    rows, space = (json.dumps(study.sweep.model_dump(mode="json", include={part})) for part in ("rows", "space"))
    if "decoding.test" not in rows + space:
        yield f"{value}, fixed for all models{sizes}"
    elif "decoding.test" in rows:
        yield f"{value} where a row sets no other"
    elif "decoding.validation" in space:
        yield f"{value} where the search sets no other; {study.metric} chose among them"
    else:
        how = f"validation decodes by {decoding.validation.name}, so it chose none"
        yield f"{value} where the search sets no other; {how}"


def _machine(environment: str) -> list[tuple[str, str]]:
    """`# cpu 2 × …` and the like, at the head of what was installed."""
    lines = (line.removeprefix("# ") for line in environment.splitlines() if line.startswith("# "))
    return [(name, text) for name, _, text in (line.partition(" ") for line in lines)]


def _readable(settings: Any) -> str:
    return json.dumps(settings, ensure_ascii=False, indent=1)
