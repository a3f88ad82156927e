"""Settings become a task."""

from typing import assert_never

from intelligen.config import experiment
from intelligen.tasks.base import AnyTask
from intelligen.tasks.translation import Translation


def build_task(settings: experiment.Task) -> AnyTask:
    """The task that the settings name."""
    match settings:
        case experiment.Translation():
            return Translation(settings)
        case other:
            assert_never(other)
