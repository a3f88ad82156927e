"""Learned metric: the directory of a regression model, and what it was found to hold."""

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from intelligen.config.base import Settings
from intelligen.config.pretrained_directory import PretrainedDirectory, content_of, open_regression
from intelligen.config.schema.local_path import LocalPath
from intelligen.errors import ChangedError

KEY: Final = "test.learned_metric.path"


class LearnedMetric(Settings):
    """A regression model of `transformers` that was trained on people's judgements, as BLEURT's are.

    It reads a reference and a hypothesis, and gives one number; more is better. The mean over the rows is shown beside
    the tested metric, and never tested itself.
    """

    path: LocalPath
    """A directory that `save_pretrained` wrote: a model for sequence classification with one output, its tokenizer, and
    weights as safetensors. No code of the directory is run, and nothing is downloaded. It needs the extra `hf`."""
    batch: Annotated[int, Field(ge=1, le=4096)] = 32
    """Rows that are read at once."""
    files: str | None = None
    """Content hash of the directory's files. The program writes this key; no file needs it."""

    @model_validator(mode="after")
    def _found(self) -> Self:
        if self.files is None:  # what is recorded is read where the directory may be gone
            vars(self)["files"] = content_of(open_regression(self.path, key=KEY).hashes())
        return self


def open_learned(settings: LearnedMetric) -> PretrainedDirectory:
    """The directory, of which the files must be what they were.

    Raises:
        ChangedError: They are not.
        DataError: It is gone, or no such model any more.
        UnavailableError: The extra is not installed.

    """
    found = open_regression(settings.path, key=KEY)
    if content_of(found.hashes()) != settings.files:
        raise ChangedError(f"{KEY}: the files in {found.path} have changed since the sweep began; restore them")
    return found
