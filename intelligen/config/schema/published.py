"""Published figures: what others report for a sweep's rows or for sizes, shown beside what comes out here."""

from typing import Annotated, Any

from pydantic import Field, FiniteFloat, GetJsonSchemaHandler, PositiveFloat, PositiveInt
from pydantic_core import CoreSchema

from intelligen.config.base import Name, Settings
from intelligen.config.schema.declarations import TaskSettings
from intelligen.config.schema.tasks import TASKS

FURTHER = (
    *("loss", "parameters", "training_flops", "training_flops_by_time"),
    *("valid/loss", "valid/perplexity_per_piece"),
)
"""What a result has beside the task's metrics, under the names that exports have."""


class _OfAnyTask:
    """Gives editors the results that some task has; whether a sweep's has one is checked with the sweep."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """All names."""
        tasks = [task for task in TASKS.options().values() if issubclass(task, TaskSettings)]
        return {"enum": [*dict.fromkeys(name for task in tasks for name in known_measures(task))], "type": "string"}


class Published(Settings):
    """Figures of others. Nothing is computed from them."""

    note: str
    """Where they are from, and what a reader must know about them: seeds, data, how the models were chosen."""
    rows: Annotated[
        dict[Name, Annotated[dict[Annotated[str, _OfAnyTask()], FiniteFloat], Field(min_length=1)]], Field(min_length=1)
    ]
    """Row → name of a result → figure, in our unit: `base: {accuracy: 83.09}` is per cent, of the test set;
    `valid/accuracy` is of the validation set."""

    def measures(self) -> tuple[str, ...]:
        """The names of all results, in the file's order."""
        return tuple(dict.fromkeys(name for figures in self.rows.values() for name in figures))


class MemoryFigure(Settings):
    """What a training took there at one size."""

    rows: PositiveInt
    """Of an update, all held at once."""
    gib: PositiveFloat
    """Of the device's memory, 2^30 bytes each."""


class PublishedMemory(Settings):
    """Memory that others report for trainings of several sizes, which `intelligen memory` shows beside ours."""

    note: str
    """Whose figures they are, and on what they were measured."""
    sizes: Annotated[tuple[MemoryFigure, ...], Field(min_length=1)]
    """What each took."""


def known_measures(task: TaskSettings | type[TaskSettings]) -> tuple[str, ...]:
    """The results that a task has figures for."""
    return (*task.metrics, *(f"valid/{name}" for name in task.metrics), *FURTHER)
