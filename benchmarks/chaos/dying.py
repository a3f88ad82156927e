"""A launcher that kills itself at a chosen write of its own: before it, in its middle, or once it is durable.

    python benchmarks/chaos/dying.py MOMENT launch.py sweep.yaml

MOMENT is a `Moment` as JSON. The product has no part in this: `os.fsync`, by which ledger and study become durable, is
replaced from outside, and SQLAlchemy tells of every statement that MLflow executes.
"""

import json
import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import event
from sqlalchemy.engine import Engine

LEDGER = Path("runs", "sweeps", "kills", "ledger.jsonl")
NEW_LEDGER, STUDY, WEIGHTS = ".ledger.jsonl.tmp", "study.journal", "model.safetensors"
WRITING = ("INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP")

_fsync = os.fsync


def entry_name(entry: dict[str, Any]) -> str:
    """An entry of a ledger in words: `start t0002`."""
    trial = entry["trial"]["id"] if "trial" in entry else entry.get("id", "")
    return f"{entry['event']} {trial}".strip()


class Death:
    """Counts the writes that may be the last one.

    Args:
        where: `ledger`, `study`, `mlflow` or `weights`: the copy of a run's weights, of which half is written.
        how: `before`, `inside` or `after`; in MLflow's database every statement and commit is inside a write.
        of: Of the ledger, the entry that is the last one; of the others, the entry after which they count.
        count: Which of them, from 1.

    """

    def __init__(self, *, where: str, how: str, of: str, count: int) -> None:
        self._where, self._how, self._of, self._left = where, how, of, count
        entries = LEDGER.read_bytes().split(b"\n")[:-1] if LEDGER.exists() else []
        self._counts = self._of in [entry_name(json.loads(entry)) for entry in entries]

    def fsync(self, descriptor: int) -> None:
        """In place of `os.fsync`."""
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.name in (LEDGER.name, NEW_LEDGER):
            reached = entry_name(json.loads(path.read_bytes().splitlines()[-1])) == self._of
            if reached and self._where == "ledger":
                self._die(path)
            self._counts = self._counts or reached
        elif path.name == STUDY and self._where == "study" and self._is_last():
            self._die(path)
        elif path.name == WEIGHTS and self._where == "weights":
            os.truncate(path, path.stat().st_size // 2)
            _kill()
        _fsync(descriptor)

    def watch_databases(self) -> None:
        """Die before a statement that writes, or before the commit of one."""

        def before_statement(connection: Any, cursor: Any, statement: str, *rest: object) -> None:
            if statement.lstrip().upper().startswith(WRITING):
                connection.info["wrote"] = True
                self._wrote()

        def before_commit(connection: Any) -> None:
            if connection.info.pop("wrote", False):
                self._wrote()

        event.listen(Engine, "before_cursor_execute", before_statement)
        event.listen(Engine, "commit", before_commit)

    def _wrote(self) -> None:
        if self._where == "mlflow" and self._is_last():
            _kill()

    def _is_last(self) -> bool:
        self._left -= self._counts
        return self._counts and self._left == 0

    def _die(self, path: Path) -> NoReturn:
        """Leave of the last line nothing, a part, or all."""
        whole = path.read_bytes()
        begin = whole.rstrip(b"\n").rfind(b"\n") + 1
        os.truncate(path, {"before": begin, "inside": (begin + len(whole)) // 2, "after": len(whole)}[self._how])
        _kill()


def _kill() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("alive after SIGKILL")


def main() -> None:
    """Run a script that is to die."""
    moment = json.loads(sys.argv[1])
    death = Death(where=moment["where"], how=moment["how"], of=moment["of"], count=moment["count"])
    os.fsync = death.fsync
    death.watch_databases()
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
