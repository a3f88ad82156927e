"""Chat on a terminal or in a pipe: commands, Ctrl-C and Ctrl-D; what is said about the chat goes to standard error."""

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, get_args

import click

from intelligen.config.schema.stages_after_search import SearchName, search_named
from intelligen.data.text_lines import decoded_lines, require_text
from intelligen.errors import ConfigError, DataError

if TYPE_CHECKING:
    from intelligen.training.chat import Chat

_PLACE = "standard input"
_SEARCHES = get_args(SearchName)
COMMANDS = f"/reset, /search {'|'.join(_SEARCHES)}, /quit"


def chat_on_standard_input(chat: "Chat", *, as_json: bool = False) -> None:
    """Answer every line; in a pipe each is a text, and on a terminal those that begin with a slash are commands.

    Raises:
        DataError: in a pipe, a line is no text; those before it are answered.

    """
    if sys.stdin is None:
        raise DataError(f"{_PLACE} is closed; redirect it from a file: … < FILE")
    said = _Said(chat)
    if sys.stdin.isatty() and as_json:
        raise ConfigError("--json: a chat on a terminal has no documents; leave it out, or pipe lines into the chat")
    if sys.stdin.isatty():
        _on_terminal(chat, said)
        return
    # Bytes: how Python would decode them depends on the locale.
    for number, line in enumerate(decoded_lines(sys.stdin.buffer, _PLACE, Counter()), start=1):
        answer = "".join(chat.answer(line))
        document = {"format": 1, "line": number, "input": line, "output": answer}
        click.echo(json.dumps(document, ensure_ascii=False) if as_json else answer)
        said.tell()


class _Said:
    """What was said about the chat already."""

    def __init__(self, chat: "Chat") -> None:
        self._chat, self._told = chat, False

    def tell(self) -> None:
        """Say once that a line was cut."""
        if self._chat.cut and not self._told:
            self._told = True
            longest = self._chat.trained.prepared.manifest.data.max_tokens
            click.echo(
                f"note: longer than {longest} pieces (data.max_tokens); only so much of its end was read", err=True
            )


def _on_terminal(chat: "Chat", said: _Said) -> None:
    click.echo(f"Type a line and press Enter. Ctrl-C ends an answer, Ctrl-D the chat; {COMMANDS}.", err=True)
    going = True
    while going:
        try:
            going = _goes_on(chat, said)
        except KeyboardInterrupt:  # between two answers, or while one ends
            click.echo("\nCtrl-D or /quit ends the chat.", err=True)


def _goes_on(chat: "Chat", said: _Said) -> bool:
    """Read a line and do what it says; False = the chat ends."""
    try:
        line = input("> ")
        require_text(line, _PLACE)
    except EOFError:
        click.echo()
        return False
    except (UnicodeDecodeError, DataError):
        click.echo(f"not {sys.stdin.encoding} text, so it was not read; check the terminal's encoding", err=True)
        return True
    if line.startswith("/"):
        return _obeyed(line.split(), chat)
    if line.strip():
        _answer(chat, line)
        said.tell()
    return True


def _answer(chat: "Chat", line: str) -> None:
    try:
        for piece in chat.answer(line):
            click.echo(piece, nl=False)
    except KeyboardInterrupt:
        click.echo(" …", nl=False)
    click.echo()


def _obeyed(words: list[str], chat: "Chat") -> bool:
    """Carry out a command; False = the chat ends."""
    match words:
        case ["/quit"]:
            return False
        case ["/reset"]:
            chat.reset()
        case ["/search", name] if name in _SEARCHES:
            chat.search = search_named(name, chat.trained.trial.decoding)  # type: ignore[arg-type] # one of its names
        case _:
            click.echo(f"{' '.join(words)}: no such command; there are {COMMANDS}", err=True)
    return True
