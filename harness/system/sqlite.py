"""SQLite files that may come from elsewhere: nothing in them runs, and reading them has an end.

A file may hold views and triggers in the place of tables, values larger than memory, or pages that
lead to each other without end. What is opened here has the tables that it should have and nothing
else, and a statement ends once it has done more work than the file's size explains.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path

LONGEST_VALUE = 64 << 20  # bytes
STEPS = 1 << 14  # instructions of SQLite's machine between two looks at what is left
FREE_STEPS = 2_000_000
STEPS_A_BYTE = 50


class BoundedConnection:
    """A connection, and the work that the statement at hand may still do."""

    def __init__(self, path: Path, mode: str, busy_seconds: float) -> None:
        """Open a file; `mode` is that of SQLite's addresses, such as "mode=ro".

        Raises:
            sqlite3.Error: it can't be opened, or has a journal, which our files never have and
                which can name any file for SQLite to delete.
        """
        if path.exists() and not path.is_file():
            raise sqlite3.DatabaseError("it is not a regular file")
        if path.exists() and path.stat().st_size == 0:  # also those that have no end, as in /proc
            raise sqlite3.DatabaseError("it is empty")
        if path.with_name(f"{path.name}-journal").exists():
            raise sqlite3.DatabaseError(f"{path.name}-journal is not its own; move it away")
        self._path = path
        self.sql = sqlite3.connect(
            f"{path.resolve().as_uri()}?{mode}",
            uri=True,
            timeout=busy_seconds,
            isolation_level=None,
            check_same_thread=False,
        )
        self.begin()
        self.sql.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        self.sql.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        self.sql.set_progress_handler(self._step, STEPS)
        self.sql.execute("pragma trusted_schema = off")

    def begin(self) -> None:
        """Let a statement begin: what those before it did is not counted any more."""
        try:
            size = self._path.stat().st_size
        except OSError:
            size = 0
        self._left = FREE_STEPS + STEPS_A_BYTE * size

    def _step(self) -> int:
        self._left -= STEPS
        return int(self._left < 0)


WAL = b"\2\2"  # the versions of the file's format that stand for a write-ahead log


def new_database(fill: Callable[[sqlite3.Connection], None]) -> bytes:
    """The content of a new file, which `fill` makes. It has a write-ahead log from the start."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    try:
        fill(database)
        content = bytearray(database.serialize())
    finally:
        database.close()
    content[18:20] = WAL
    return bytes(content)


def has_schema(database: sqlite3.Connection, schema: str) -> bool:
    """Whether the database has the tables that this SQL creates, and nothing else."""
    expected = _expected(schema)
    return _listing(database, len(expected) + 1) == expected


@cache
def _expected(schema: str) -> frozenset[tuple[str, ...]]:
    database = sqlite3.connect(":memory:")
    try:
        database.executescript(schema)
        return _listing(database, 1000)
    finally:
        database.close()


def _listing(database: sqlite3.Connection, most: int) -> frozenset[tuple[str, ...]]:
    rows = database.execute("select type, name, tbl_name, sql from sqlite_master limit ?", (most,))
    return frozenset(tuple(" ".join(str(part).split()) for part in row) for row in rows)
