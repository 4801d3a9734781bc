"""Store: what a campaign keeps, on disk from the moment it is known.

SQLite in WAL mode: readers never wait for the campaign, and a transaction is whole or not there at
all after a kill at any moment. `synchronous=NORMAL` is enough for that: a killed process loses
nothing that it handed to the system; only a power cut can lose the last transactions, and even then
the file stays consistent.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from corpus.errors import StoreError
from corpus.lock import FolderLock
from corpus.schema import APPLICATION_ID, FILE, SCHEMA, VERSION
from harness.case import Case
from harness.verdict import Kind, Verdict

__all__ = ["Entry", "Finding", "Store", "StoreError"]

BUSY_SECONDS = 10
ID_DIGITS = 8
Line = tuple[str, int]


@dataclass(frozen=True)
class Entry:
    """A corpus entry without its case, which `Store.case` loads. `blocks` are uint32 ids."""

    id: int
    parent: int | None
    blocks: np.ndarray
    born: int
    chosen: int
    ir_failures: int
    pass_failures: int


class Counters(Protocol):
    """The scheduler's counters of one entry."""

    identity: int
    chosen: int
    ir_failures: int
    pass_failures: int


@dataclass(frozen=True)
class Finding:
    """A signature that was seen: its first case, how often, and whether a fresh process agreed.

    `first_test` and `first_seconds` say when, over all sessions of the campaign.
    """

    id: str
    signature: str
    kind: Kind
    legal: bool
    confirmed: bool
    count: int
    case: Case
    verdict: Verdict
    first_test: int
    first_seconds: float

    def summary(self) -> dict[str, Any]:
        """The keys of `tzer findings --json`."""
        return {
            "id": self.id,
            "kind": str(self.kind),
            "legal": self.legal,
            "signature": self.signature,
            "message": self.verdict.message,
            "pass": self.verdict.pass_name,
            "count": self.count,
            "confirmed": self.confirmed,
            "minimized": None,
            "first_test": self.first_test,
            "first_seconds": self.first_seconds,
        }


