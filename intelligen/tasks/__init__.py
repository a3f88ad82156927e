"""The tasks: by which metrics each is scored."""

from intelligen.tasks.base import Task
from intelligen.tasks.build import build_task

__all__ = ["Task", "build_task"]
