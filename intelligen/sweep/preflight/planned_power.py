"""Planned power: what a study with confirmed seeds will be able to find, before anything is trained."""

from collections.abc import Iterator
from pathlib import Path

from intelligen.analysis.compared_rows import ComparedRows
from intelligen.analysis.compared_units import Units
from intelligen.analysis.find_sweep import find_sweep
from intelligen.analysis.power_words import UNKNOWN_SD, power_after, seeds_words, smallest_words
from intelligen.analysis.sequential_looks import sequential_plan
from intelligen.analysis.study import read_study
from intelligen.analysis.system_scores import score_table
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.stages_after_search import PowerPrior
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ConfigError
from intelligen.evaluation.decision_procedure import LEAST_UNITS
from intelligen.evaluation.study_power import Power, Prior
from intelligen.tasks import build_task

_ASK = "for the metric's unit give confirm.prior: {sd: NUMBER}, or {sweep: NAME} of an earlier study in this folder"


def power_lines(sweep: Sweep, experiment: Experiment, *, store: Path) -> Iterator[str]:
    """The smallest difference that the study finds, and the seeds for others; nothing where no seeds confirm.

    Args:
        sweep: Its settings.
        experiment: Its experiment.
        store: The runs directory, in which an earlier study is looked for.

    Raises:
        ConfigError: That study is not there, or shows no variance.

    """
    family = len(ComparedRows.of(sweep).asked(sweep.row_ids()))
    if sweep.confirm is None or not family:
        return
    seeds, sequential = sweep.confirm.at_most, sequential_plan(sweep, family=family)
    units = Units.of(sweep, seed=experiment.seed)
    planned = units.count(sweep.confirmation_seeds(experiment.seed))
    if planned < LEAST_UNITS:
        key = "search.replicates" if units.are_searches else "confirm.seeds"
        yield f"{planned} {units.word} decide nothing: raise {key} to {LEAST_UNITS} or more"
        return
    metric = build_task(experiment.task).ranking
    prior = UNKNOWN_SD if sweep.confirm.prior is None else _prior(sweep.confirm.prior, store, units)
    power = Power(prior, family, planned, sequential)
    each = f"{planned}" if sequential is None else f"{sweep.confirm.at_least} to {seeds}"
    count = f"{family} comparison{'' if family == 1 else 's'} with {each} {units.word} each"
    found = smallest_words(power, metric, units=units.word)
    yield f"{count} {'finds' if family == 1 else 'find'} a difference of {found} in four of five cases"
    yield seeds_words(power, metric, units=units.word)
    if sweep.confirm.prior is None:
        yield _ASK
    elif (margin := sweep.confirm.counts_as_none) is not None and power.smallest().high < margin:
        key = "margin" if sequential is None else "difference"
        yield f"confirm.{key} is {margin:g}: a difference below it may be called better or equivalent"


def _prior(given: PowerPrior, store: Path, units: Units) -> Prior:
    if given.sd is not None:
        return Prior(given.sd, given.degrees)
    assert given.sweep is not None
    study = read_study(find_sweep(store, given.sweep), store=store)
    if study.units.are_searches != units.are_searches:
        shows, asked = study.units.word, units.word
        raise ConfigError(f"confirm.prior.sweep: {given.sweep} shows how much {shows} differ, and here {asked} count")
    rows = score_table(study, study.primary) if study.primary in study.settings else []
    found = power_after(rows, family=1, seeds=LEAST_UNITS)
    if found is None:
        what = f"shows how much {units.word} differ"
        raise ConfigError(f"confirm.prior.sweep: {given.sweep} has no comparison that {what}")
    return found.prior
