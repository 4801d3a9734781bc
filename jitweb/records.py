"""Records: which candidate of which task took how long on which device, in SQLite.

A record holds for one task, target, device fingerprint and version of the compiler. Beside them
stands how long the longest search for a task was: tuning the same model again on the same device
measures nothing, unless it is given longer than that, and then only what was not measured yet.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.devices.base import is_time
from harness.system.data import parse_json
from harness.system.files import write_atomically
from harness.system.sqlite import BoundedConnection, has_schema, new_database
from harness.system.text import first_line
from jitweb.errors import JitwebError

VERSION = 2
BUSY_SECONDS = 30.0
LONGEST_TEXT = 10_000
LONGEST_LINE = 100_000
RECORDS = """
create table records (
    task text not null, target text not null, device text not null, compiler text not null,
    candidate text not null, status text not null, min_ms real, median_ms real,
    primary key (task, target, device, compiler, candidate)
) without rowid;
"""
REST = """
create table speeds (
    device text not null, target text not null, fma_gflops real not null,
    bandwidth_gbs real not null, dispatch_ms real not null, primary key (device, target)
) without rowid;
create table searches (
    task text not null, target text not null, device text not null, compiler text not null,
    seconds real not null, primary key (task, target, device, compiler)
) without rowid;
"""
OK, WRONG, REFUSED, FAILED = "ok", "wrong", "refused", "failed"
STATUSES = (OK, WRONG, REFUSED, FAILED)


@dataclass(frozen=True)
class Record:
    """A measured candidate. Times are milliseconds of one call, None unless the status is ok."""

    task: str
    target: str
    device: str
    compiler: str
    candidate: str
    status: str
    min_ms: float | None = None
    median_ms: float | None = None


@dataclass(frozen=True)
class DeviceSpeed:
    """What a microbenchmark says of a device: peak multiply-add rate, bandwidth, cost of a call."""

    fma_gflops: float
    bandwidth_gbs: float
    dispatch_ms: float


def default_path() -> Path:
    """Where records are kept: $JITWEB_RECORDS, else the user's cache."""
    named = os.environ.get("JITWEB_RECORDS")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "jitweb" / "records.sqlite3"


def device_key(fingerprint: Mapping[str, str]) -> str:
    """A fingerprint as one text that is equal for equal fingerprints."""
    return json.dumps(dict(sorted(fingerprint.items())), separators=(",", ":"))


