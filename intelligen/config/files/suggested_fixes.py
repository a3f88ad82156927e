"""Fixes that messages name, spelt so that they work when they are typed."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import IntelligenError

INTO_EXPERIMENT = "experiment."
ANOTHER_SWEEP = "start another sweep: intelligen run FILE -o name=NEW"

_OVERRIDE = re.compile(r"(?<!\S)-o (?P<quote>'?)(?P<group>[a-z_]+)(?=[.=])")


@contextmanager
def fixes_for_sweep(command: str = "") -> Iterator[None]:
    """Meanwhile errors of an experiment name overrides as a sweep takes them: `-o experiment.training.epochs=3`.

    Args:
        command: What takes the override, where that is not the command that failed: `intelligen run FILE `.

    """

    def respelt(found: re.Match[str]) -> str:
        of_experiment = found["group"] in Experiment.model_fields.keys() - Sweep.model_fields.keys()
        return f"{command}-o {found['quote']}{INTO_EXPERIMENT}{found['group']}" if of_experiment else found[0]

    try:
        yield
    except IntelligenError as error:
        raise type(error)(*(_OVERRIDE.sub(respelt, str(line)) for line in error.args)) from error
