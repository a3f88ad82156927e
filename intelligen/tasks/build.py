"""Builds a task from its settings."""

from typing import assert_never

from intelligen.config.schema import tasks
from intelligen.config.schema.declarations import PluginTask
from intelligen.config.schema.plugins import built
from intelligen.errors import ConfigError
from intelligen.tasks.base import AnyTask, Task
from intelligen.tasks.classification import ClassificationTask
from intelligen.tasks.language_modelling import LanguageModellingTask
from intelligen.tasks.question_answering import QuestionAnsweringTask
from intelligen.tasks.translation import TranslationTask


def build_task(settings: tasks.Task) -> AnyTask:
    """The task that the settings name.

    Raises:
        ConfigError: A plugin builds no task, or one whose models have nothing to learn.

    """
    match settings:
        case PluginTask():
            installed = tasks.TASKS.installed(settings.name)
            task: AnyTask = built(installed, Task, settings)
            if not settings.writes_text and type(task).loss is Task.loss:
                raise ConfigError(f"{installed.where} builds a task whose models write nothing: it must have `loss`")
            return task
        case tasks.Translation():
            return TranslationTask(settings)
        case tasks.QuestionAnswering():
            return QuestionAnsweringTask(settings)
        case tasks.Classification():
            return ClassificationTask(settings)
        case tasks.LanguageModelling():
            return LanguageModellingTask(settings)
        case other:
            assert_never(other)
