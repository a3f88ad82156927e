"""Tasks: which columns models read and write, how they are evaluated and scored, and how results are shown."""

from intelligen.tasks.base import AnyTask, Task
from intelligen.tasks.build import build_task
from intelligen.tasks.text_generation import TextGeneration

__all__ = ["AnyTask", "Task", "TextGeneration", "build_task"]
