"""Database: the SQLite file of a store, opened safely, with every error in words for users.

WAL mode: readers never wait for the campaign, and a transaction is whole or not there at all after
a kill at any moment. `synchronous=NORMAL` is enough for that: a killed process loses nothing that
it handed to the system; only a power cut can lose the last transactions, and even then the file
stays consistent.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import UnionType
from typing import Any

from corpus.errors import StoreError
from corpus.schema import APPLICATION_ID, FILE, META, SCHEMA, VERSION
from harness.system.data import fits, is_amount, parse_json
from harness.system.files import write_atomically
from harness.system.sqlite import BoundedConnection, has_schema, new_database
from harness.system.text import first_line

BUSY_SECONDS = 10
DAMAGE = (
    "malformed",
    "not a database",
    "it is empty",
    "no such table",
    "no such column",
    "unsupported file",
    "too big",
    "Could not decode",
)
Row = tuple[Any, ...]
Types = tuple[type | UnionType, ...]


class Database:
    """An open database. What fails in it is a StoreError."""

    def __init__(self, folder: Path, *, write: bool) -> None:
        """Open the database of this folder.

        Raises:
            StoreError: it is not ours, of a newer version, damaged, or out of reach.
        """
        self.folder = folder
        self._depth = 0
        with self._reporting_errors():
            self._bounded = connect(folder / FILE, write=write)
        self._connection = self._bounded.sql

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _reporting_errors(self) -> Iterator[None]:
        """Turn what SQLite and the system raise inside into a StoreError."""
        try:
            yield
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            raise StoreError(describe_error(error, self.folder)) from None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is written inside is kept whole or not at all. May be nested.

        Raises:
            StoreError: it could not be written, for instance as the disk is full.
        """
        if self._depth:
            yield
            return
        self._depth = 1
        try:
            self.write("begin immediate")
            yield
            self.write("commit")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise
        finally:
            self._depth = 0

    def rows(self, query: str, types: Types, values: Row = ()) -> Iterator[Row]:
        """The rows that a query returns, with columns of these types.

        Raises:
            StoreError: a column is of another type, or the database can't be read.
        """
        with self._reporting_errors():
            self._bounded.begin()
            for row in self._connection.execute(query, values):
                # Not `yield from`, which would close the cursor where a reader stops early, perhaps
                # after the database.
                for value, type_ in zip(row, types, strict=True):
                    if not isinstance(value, type_) or (type_ is float and not is_amount(value)):
                        raise StoreError(damaged(self.folder, "a column is of another type"))
                yield row

    def write(self, statement: str, values: Row = ()) -> int:
        """Carry out a statement, inside a transaction; the id of the row that it inserted."""
        with self._reporting_errors():
            self._bounded.begin()
            return self._connection.execute(statement, values).lastrowid or 0

    def write_many(self, statement: str, rows: Iterable[Row]) -> None:
        """Carry out a statement once a row."""
        with self._reporting_errors():
            self._bounded.begin()
            self._connection.executemany(statement, rows)

    def meta(self, name: str) -> dict[str, Any]:
        """A value of the `meta` table; empty where there is none.

        Raises:
            StoreError: it is not of the form that the schema requires.
        """
        for (text,) in self.rows("select value from meta where name = ?", (str,), (name,)):
            try:
                value = parse_json(text)
            except ValueError:
                value = None
            if not fits(value, META[name]):
                raise StoreError(damaged(self.folder, f"its {name} can't be read"))
            return dict(value)
        return {}

    def set_meta(self, name: str, value: dict[str, Any]) -> None:
        with self.transaction():
            self.write("insert or replace into meta values (?, ?)", (name, json.dumps(value)))


def create(path: Path, settings: dict[str, Any]) -> None:
    """Make the file in memory and write it whole: it is never there half-made."""

    def fill(database: sqlite3.Connection) -> None:
        database.executescript(SCHEMA)
        database.execute(f"pragma application_id = {APPLICATION_ID}")
        database.execute(f"pragma user_version = {VERSION}")
        database.execute("insert into meta values ('settings', ?)", (json.dumps(settings),))

    write_atomically(path, new_database(fill), replace=False)


def is_ours(path: Path) -> bool:
    """Whether a file in a campaign's folder is one that a store makes."""
    return path.name == "lock" or path.name.removeprefix(".").startswith(FILE)


def connect(path: Path, *, write: bool) -> BoundedConnection:
    """A checked connection to a store's file.

    Raises:
        StoreError: it is another program's, of a newer version, or has other tables.
        sqlite3.Error: it can't be opened, or is damaged.
    """
    if write:
        database = _connect(path, "mode=rw")
        try:
            database.sql.execute("pragma journal_mode = wal")
            database.sql.execute("pragma synchronous = normal")
        except BaseException:
            database.sql.close()
            raise
        return database
    try:
        return _connect(path, "mode=ro")
    except sqlite3.OperationalError:
        # WAL wants to write beside the file, even to read it. Where nobody may write and no
        # transaction waits in the log, nobody can be changing the file either.
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:
            raise
        return _connect(path, "mode=ro&immutable=1")


def _connect(path: Path, mode: str) -> BoundedConnection:
    bounded = BoundedConnection(path, mode, BUSY_SECONDS)
    database = bounded.sql
    try:
        (application,) = database.execute("pragma application_id").fetchone()
        (version,) = database.execute("pragma user_version").fetchone()
        if application != APPLICATION_ID:
            raise StoreError(f"{path} is not a campaign of tzer; give another folder")
        if version > VERSION:
            raise StoreError(
                f"{path.parent} was written by a newer tzer (format {version}, this one knows "
                f"{VERSION}); upgrade tzer, or give another --out"
            )
        if not has_schema(database, SCHEMA):
            raise StoreError(damaged(path.parent, "it has other tables than a campaign"))
    except BaseException:
        database.close()
        raise
    return bounded


def describe_error(error: Exception, folder: Path) -> str:
    """One line that says what is wrong with the folder, and how to fix it."""
    text = first_line(error)
    if "disk is full" in text or "No space left" in text:
        return f"{folder} can't be written: the disk is full; free some space and start again"
    if "File too large" in text or "disk I/O error" in text:
        return (
            f"{folder} can't be written or read: the disk is full, fails, or limits the size of "
            "files (ulimit -f); fix that and start again"
        )
    if isinstance(error, NotADirectoryError):
        return f"{folder} would be inside of a file; give another folder"
    if isinstance(error, PermissionError) or "readonly" in text or "unable to open" in text:
        return f"{folder} can't be written or read; check its permissions, or give another folder"
    if "interrupted" in text:
        return damaged(folder, "reading it has no end")
    if isinstance(error, UnicodeDecodeError) or any(sign in text for sign in DAMAGE):
        return damaged(folder, text)
    if "locked" in text:
        return f"the campaign in {folder} is busy; try again"
    if isinstance(error, OSError):
        text = f"{error.strerror or text}; give another folder"
    return f"{folder} can't be written or read: {text}"


def damaged(folder: Path, how: str) -> str:
    """The words for a store that can't be understood."""
    return f"the campaign in {folder} is damaged ({how}); restore it from a copy"
