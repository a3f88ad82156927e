"""MLflow store: opened or created, safely among several processes; its errors as one line."""

import http.client
import logging
import os
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from intelligen.addresses import SqliteAddress, absolute_address
from intelligen.errors import CannotCreateError, ConfigError, UnavailableError
from intelligen.state.atomic_files import fsync
from intelligen.state.file_lock import FileLock
from intelligen.state.redaction import redact_text

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SERVERS = ("http", "https")
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_PROBE_TIMEOUT_S = 5
_CREATION_TIMEOUT_S = 60
# What MLflow calls a bad request may be its database's trouble, and a conflict may pass.
_REFUSALS = {
    "CUSTOMER_UNAUTHORIZED",
    "ENDPOINT_NOT_FOUND",
    "INVALID_PARAMETER_VALUE",
    "NOT_FOUND",
    "PERMISSION_DENIED",
    "RESOURCE_DOES_NOT_EXIST",
    "UNAUTHENTICATED",
}
# By default MLflow blocks a call for four minutes where the server is down, and repeats one whose answer was lost: a
# run would be created twice. Our caller comes back by itself, and looks first.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A promoted model is ours: nothing of the project in whose directory the command runs goes along.
    "MLFLOW_UV_AUTO_DETECT": "false",
}


def open_client(tracking_uri: str) -> "MlflowClient":
    """A client that gives up early, prints nothing and sends nothing elsewhere. Its import takes seconds."""
    _configure_mlflow()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=tracking_uri)


def _configure_mlflow() -> None:
    os.environ.update(_ENVIRONMENT)
    import mlflow  # noqa: F401 # it sets its log levels when it is imported

    # Creating a database announces some sixty migrations, and a failure that is raised is logged with its trace too.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def ensure_store(tracking_uri: str, experiment: str) -> str:
    """Create what is missing of database and experiment; returns the experiment's id.

    Raises:
        ConfigError: the address has a scheme that MLflow cannot keep a sweep in.
        CannotCreateError: the database's directory cannot be written.
        UnavailableError: the server or database does not answer.

    """
    database = require_address(tracking_uri)
    if database is None:
        return _experiment_id(tracking_uri, experiment, artifacts=None)
    artifacts = (database.parent / "mlartifacts").as_uri()
    lock = FileLock(database.with_name(f"{database.name}.lock"), wait_s=_CREATION_TIMEOUT_S)
    try:
        _create_sqlite(database, artifacts=artifacts)
        return _experiment_id(tracking_uri, experiment, artifacts=artifacts)
    finally:
        lock.release()


def require_address(tracking_uri: str) -> Path | None:
    """Refuse at once what no store can be at, without MLflow: its import takes seconds.

    Returns:
        The file of a SQLite database, whose directory there is now; none = the store is of another kind.

    Raises:
        ConfigError: the address has a scheme that MLflow cannot keep a sweep in.
        CannotCreateError: the database's directory cannot be made.
        UnavailableError: the server does not answer.

    """
    scheme = urlsplit(tracking_uri).scheme.partition("+")[0]
    if scheme in _SERVERS:
        _probe(tracking_uri)
    elif scheme not in _DATABASES:
        raise ConfigError(
            f"tracking address {redact_text(tracking_uri)!r}: must begin with one of"
            f" {', '.join(_SERVERS + _DATABASES)}, such as sqlite:///mlflow.db"
        )
    if scheme != "sqlite":
        return None
    address = SqliteAddress.parse(absolute_address(tracking_uri))
    if address is None:
        raise ConfigError(f"tracking address {tracking_uri!r}: name a file, such as sqlite:///mlflow.db")
    _make_directory(address.path)
    return address.path


class RefusedError(UnavailableError):
    """MLflow answers, and says no: trying again fixes nothing."""


