"""Entry points: every error that a user can cause is one line and a documented exit code, never a traceback."""

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress

import click

from intelligen.cli.completion import completion
from intelligen.cli.files import schema, validate
from intelligen.cli.models import inference, test
from intelligen.cli.planning import doctor, plan
from intelligen.cli.registry import promote
from intelligen.cli.replaying import reproduce
from intelligen.cli.reports import compare, export, report
from intelligen.cli.sweeps import extend, resume, run, stop
from intelligen.cli.training import finetune, prepare, train
from intelligen.cli.watching import logs, status, watch
from intelligen.errors import IntelligenError, UnavailableError
from intelligen.reporting.output import nobody_reads, print_any_character
from intelligen.tracking.redaction import redact_text

CANNOT_CREATE, INPUT_OUTPUT, INTERRUPTED = 73, 74, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="intelligen")
def commands() -> None:
    """Which training strategy wins, by how much, at what cost, and how sure are we.

    \b
    Exit codes: 0 all good, 1 our bug, 2 bad file or option, 3 some trials failed, 65 bad data, 69 a resource or
    service is missing, 73 cannot create, 74 input/output, 75 busy, 78 changed since the start, 130/143/129 interrupted.
    """


VERBS = (
    *(validate, schema, plan, run, status, watch, logs, stop, resume, extend),
    *(report, compare, export, promote, reproduce, doctor),
    *(prepare, train, finetune, test, inference, completion),
)
for command in VERBS:
    commands.add_command(command)


def main() -> None:
    """`intelligen …`"""
    sys.exit(guarded(lambda: commands.main(standalone_mode=False)))


def launch() -> None:
    """`python launch.py [FILE] [-o key=value]…`"""
    sys.exit(guarded(lambda: run.main(prog_name="launch.py", standalone_mode=False)))


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
    except click.exceptions.Abort:
        click.echo("interrupted: run the same command again; training goes on from its last checkpoint", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except IntelligenError as error:
        click.echo(redact_text(f"error: {error}"), err=True)
        return error.exit_code
    except OSError as error:
        click.echo(f"error: {error.filename or 'input/output'}: {error.strerror or error}", err=True)
        return CANNOT_CREATE if isinstance(error, PermissionError) else INPUT_OUTPUT
    except Exception as error:
        with tempfile.NamedTemporaryFile("w", prefix="intelligen-", suffix=".log", delete=False) as log:
            log.write(redact_text(traceback.format_exc()))
        what = redact_text(f"{type(error).__name__}: {error}")
        click.echo(f"error: a bug of ours: {what}; details in {log.name}", err=True)
        return IntelligenError.exit_code
    return code if isinstance(code, int) else 0


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
