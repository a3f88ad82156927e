"""Checks a space for population based training: it has something that can change in mid-training, and only that."""

from collections.abc import Iterator

from intelligen.config.document import Document, dotted, problem_line
from intelligen.config.schema.schedulers import Pbt
from intelligen.config.schema.space_forms import Choice, Const, LogUniform, SearchedSchedule, Simplex, Uniform
from intelligen.config.schema.sweep import Sweep
from intelligen.config.space.entries import Entry, entries_of, with_inner

_SETTINGS = ("optimizer.learning_rate", "label_smoothing")
CHANGEABLE = tuple(f"{run}.{setting}" for run in ("finetuning", "training") for setting in _SETTINGS)
# The length of an epoch, and what a checkpoint holds of the discriminator and its optimizer.
FIXED = ("strategy.updates_ratio", "strategy.discriminator", "strategy.seqgan.discriminator")


def population_problems(sweep: Sweep, document: Document) -> Iterator[str]:
    """One line for each entry of the space with which trials of a population could not go on from each other.

    And one where they never would: no entry changes, or each population is one trial.
    """
    if not isinstance(sweep.scheduler, Pbt):
        return
    entries = list(with_inner(entries_of(sweep.space, ("space",))))
    fixed = {entry.key: what for entry in entries if (what := _fixed(entry)) is not None}
    for key, what in fixed.items():
        yield problem_line(document.origin(key), dotted(key), what)
    if not fixed and all(isinstance(entry.space, Const | Choice) for entry in entries):
        rate = f"{'training' if sweep.trains else 'finetuning'}.optimizer.learning_rate"
        what = (
            "pbt changes values of the space while the trials of a row train, and this space has none that it could"
            f" change: add one, such as {rate}, or use another scheduler"
        )
        yield problem_line(document.origin(("scheduler",)), "scheduler", what)
    if sweep.budget.trials_per_strategy == 1:
        key = ("budget", "trials_per_strategy")
        what = (
            "is 1, and the scheduler pbt exchanges between trials of one row: give 2 or more, or use another scheduler"
        )
        yield problem_line(document.origin(key), dotted(key), what)


def _fixed(entry: Entry) -> str | None:
    """Why an entry is not allowed in a population's space; None where it is."""
    match entry.space:
        case Const():
            return None
        case Choice(choice=options) if entry.setting == "strategy" or len(options) == 1:
            return None
        case Simplex():
            return None
        case SearchedSchedule(schedule=ranges) if isinstance(ranges.shape, str):
            return None
        case Uniform() | LogUniform() if _changeable(entry.setting):
            return None
        case Uniform() | LogUniform() | SearchedSchedule():
            what = "cannot change while a trial trains"
        case _:
            what = "has no continuous range"
    return (
        f"{what}, which the scheduler pbt needs of every parameter but the strategy: write a const, or use another"
        " scheduler"
    )


def _changeable(setting: str) -> bool:
    in_strategy = setting.startswith("strategy.") and not setting.startswith(FIXED)
    return in_strategy or setting in CHANGEABLE