class Store:
    """One campaign's folder. Opened by `create_or_resume` to write, by `open` to read."""

    def __init__(self, folder: Path, database: sqlite3.Connection, lock: FolderLock | None) -> None:
        self.folder = folder
        self._database = database
        self._lock = lock
        self._depth = 0

    # Opening and closing.

    @classmethod
    def create_or_resume(cls, folder: Path, settings: dict[str, Any] | None = None) -> Self:
        """The store of this folder, made if there is none, for writing.

        `settings` are remembered at the creation; a resumed campaign keeps its own.

        Raises:
            StoreError: the folder can't be written, holds something else, is in use by another
                campaign, or is damaged or of a newer version. Nothing in it is changed.
        """
        path = folder / FILE
        lock = None
        try:
            if folder.exists() and not folder.is_dir():
                raise StoreError(f"{folder} is a file; give a folder with --out")
            if folder.exists() and not path.exists() and any(_foreign(folder)):
                raise StoreError(
                    f"{folder} holds other files and no campaign; give a new or empty folder"
                )
            folder.mkdir(parents=True, exist_ok=True)
            lock = FolderLock(folder)
            if not path.exists():
                _create(path, settings or {})
            return cls(folder, _connect(path, write=True), lock)
        except (OSError, sqlite3.Error) as error:
            if lock is not None:
                lock.release()
            raise StoreError(_in_words(error, folder)) from None
        except StoreError:
            if lock is not None:
                lock.release()
            raise

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The store of this folder, for reading; works while a campaign writes to it.

        Raises:
            StoreError: there is no campaign, or it can't be read.
        """
        path = folder / FILE
        if not path.exists():
            raise StoreError(f"no campaign in {folder}; start one: tzer fuzz --out {folder}")
        try:
            return cls(folder, _connect(path, write=False), None)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(_in_words(error, folder)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()
        if self._lock is not None:
            self._lock.release()

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
            self._database.execute("begin immediate")
            yield
            self._database.execute("commit")
        except BaseException as error:
            if self._database.in_transaction:
                self._database.execute("rollback")
            if isinstance(error, (sqlite3.Error, OSError)):
                raise StoreError(_in_words(error, self.folder)) from None
            raise
        finally:
            self._depth = 0

    # The corpus.

    def add_entry(self, case: Case, blocks: np.ndarray, parent: int | None, born: int = 0) -> int:
        """Keep the case; `blocks` (uint32 ids) are what it reaches. The entry's id."""
        with self.transaction():
            row = (*self._case_columns(case), parent, _deflated(blocks), born)
            cursor = self._database.execute(
                "insert into entries (module, rest, parent, blocks, born) values (?, ?, ?, ?, ?)",
                row,
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def entries(self) -> Iterator[Entry]:
        """All entries in the order of their birth, without their cases."""
        columns = "id, parent, blocks, born, chosen, ir_failures, pass_failures"
        for row in self._rows(f"select {columns} from entries order by id"):
            yield Entry(row[0], row[1], _inflated(row[2]), *row[3:])

    def case(self, identity: int) -> Case:
        """The case of an entry.

        Raises:
            KeyError: no entry has this id.
        """
        rows = self._rows(
            "select text, rest from entries join modules on modules.id = module "
            "where entries.id = ?",
            (identity,),
        )
        for text, rest in rows:
            return _case(text, rest)
        raise KeyError(identity)

    def update_counters(self, changed: Iterable[Counters]) -> None:
        """Write down the scheduler's counters of these entries."""
        rows = [(e.chosen, e.ir_failures, e.pass_failures, e.identity) for e in changed]
        with self.transaction():
            self._database.executemany(
                "update entries set chosen = ?, ir_failures = ?, pass_failures = ? where id = ?",
                rows,
            )

    # Findings.

    def add_finding(
        self, case: Case, verdict: Verdict, at_test: int, confirmed: bool, at_seconds: float = 0.0
    ) -> tuple[Finding, bool]:
        """Count the finding by its signature; the finding, and whether it is a new one.

        The first case of a signature is kept, but gives way to one that tells more: confirmed
        before not confirmed, legal before illegal.
        """
        identity = hashlib.sha256(verdict.signature.encode()).hexdigest()[:ID_DIGITS]
        with self.transaction():
            found = self._finding("where id = ?", (identity,))
            if found is None:
                row = self._finding_columns(case, verdict)
                self._database.execute(
                    "insert into findings (id, signature, first_test, first_seconds, confirmed, "
                    "count, kind, legal, module, rest, verdict) values (?,?,?,?,?,1,?,?,?,?,?)",
                    (identity, verdict.signature, at_test, at_seconds, confirmed, *row),
                )
            else:
                better = (confirmed, verdict.legal) > (found.confirmed, found.legal)
                if better:
                    self._database.execute(
                        "update findings set kind = ?, legal = ?, module = ?, rest = ?, "
                        "verdict = ?, confirmed = ? where id = ?",
                        (*self._finding_columns(case, verdict), confirmed, identity),
                    )
                self._database.execute(
                    "update findings set count = count + 1 where id = ?", (identity,)
                )
            now = self._finding("where id = ?", (identity,))
        assert now is not None
        return now, found is None

    def findings(self, *, unconfirmed: bool = False) -> list[Finding]:
        """The findings: legal sequences first, then by kind and by count.

        Without `unconfirmed`, only those that a fresh process confirmed.
        """
        where = "" if unconfirmed else "where confirmed"
        order = f"{where} order by confirmed desc, legal desc, kind, count desc, findings.id"
        return [self._as_finding(row) for row in self._rows(_FINDING + order)]

    def finding(self, identity: str) -> Finding:
        """The finding whose id begins with these digits.

        Raises:
            StoreError: none does, or several do.
        """
        escaped = "".join(c for c in identity if c.isalnum())
        rows = list(self._rows(_FINDING + "where findings.id like ?", (f"{escaped}%",)))
        if len(rows) == 1 and escaped:
            return self._as_finding(rows[0])
        if rows and escaped:
            raise StoreError(f"several findings have an id that begins with {identity}")
        raise StoreError(f"no finding has the id {identity}; list them with: tzer findings")

    def _finding(self, where: str, values: tuple[Any, ...]) -> Finding | None:
        for row in self._rows(_FINDING + where.replace(" id", " findings.id"), values):
            return self._as_finding(row)
        return None

    def _as_finding(self, row: tuple[Any, ...]) -> Finding:
        text, rest, verdict, kind = row[-1], row[6], row[7], row[2]
        return Finding(
            row[0],
            row[1],
            Kind(kind),
            bool(row[3]),
            bool(row[4]),
            row[5],
            _case(text, rest),
            Verdict.from_json(verdict),
            row[8],
            row[9],
        )

    def _finding_columns(self, case: Case, verdict: Verdict) -> tuple[Any, ...]:
        return (verdict.kind, verdict.legal, *self._case_columns(case), verdict.to_json())

    # Coverage.

    def add_coverage(self, blocks: np.ndarray, lines: Iterable[Line]) -> None:
        """Add stable native blocks (uint32 ids) and Python lines that nobody reached before."""
        with self.transaction():
            if len(blocks):
                self._database.execute(
                    "insert into coverage (blocks) values (?)", (_deflated(blocks),)
                )
            self._database.executemany("insert or ignore into lines values (?, ?)", lines)

    def coverage(self) -> tuple[np.ndarray, set[Line]]:
        """All native blocks (uint32 ids, ascending) and Python lines reached so far."""
        parts = [_inflated(row[0]) for row in self._rows("select blocks from coverage")]
        blocks = np.unique(np.concatenate(parts)) if parts else np.empty(0, np.uint32)
        return blocks, {(file, line) for file, line in self._rows("select file, line from lines")}

    # Where the campaign stands.

    def settings(self) -> dict[str, Any]:
        """What the campaign was first started with."""
        return self._meta("settings")

    def record_progress(self, progress: dict[str, Any]) -> None:
        """Write down what a resumed campaign goes on from (JSON)."""
        with self.transaction():
            self._database.execute(
                "insert or replace into meta values ('progress', ?)", (json.dumps(progress),)
            )

    def progress(self) -> dict[str, Any]:
        """What `record_progress` wrote last; empty for a new campaign."""
        return self._meta("progress")

    def record_stats(self, stats: dict[str, Any]) -> None:
        """Write down the statistics that `stats` gives."""
        with self.transaction():
            self._database.execute(
                "insert or replace into meta values ('stats', ?)", (json.dumps(stats),)
            )

    def stats(self) -> dict[str, Any]:
        """The statistics of the campaign; the documented keys of `tzer stats`."""
        return {**EMPTY_STATS, **self._meta("stats"), "findings": self.findings_by_kind()}

    def findings_by_kind(self) -> dict[str, int]:
        """How many confirmed signatures there are of each kind."""
        rows = self._rows("select kind, count(*) from findings where confirmed group by kind")
        return {str(kind): int(count) for kind, count in rows}

    def add_timeline(self, stats: dict[str, Any]) -> None:
        """Add a point to the timeline."""
        row = [stats[name] for name in ("elapsed_s", "tests", "native_blocks", "python_lines")]
        with self.transaction():
            self._database.execute(
                "insert into timeline values (?, ?, ?, ?, ?, ?)",
                (*row, stats["corpus"], sum(self.findings_by_kind().values())),
            )

    # Below.

    def _meta(self, name: str) -> dict[str, Any]:
        for (value,) in self._rows("select value from meta where name = ?", (name,)):
            return dict(json.loads(value))
        return {}

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._database.execute(query, values)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(_in_words(error, self.folder)) from None

    def _case_columns(self, case: Case) -> tuple[int, str]:
        """(id of the module's row, the case without its module as JSON)."""
        digest = hashlib.sha256(case.module.encode()).digest()
        self._database.execute(
            "insert or ignore into modules (digest, text) values (?, ?)",
            (digest, zlib.compress(case.module.encode())),
        )
        (module,) = next(self._rows("select id from modules where digest = ?", (digest,)))
        return module, replace(case, module="").to_json()


EMPTY_STATS: dict[str, Any] = {
    "tests": 0,
    "tests_per_second": 0.0,
    "valid_rate": 0.0,
    "tvm_time_share": 0.0,
    "native_blocks": 0,
    "native_blocks_seeds": 0,
    "native_files": 0,
    "python_lines": 0,
    "corpus": 0,
    "elapsed_s": 0.0,
}

_FINDING = (
    "select findings.id, signature, kind, legal, confirmed, count, rest, verdict, first_test, "
    "first_seconds, text from findings join modules on modules.id = module "
)


def _foreign(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.name != "lock")


def _create(path: Path, settings: dict[str, Any]) -> None:
    """Make the file aside and move it into place: it is never there half-made."""
    aside = path.with_name(f"{path.name}.new")
    aside.unlink(missing_ok=True)
    database = sqlite3.connect(aside, isolation_level=None)
    try:
        database.executescript(SCHEMA)
        database.execute(f"pragma application_id = {APPLICATION_ID}")
        database.execute(f"pragma user_version = {VERSION}")
        database.execute("insert into meta values ('settings', ?)", (json.dumps(settings),))
    finally:
        database.close()
    aside.rename(path)


def _connect(path: Path, *, write: bool) -> sqlite3.Connection:
    mode = "rw" if write else "ro"
    database = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
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
        if write:
            database.execute("pragma journal_mode = wal")
            database.execute("pragma synchronous = normal")
        database.execute("select count(*) from meta").fetchone()
    except BaseException:
        database.close()
        raise
    return database


def _in_words(error: Exception, folder: Path) -> str:
    text = str(error)
    if "disk is full" in text or "disk I/O error" in text or "No space left" in text:
        return f"{folder} can't be written: the disk is full; free some space and start again"
    if "File too large" in text:
        return f"{folder} can't be written: it would pass the limit of file sizes (ulimit -f)"
    if isinstance(error, PermissionError) or "readonly" in text or "unable to open" in text:
        return f"{folder} can't be written or read; check its permissions, or give another folder"
    if "malformed" in text or "not a database" in text:
        return f"the campaign in {folder} is damaged ({text}); restore it from a copy"
    if "locked" in text:
        return f"the campaign in {folder} is busy; try again"
    return f"{folder}: {text}"


def _deflated(blocks: np.ndarray) -> bytes:
    return zlib.compress(np.asarray(blocks, "<u4").tobytes(), 1)


def _inflated(data: bytes) -> np.ndarray:
    return np.frombuffer(zlib.decompress(data), "<u4").astype(np.uint32)


def _case(text: bytes, rest: str) -> Case:
    return replace(Case.from_json(rest), module=zlib.decompress(text).decode())