def failures() -> tuple[type[Exception], ...]:
    """What MLflow's client raises where a server, a database or an artifact directory fails."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError, OSError


def mlflow_unavailable(tracking_uri: str, error: Exception) -> str:
    """One line: which store, why not, and the fix."""
    return f"MLflow at {redact_text(tracking_uri)}: {_reason(error)}: start it again, or name another tracking address"


def failed(tracking_uri: str, error: Exception) -> UnavailableError:
    """A failure of MLflow's as one of our errors: no answer, or a refusal."""
    if not _is_refusal(error):
        return UnavailableError(mlflow_unavailable(tracking_uri, error))
    return RefusedError(
        f"MLflow at {redact_text(tracking_uri)} refuses: {_reason(error)}: fix that, or name another tracking address"
    )


def _is_refusal(error: Exception) -> bool:
    from mlflow.exceptions import MlflowException

    return isinstance(error, PermissionError) or (isinstance(error, MlflowException) and error.error_code in _REFUSALS)


def _reason(error: Exception) -> str:
    return (redact_text(str(error).partition("\n")[0]) or type(error).__name__)[:300]


def _probe(tracking_uri: str) -> None:
    try:
        # Any answer will do, a refusal too: MLflow's client knows how to log in. The scheme was checked.
        urllib.request.urlopen(_without_user(tracking_uri) + "/health", timeout=_PROBE_TIMEOUT_S).close()  # noqa: S310
    except urllib.error.HTTPError as answer:
        answer.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise UnavailableError(mlflow_unavailable(tracking_uri, error)) from error


def _without_user(address: str) -> str:
    """A server's address as `urllib` understands it, which takes a user part for the host."""
    parts = urlsplit(address.rstrip("/"))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _make_directory(database: Path) -> None:
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_create(database, error) from error


def _create_sqlite(database: Path, *, artifacts: str) -> None:
    """Make sure of a database that only its owner reads. A new one has all its tables, or is not there.

    MLflow makes it by migrations that no transaction holds together, and cannot go on from the middle of one.
    """
    new = database.with_name(f".{database.name}.new")
    try:
        if database.exists() and database.stat().st_size:
            os.close(os.open(database, os.O_RDWR))
            return
        for left_by_a_kill in (new, new.with_name(f"{new.name}-journal")):
            left_by_a_kill.unlink(missing_ok=True)
        os.close(os.open(new, os.O_CREAT | os.O_RDWR, 0o600))
        with _unsynced(new):
            _make_tables(new, artifacts=artifacts)
        fsync(new)
        new.replace(database)
    except OSError as error:
        raise _cannot_create(database, error) from error
    except failures() as error:
        raise UnavailableError(mlflow_unavailable(str(SqliteAddress(database)), error)) from error


@contextmanager
def _unsynced(database: Path) -> Iterator[None]:
    """Have SQLite leave it to us to bring this file to the disk.

    Each of MLflow's sixty migrations would wait for the disk several times, for seconds in all. A process that is ended
    meanwhile leaves an unfinished file under another name, which the next one removes.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def prepare(connection: sqlite3.Connection, _: object) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        if any(file and database.samefile(file) for _, _, file in connection.execute("PRAGMA database_list")):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", prepare)
    try:
        yield
    finally:
        event.remove(Engine, "connect", prepare)


def _make_tables(database: Path, *, artifacts: str) -> None:
    """All tables, and MLflow's default experiment with artifacts there.

    By a client they would be in the working directory, whose name MLflow writes into SQL unescaped.
    """
    _configure_mlflow()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(str(SqliteAddress(database)), artifacts)  # type: ignore[no-untyped-call]


def _cannot_create(database: Path, error: OSError) -> CannotCreateError:
    return CannotCreateError(f"{database}: cannot create the tracking database: {error.strerror}")


def _experiment_id(tracking_uri: str, name: str, *, artifacts: str | None) -> str:
    try:
        client = open_client(tracking_uri)
        known = client.get_experiment_by_name(name)
        if known is None:
            return str(client.create_experiment(name, artifact_location=artifacts))
    except failures() as error:
        raise failed(tracking_uri, error) from error
    if known.lifecycle_stage != "active":
        raise RefusedError(
            f"MLflow experiment {name!r} in {redact_text(tracking_uri)} is deleted: restore it"
            f" (`mlflow experiments restore --experiment-id {known.experiment_id}`), or name another"
        )
    return str(known.experiment_id)
