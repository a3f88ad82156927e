"""A new MLflow store: made without waiting for the disk at each migration, and on the disk when it is there."""

import sqlite3
from pathlib import Path

import sqlalchemy

from intelligen.tracking import mlflow_store
from intelligen.tracking.mlflow_store import ensure_store

OFF, FULL = 0, 2


def synchronous(database: Path) -> int:
    """How SQLAlchemy's next connection syncs a database."""
    engine = sqlalchemy.create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        found: int = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    engine.dispose()
    return found


def test_only_the_new_database_is_unsynced_and_only_while_it_is_made(tmp_path, monkeypatch):
    other, synced, during = tmp_path / "other.db", [], {}
    sqlite3.connect(other).close()
    make_tables, fsync = mlflow_store._make_tables, mlflow_store.fsync

    def watched_make_tables(database, *, artifacts):
        during.update({"new": synchronous(database), "other": synchronous(other)})
        make_tables(database, artifacts=artifacts)

    def watched_fsync(path):
        synced.append(path)
        fsync(path)

    monkeypatch.setattr(mlflow_store, "_make_tables", watched_make_tables)
    monkeypatch.setattr(mlflow_store, "fsync", watched_fsync)
    ensure_store(f"sqlite:///{tmp_path / 'mlflow.db'}", "translation")

    assert during == {"new": OFF, "other": FULL}
    assert synced == [tmp_path / ".mlflow.db.new"]
    assert synchronous(tmp_path / "mlflow.db") == FULL
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert ("translation",) in database.execute("select name from experiments").fetchall()
