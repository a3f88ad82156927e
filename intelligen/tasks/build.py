"""Settings become a task."""

from typing import assert_never

from intelligen.config import tasks
from intelligen.config.declarations import PluginTask
from intelligen.config.plugins import built
from intelligen.tasks.base import AnyTask, Task
from intelligen.tasks.translation import Translation


def build_task(settings: tasks.Task) -> AnyTask:
    """The task that the settings name.

    Raises:
        ConfigError: A plugin builds no task.

    """
    match settings:
        case PluginTask():
            return built(tasks.TASKS.installed(settings.name), Task, settings)
        case tasks.Translation():
            return Translation(settings)
        case other:
            assert_never(other)
