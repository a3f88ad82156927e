"""Fixes that messages name, spelt so that they work when they are typed."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from intelligen.config.files.several_values import INTO_EXPERIMENT
from intelligen.config.files.text_file import displayed
from intelligen.config.schema.experiment import Experiment
from intelligen.config.schema.sweep import Sweep
from intelligen.errors import ConfigError, IntelligenError

ANOTHER_SWEEP = "start another sweep: intelligen run FILE -o name=NEW"

_OVERRIDE = re.compile(r"(?<!\S)-o (?P<quote>'?)(?P<group>[a-z_]+)(?=[.=])")
_WHOLE_OVERRIDE = re.compile(r"(?<!\S)-o (?:'(?P<quoted>[^']+)'|(?P<plain>[^\s,;]+))")
_OTHER_VALUE = re.compile(r"(?<![\w.])(?P<key>strategy\.[a-z_.]+).*; take (?!another)(?P<value>[\w.-]+)")


def typed_for_sweep(text: str, command: str = "") -> str:
    """The text with the overrides of an experiment as a sweep takes them: `-o experiment.training.epochs=3`.

    Args:
        text: Has overrides as an experiment takes them.
        command: What takes the override, where that is not the command that the text is of: `intelligen run FILE `.

    """

    def respelt(found: re.Match[str]) -> str:
        of_experiment = found["group"] in Experiment.model_fields.keys() - Sweep.model_fields.keys()
        return f"{command}-o {found['quote']}{INTO_EXPERIMENT}{found['group']}" if of_experiment else found[0]

    return _OVERRIDE.sub(respelt, text)


@contextmanager
def fixes_for_sweep(command: str = "") -> Iterator[None]:
    """Meanwhile errors of an experiment name overrides as a sweep takes them; see `typed_for_sweep`."""
    try:
        yield
    except IntelligenError as error:
        raise type(error)(*(typed_for_sweep(str(line), command) for line in error.args)) from error


@contextmanager
def fixes_in_file(path: str) -> Iterator[None]:
    """Meanwhile errors name settings of this file, since no override reaches an experiment that another one names."""
    with _fixes_written(f"in {displayed(Path(path))}"):
        yield


@contextmanager
def fixes_in_line() -> Iterator[None]:
    """Meanwhile errors name settings of the line that they begin with: a row's or a space's value hides an override."""
    with _fixes_written("here"):
        yield


@contextmanager
def _fixes_written(where: str) -> Iterator[None]:
    """Meanwhile errors name settings and a place in a file instead of overrides."""

    def respelt(found: re.Match[str]) -> str:
        return f"{found['quoted'] or found['plain']} {where}"

    try:
        yield
    except IntelligenError as error:
        raise type(error)(*(_WHOLE_OVERRIDE.sub(respelt, str(line)) for line in error.args)) from error


@contextmanager
def fixes_of_strategy() -> Iterator[None]:
    """Meanwhile errors that name another value of a strategy's setting name its override: the file has no such line."""

    def respelt(line: str) -> str:
        found = _OTHER_VALUE.search(line)
        return f"{line} (-o {found['key']}={found['value']})" if found else line

    try:
        yield
    except ConfigError as error:
        raise ConfigError(*(respelt(str(line)) for line in error.args)) from error


def fixes_in_initial(experiment: Experiment) -> AbstractContextManager[None]:
    """`fixes_in_file` with the file whose weights an experiment starts from, where it names one."""
    path = None if experiment.initial is None else experiment.initial.experiment
    return nullcontext() if path is None else fixes_in_file(path)
