"""Lazily loaded command: its module is imported when it is called, so listing all of them imports none."""

from importlib import import_module
from typing import Any

import click


class Verb(click.Command):
    """A command's name and one line of help, and where the command itself is.

    Args:
        name: As it is typed.
        target: `MODULE:ATTRIBUTE` of this package.
        line: What the list of verbs says: the first sentence of the command's own help.

    """

    def __init__(self, name: str, target: str, line: str) -> None:
        super().__init__(name, help=line)
        self._target = target

    def load(self) -> click.Command:
        """The command itself."""
        module, _, attribute = self._target.partition(":")
        command: click.Command = getattr(import_module(f"intelligen.cli.{module}"), attribute)
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of the command itself, which click calls, completes and explains from then on."""
        return self.load().make_context(info_name, args, parent, **extra)

    def invoke(self, context: click.Context) -> Any:
        """Call the command itself, whose context it is."""
        return context.command.invoke(context)
