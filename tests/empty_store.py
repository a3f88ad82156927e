"""An empty MLflow store as a file: MLflow makes a new one by all its migrations, in three seconds of a processor."""

import tempfile
from functools import cache
from pathlib import Path

from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore


def write_empty_store(database: Path) -> None:
    """What the first launch makes, readable by its owner alone."""
    database.touch(mode=0o600)
    database.write_bytes(_empty_store())


@cache
def _empty_store() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        database = Path(directory) / "mlflow.db"
        SqlAlchemyStore(f"sqlite:///{database}", directory)
        return database.read_bytes()
