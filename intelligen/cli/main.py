"""Entry points: every error that a user can cause becomes one line and an exit code, never a traceback."""

import errno
import os
import resource
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress

import click

from intelligen.cli.verb_sections import VERBS, Verbs
from intelligen.errors import IntelligenError, MemoryShortageError, UnavailableError
from intelligen.reporting.terminal.console_output import nobody_reads, print_any_character
from intelligen.state.redaction import redact_text

CANNOT_CREATE, INPUT_OUTPUT, INTERRUPTED = 73, 74, 130
_NO_LIMIT = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="intelligen")
def commands() -> None:
    """Compare training strategies: which one wins, by how much, at what cost, and with what certainty.

    \b
    Exit codes: 0 success, 1 our bug, 2 bad file or option, 3 some trials failed, 65 bad data, 69 a resource or
    service is missing, 73 cannot create, 74 input/output, 75 busy, 78 changed since the start, 130/143/129 interrupted.
    """


for verb in VERBS:
    commands.add_command(verb)


def main() -> None:
    """`intelligen …`"""
    sys.exit(guarded(lambda: commands.main(standalone_mode=False)))


def launch() -> None:
    """`python launch.py [FILE] [-o key=value]…`"""
    sys.exit(guarded(lambda: commands.commands["run"].main(prog_name="launch.py", standalone_mode=False)))


def guarded(call: Callable[[], object]) -> int:
    """Run a command; turn what it raises into a line and an exit code."""
    print_any_character()
    try:
        _require_known_characters()
        code = call()
    except SystemExit as left:
        # click and rich leave with 1 where the reader of a pipe has what it wanted; rich has closed the pipe by then.
        if not (isinstance(left.__context__, BrokenPipeError) or nobody_reads()):
            raise
        return 0
    except click.exceptions.Abort as ended:
        click.echo(": ".join(["interrupted", *map(str, ended.args)]), err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except IntelligenError as error:
        click.echo(redact_text(f"error: {error}"), err=True)
        return error.exit_code
    except Exception as error:
        return _unforeseen(error)
    return code if isinstance(code, int) else 0


def _unforeseen(error: Exception) -> int:
    """Say in one line what a command has not foreseen; the exit code."""
    if (shortage := _shortage(error)) is not None:
        click.echo(redact_text(f"error: {shortage}"), err=True)
        return MemoryShortageError.exit_code
    if isinstance(error, OSError):
        click.echo(f"error: {error.filename or 'input/output'}: {error.strerror or error}", err=True)
        return CANNOT_CREATE if isinstance(error, PermissionError) else INPUT_OUTPUT
    with tempfile.NamedTemporaryFile("w", prefix="intelligen-", suffix=".log", delete=False) as log:
        log.write(redact_text(traceback.format_exc()))
    first, *more = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    what = f"{first} … {more[-1]}" if more else first  # torch puts the traceback of another process between
    click.echo(
        redact_text(f"error: a bug in IntelliGEN: {type(error).__name__}: {what}; details in {log.name}"), err=True
    )
    return IntelligenError.exit_code


def _shortage(error: Exception) -> str | None:
    """That the memory did not suffice; None where the error is about something else."""
    if "torch" in sys.modules:
        from intelligen.training.memory_shortage import shortage_of

        found = shortage_of(error)
        return None if found is None else str(found.error())
    # Torch takes memory itself, and may be what could not be loaded: the system's loader does not say why.
    text, limited = str(error) or type(error).__name__, resource.getrlimit(resource.RLIMIT_AS) != _NO_LIMIT
    unloaded = isinstance(error, ImportError) and "failed to map segment" in text and limited
    short = unloaded or isinstance(error, MemoryError) or os.strerror(errno.ENOMEM) in text
    return f"out of memory: {text}" if short else None


def _require_known_characters() -> None:
    """Names of files are written into files as UTF-8, so Python must know the characters that they have.

    Raises:
        UnavailableError: The locale lacks one of the working directory, or of what was typed.

    """
    names = sys.argv[1:]
    with suppress(OSError):  # it is gone
        names.append(os.getcwd())
    for name in names:
        if any("\ud800" <= character <= "\udfff" for character in name):
            raise UnavailableError(
                f"{name!a}: has characters that the locale's encoding ({sys.getfilesystemencoding()}) lacks: set"
                " PYTHONUTF8=1"
            )
