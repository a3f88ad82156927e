"""Builds a task from its settings."""

from typing import assert_never

from intelligen.config.schema import tasks
from intelligen.config.schema.declarations import PluginTask
from intelligen.config.schema.plugins import built
from intelligen.tasks.base import AnyTask, Task
from intelligen.tasks.translation import TranslationTask


def build_task(settings: tasks.Task) -> AnyTask:
    """The task that the settings name.

    Raises:
        ConfigError: A plugin builds no task.

    """
    match settings:
        case PluginTask():
            return built(tasks.TASKS.installed(settings.name), Task, settings)
        case tasks.Translation():
            return TranslationTask(settings)
        case other:
            assert_never(other)
