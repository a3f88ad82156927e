"""Settings become a task."""

from typing import assert_never

from intelligen.config import experiment
from intelligen.tasks.base import Task
from intelligen.tasks.translation import Translation


def build_task(settings: experiment.Task) -> Task:
    """The task that the settings name."""
    match settings:
        case experiment.Translation():
            return Translation(settings)
        case other:
            assert_never(other)
