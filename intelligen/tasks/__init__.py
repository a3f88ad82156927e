"""The tasks: what models learn from, and how they are evaluated, scored and shown."""

from intelligen.tasks.base import AnyTask, Task
from intelligen.tasks.build import build_task
from intelligen.tasks.text_generation import TextGeneration

__all__ = ["AnyTask", "Task", "TextGeneration", "build_task"]