class Records:
    """The database. Several processes may use it at once."""

    def __init__(self, path: Path) -> None:
        """Open or make it.

        Raises:
            JitwebError: it can't be opened, is not a database of records, or is of a newer version.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                write_atomically(path, new_database(_fill), replace=False)
            elif path.is_file() and path.stat().st_size == 0:
                write_atomically(path, new_database(_fill))
            self._bounded = BoundedConnection(path, "mode=rw", BUSY_SECONDS)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from None
        self._database = self._bounded.sql
        try:
            self._prepare()
        except BaseException as error:
            self._database.close()
            if isinstance(error, sqlite3.Error):
                raise self._unusable(error) from None
            raise

    def _unusable(self, error: Exception) -> JitwebError:
        return JitwebError(
            f"{self.path} can't be used for records ({error}); name another file with --records"
        )

    def _prepare(self) -> None:
        with self._transaction():
            self._migrate()
            if not has_schema(self._database, RECORDS + REST):
                raise JitwebError(f"{self.path} holds other tables than records; name another file")
        self._database.execute("pragma journal_mode = wal")

    def _migrate(self) -> None:
        (version,) = self._database.execute("pragma user_version").fetchone()
        if version > VERSION:
            raise JitwebError(
                f"{self.path} is of a newer jitweb; update, or name another file with --records"
            )
        if version == VERSION:
            return
        if version == 1:  # it knew a device's speed, and not that of each target on it
            self._database.execute("drop table devices")
        elif self._database.execute("select 1 from sqlite_master limit 1").fetchone():
            raise JitwebError(f"{self.path} is another program's database; name another file")
        for statement in (REST if version else RECORDS + REST).split(";"):
            self._database.execute(statement)
        self._database.execute(f"pragma user_version = {VERSION}")

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Records:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, records: Iterable[Record]) -> int:
        """Keep records; one that is there already is replaced. Returns how many."""
        rows = [tuple(asdict(record).values()) for record in records]
        with self._reporting_errors(), self._transaction():
            self._database.executemany(
                "insert or replace into records values (?, ?, ?, ?, ?, ?, ?, ?)", rows
            )
        return len(rows)

    def of_task(self, task: str, target: str, device: str, compiler: str) -> list[Record]:
        """What was measured of a task, fastest first."""
        return self._read(
            "where task = ? and target = ? and device = ? and compiler = ? "
            "order by min_ms is null, min_ms, candidate",
            (task, target, device, compiler),
        )

    def all(self) -> list[Record]:
        return self._read("order by target, device, task, min_ms is null, min_ms", ())

    def searched(self, task: str, target: str, device: str, compiler: str) -> float | None:
        """The seconds that the longest search with this task could take, None if none is known.

        Infinite where it ended by itself.
        """
        with self._reporting_errors():
            row = self._database.execute(
                "select seconds from searches where task = ? and target = ? and device = ? "
                "and compiler = ?",
                (task, target, device, compiler),
            ).fetchone()
        is_known = row is not None and isinstance(row[0], float) and row[0] >= 0
        return row[0] if is_known else None

    def set_searched(
        self, tasks: Iterable[str], target: str, device: str, compiler: str, seconds: float
    ) -> None:
        """Keep how long a search with these tasks could take; a longer one stays."""
        rows = [(task, target, device, compiler, seconds) for task in tasks]
        with self._reporting_errors(), self._transaction():
            self._database.executemany(
                "insert into searches values (?, ?, ?, ?, ?) on conflict do update "
                "set seconds = max(seconds, excluded.seconds)",
                rows,
            )

    def speed(self, device: str, target: str) -> DeviceSpeed | None:
        """What was measured of a device by a target's kernels."""
        with self._reporting_errors():
            row = self._database.execute(
                "select fma_gflops, bandwidth_gbs, dispatch_ms from speeds "
                "where device = ? and target = ?",
                (device, target),
            ).fetchone()
        is_known = row is not None and all(type(each) is float and 0 < each for each in row)
        return DeviceSpeed(*row) if is_known else None

    def set_speed(self, device: str, target: str, speed: DeviceSpeed) -> None:
        row = (device, target, speed.fma_gflops, speed.bandwidth_gbs, speed.dispatch_ms)
        with self._reporting_errors(), self._transaction():
            self._database.execute("insert or replace into speeds values (?, ?, ?, ?, ?)", row)

    def _read(self, rest: str, values: tuple[str, ...]) -> list[Record]:
        with self._reporting_errors():
            rows = self._database.execute(f"select * from records {rest}", values)
            found = [Record(*row) for row in rows]
        try:
            for record in found:
                _check(record)
        except ValueError as error:
            raise self._unusable(error) from None
        return found

    @contextmanager
    def _reporting_errors(self) -> Iterator[None]:
        """Report what the database or the disk refuses in one line."""
        self._bounded.begin()
        try:
            yield
        except sqlite3.Error as error:
            raise JitwebError(
                f"the records in {self.path} can't be read or written ({error}); "
                "fix that, or name another file with --records"
            ) from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """What is written inside is kept whole or not at all."""
        self._database.execute("begin immediate")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):  # SQLite may have ended it already
                self._database.execute("rollback")
            raise
        self._database.execute("commit")


def _fill(database: sqlite3.Connection) -> None:
    database.executescript(RECORDS + REST)
    database.execute(f"pragma user_version = {VERSION}")


def to_lines(records: Iterable[Record]) -> Iterator[str]:
    """Records as lines of JSON."""
    for record in records:
        yield json.dumps(asdict(record))


def from_lines(lines: Iterable[str]) -> Iterator[Record]:
    """Records from lines of JSON.

    Raises:
        JitwebError: a line is not a record; the message has its number.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = Record(**parse_json(line, LONGEST_LINE))
            _check(record)
        except (ValueError, TypeError) as error:
            raise JitwebError(f"line {number} is not a record: {first_line(error)}") from None
        yield record


def _check(record: Record) -> None:
    texts = (record.task, record.target, record.device, record.compiler, record.candidate)
    if not all(isinstance(text, str) for text in (*texts, record.status)):
        raise ValueError("a field is missing or of another type")
    if record.status not in STATUSES or max(map(len, texts)) > LONGEST_TEXT:
        raise ValueError("its status is unknown, or a text is too long")
    for text in texts:
        text.encode()  # which fails for half a character
    for time in (record.min_ms, record.median_ms):
        if not (is_time(time) if record.status == OK else time is None):
            raise ValueError("its times and its status contradict each other")
