"""The answer of a sweep whose search has not come to its end."""

from dataclasses import replace
from typing import Final

from intelligen.analysis.conclusion import Conclusion
from intelligen.analysis.next_step import Step
from intelligen.analysis.status import SweepState, read_status
from intelligen.analysis.study import StudyResults
from intelligen.analysis.suggested_command import command_line
from intelligen.state.sweep_files import SweepFiles

_STATES: Final = {
    SweepState.RUNNING: "is still running",
    SweepState.PAUSED: "is paused",
    SweepState.INTERRUPTED: "was interrupted",
    SweepState.FAILED: "has failed",
    SweepState.KILLED: "was killed",
}


def as_of_now(study: StudyResults, found: Conclusion) -> Conclusion:
    """What a sweep does, how far it is, and the command that watches it or goes on, where its search has not ended.

    Args:
        study: The sweep.
        found: Its answer, as if it had ended.

    """
    status = read_status(SweepFiles(study.directory))
    ends_later = status.budget_trials is not None and status.ended < status.budget_trials
    if study.confirmations or status.state is SweepState.COMPLETE or not ends_later:
        return found
    state = f"The sweep {_STATES[status.state]}: {status.ended_words} trials have ended."
    runs = status.state is SweepState.RUNNING
    step = Step("" if runs else "go on", command_line("watch" if runs else "resume", study.directory))
    return replace(found, sentences=(state, *found.sentences[:1]), steps=(step,))
