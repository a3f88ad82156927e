"""First lines of a launch: what it will run, how many trainings that are, and where the time that it takes is shown."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from intelligen.analysis.eta import Eta, SearchSize, eta_words, search_eta
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.sweep import Sweep
from intelligen.state.history import Report
from intelligen.state.sweep_files import SweepFiles
from intelligen.state.trial_records import TrialRecord, TrialState


def header_lines(
    sweep: Sweep,
    experiment: Experiment,
    *,
    given: Sequence[str],
    trials: Mapping[str, TrialRecord],
    left: Eta | None = None,
) -> Iterator[str]:
    """What a launch begins with.

    Args:
        sweep: Its settings.
        experiment: Its experiment.
        given: The sweep's file and overrides, as far as they are known.
        trials: What the ledger has of earlier launches.
        left: The time left by what these have trained, as far as they show it.

    """
    yield f"start    {sweep.name}: {stages_line(sweep, experiment)}"
    ended = [one for one in trials.values() if one.state is not TrialState.RUNNING]
    if ended:
        yield f"         {len(ended)} of these trainings ended in earlier launches"
    if left is not None:
        if left.high_s:
            stages = "search and confirmation" if sweep.confirm is not None else "search"
            about = f"about {eta_words(left)} left of {stages}"
            yield f"         {about}, by the epochs of those launches; then the test sets"
        return
    file, *overrides = given or ("FILE",)
    plan = shlex.join(["intelligen", "plan", file, *(word for text in overrides for word in ("-o", text))])
    yield "         the time left is shown as soon as a trial has ended; an estimate before anything is trained:"
    yield f"         {plan}"


def time_left(
    sweep: Sweep, experiment: Experiment, trials: Mapping[str, TrialRecord], *, directory: Path
) -> Eta | None:
    """By the epochs of earlier launches; None where no trial has ended yet, or the budget is not a number of trials."""
    histories = SweepFiles(directory)
    ran: dict[str, list[tuple[TrialRecord, list[Report]]]] = {"trial": [], "confirm": []}
    for record in trials.values():
        if record.kind in ran:
            ran[record.kind].append((record, histories.reports(record)))
    size = SearchSize.of(sweep, epochs=_epochs(sweep, experiment), concurrent=sweep.resources.at_once)
    return search_eta(ran["trial"], size, repeated=ran["confirm"])


def _epochs(sweep: Sweep, experiment: Experiment) -> int:
    """Of a trial that finishes."""
    return (experiment.training if sweep.trains else experiment.finetuning).epochs


def stages_line(sweep: Sweep, experiment: Experiment) -> str:
    """What is trained and how many times: `the baseline of 4 epochs; then 8 trials (…); …; then the test sets`."""
    return "; then ".join(_stages(sweep, experiment))


def _stages(sweep: Sweep, experiment: Experiment) -> Iterator[str]:
    if not sweep.trains:
        yield f"the baseline of {_counted(experiment.training.epochs, 'epoch')}"
    yield _search(sweep, _epochs(sweep, experiment))
    if controls := sweep.total_control_trials():
        yield _counted(controls, "trial") + " of own controls"
    if most := sweep.total_repetitions():
        least = sweep.least_repetitions()
        fewest = "" if least == most else f"{least} to "
        baselines = "" if sweep.trains else ", each seed with its own baseline"
        yield f"{fewest}{_counted(most, 'training')} with other seeds{baselines}"
    yield "the test sets"


def _search(sweep: Sweep, epochs: int) -> str:
    total, names = sweep.total_trials(), sweep.row_ids()
    each = {sweep.trials_of(name) for name in names}
    most = sweep.resources.concurrent_trials
    at_once = "" if most == 1 else f", {'as many as fit' if most == 'auto' else most} at once"
    budget = ", ".join(f"{name} {value:g}" for name, value in sweep.budget.model_dump(exclude_none=True).items())
    count = f"trials until {budget} is spent" if total is None else _counted(total, "trial")
    searches = f"{sweep.search.replicates} searches" if sweep.search.replicates > 1 else ""
    in_each = f" in each of {searches}" if searches else ""
    if len(each) == 1 and names:
        whose = f" ({each.pop()} of each {sweep.row_parameter}{in_each}: {', '.join(names)})"
    elif total is None:
        whose = in_each
    else:
        whose = f" in {searches}" if searches else ""
    return f"{count}{whose.replace('(None of each ', '(each ')} of at most {_counted(epochs, 'epoch')}{at_once}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
