"""Log of a trial, in its directory: attempts, epochs, what its processes print, failures."""

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO

from intelligen.errors import IntelligenError, ShrunkError, writing
from intelligen.state.redaction import redact_text


def log_file(rank: int) -> str:
    """The log's name in the trial's directory."""
    return "trial.log" if rank == 0 else f"trial-rank{rank}.log"


@contextmanager
def trial_log(directory: Path, *, rank: int, echo: bool) -> Iterator[logging.Logger]:
    """Append to the trial's log what this process logs, warns of and prints, and how it failed.

    An error of ours says by itself what is wrong: it is a line. Of any other the traceback says where.

    Args:
        directory: The trial's.
        rank: Of this process among the trial's.
        echo: Whether printed text must be caught; it need not be where it is logged as well.

    Raises:
        CannotCreateError: The log may not be written.
        StorageError: The disk is full or fails.

    """
    path = directory / log_file(rank)
    with writing(path):
        directory.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8")
    handler = logging.StreamHandler(file)
    handler.setFormatter(_Redacting("%(asctime)s %(levelname)s %(message)s"))
    own, root = logging.getLogger("intelligen.trial"), logging.getLogger()
    own.setLevel(logging.INFO)
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        with ExitStack() as printed:
            if echo:
                printed.enter_context(redirect_stdout(_Echo(sys.stdout, file)))
                printed.enter_context(redirect_stderr(_Echo(sys.stderr, file)))
            yield own
    except SystemExit:  # Tune's way to end a trial at a report
        own.info("the sweep ended this training after an epoch: it was stopped early, or the sweep was interrupted")
        raise
    except ShrunkError:
        raise  # the training has noted how it goes on
    except IntelligenError as error:
        own.error("this attempt failed: %s", error)
        raise
    except BaseException:
        own.exception("this attempt failed")
        raise
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        file.close()


class _Redacting(logging.Formatter):
    """No secret of an address gets into a log."""

    def format(self, record: logging.LogRecord) -> str:
        return redact_text(super().format(record))


class _Echo(io.TextIOBase):
    """A stream whose text also goes into the log, until that is closed: some library may keep the stream."""

    def __init__(self, stream: TextIO, log: TextIO) -> None:
        self._stream = stream
        self._log = log

    def write(self, text: str) -> int:
        if not self._log.closed:
            self._log.write(redact_text(text))
            self._log.flush()
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override] # a plain attribute there
        return self._stream.encoding
