"""An address leads back to the path that it was made from, by whichever library it is read."""

import contextlib
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st

from intelligen.addresses import SqliteAddress, absolute, absolute_address

ODD = ["plain", "it's", "a%41b", "q ?x=1", "[new] #h", 'dq"&+@:;\\', "ünï 漢", "100%", "%", "?"]


@pytest.mark.parametrize("name", ODD)
def test_sqlalchemy_opens_the_file_that_was_meant(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "study.db"
    path.parent.mkdir()
    engine = sqlalchemy.create_engine(str(SqliteAddress(path)))
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("create table here (x integer)"))
    engine.dispose()
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("select name from sqlite_master").fetchall() == [("here",)]
    assert [found.name for found in tmp_path.iterdir()] == [name]


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1))
def test_an_address_is_read_as_the_path_it_was_made_from(name: str) -> None:
    path = Path("/somewhere") / name
    assert SqliteAddress.parse(str(SqliteAddress(path))) in (
        SqliteAddress(path),
        SqliteAddress(path, "sqlite+pysqlite"),
    )


def test_an_ordinary_path_stands_in_its_address_as_it_is() -> None:
    assert str(SqliteAddress(Path("/home/me/my runs/mlflow.db"))) == "sqlite:////home/me/my runs/mlflow.db"


@pytest.mark.parametrize(
    "address",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=ro&uri=true",
        "postgresql://host/x",
        "http://host/x",
        "x.db",
    ],
)
def test_what_names_no_file_of_sqlite_stays_as_it_is(address: str) -> None:
    assert SqliteAddress.parse(address) is None
    assert absolute_address(address) == address


def test_an_address_becomes_absolute_and_keeps_its_driver_and_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_address("sqlite+pysqlite:///x.db?timeout=5") == f"sqlite+pysqlite:///{tmp_path}/x.db?timeout=5"


def test_a_path_keeps_its_symbolic_links_unless_it_goes_up_from_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to("far/away")
    assert absolute(Path("link/x")) == tmp_path / "link" / "x"
    assert absolute(Path("link/../x")) == tmp_path / "far" / "x"
