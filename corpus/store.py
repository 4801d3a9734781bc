"""Store: what a campaign keeps, on disk from the moment it is known.

One folder holds one campaign. `create_or_resume` opens it to write and locks it against a second
campaign; `open` reads it at any time, also while a campaign writes. What belongs together (a test's
entry, coverage, finding and progress) is written inside one `transaction`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from corpus import entries as cases
from corpus import findings as found
from corpus.database import Database, create, damaged, describe_error, is_ours
from corpus.encoding import pack_blocks
from corpus.entries import CorpusEntry
from corpus.errors import StoreError
from corpus.findings import Finding, ListedFinding
from corpus.lock import FolderLock
from corpus.schema import FILE
from harness.case import Case, PassCall
from harness.system.data import is_amount
from harness.verdict import Verdict

if TYPE_CHECKING:
    import numpy as np

__all__ = ["CorpusEntry", "Finding", "ListedFinding", "Store", "StoreError"]

Line = tuple[str, int]


class Counters(Protocol):
    """The scheduler's counters of one entry."""

    id: int
    chosen: int
    ir_failures: int
    pass_failures: int


class Store:
    """One campaign's folder. Opened by `create_or_resume` to write, by `open` to read."""

    def __init__(self, folder: Path, database: Database, lock: FolderLock | None) -> None:
        self.folder = folder
        self._database = database
        self._lock = lock

    # Opening and closing.

    @classmethod
    def create_or_resume(cls, folder: Path, settings: dict[str, Any] | None = None) -> Self:
        """The store of this folder, made if there is none, for writing.

        `settings` are remembered at the creation; a resumed campaign keeps its own.

        Raises:
            StoreError: the folder can't be written, holds something else, is in use by another
                campaign, or is damaged or of a newer version. Nothing in it is changed.
        """
        lock = None
        try:
            _refuse_foreign(folder)
            folder.mkdir(parents=True, exist_ok=True)
            lock = FolderLock(folder)
            if not (folder / FILE).exists():
                create(folder / FILE, settings or {})
            return cls(folder, Database(folder, write=True), lock)
        except BaseException as error:
            if lock is not None:
                lock.release()
            if isinstance(error, (OSError, sqlite3.Error)):
                raise StoreError(describe_error(error, folder)) from None
            raise

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The store of this folder, for reading; works while a campaign writes to it.

        Raises:
            StoreError: there is no campaign, or it can't be read.
        """
        try:
            there = (folder / FILE).exists() or (folder / FILE).is_symlink()
            if there:
                _refuse_special(folder)
        except OSError as error:
            raise StoreError(describe_error(error, folder)) from None
        if not there:
            raise StoreError(f"no campaign in {folder}; start one: tzer fuzz --out {folder}")
        return cls(folder, Database(folder, write=False), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()
        if self._lock is not None:
            self._lock.release()

    def check_place(self) -> None:
        """Refuse to go on where the file was deleted, as what is written then is lost.

        Raises:
            StoreError: it is not there any more.
        """
        if not (self.folder / FILE).exists():
            raise StoreError(
                f"the campaign in {self.folder} was deleted or moved while it ran; start it again"
            )

    def transaction(self) -> AbstractContextManager[None]:
        """What is written inside is kept whole or not at all. May be nested.

        Raises:
            StoreError: it could not be written, for instance as the disk is full.
        """
        return self._database.transaction()

    # The corpus.

    def add_entry(self, case: Case, blocks: np.ndarray, parent: int | None, born: int = 0) -> int:
        """Keep the case; `blocks` (uint32 ids) are what it reaches. The entry's id.

        `born` is the test that made it, or `corpus.entries.NOT_JUDGED`.
        """
        return cases.add(self._database, case, blocks, parent, born)

    def remove_entry(self, entry_id: int) -> None:
        """Remove an entry, and its module if nothing else needs it."""
        cases.remove(self._database, entry_id)

    def entries(self) -> Iterator[CorpusEntry]:
        """All entries in the order of their birth, without their cases."""
        return cases.listed(self._database)

    def case(self, entry_id: int) -> Case:
        """The case of an entry.

        Raises:
            StoreError: no entry has this id, or it is damaged.
        """
        return cases.case(self._database, entry_id)

    def passes(self) -> Iterator[tuple[PassCall, ...]]:
        """The pass sequences of all entries in the order of their birth, without their modules."""
        return cases.passes(self._database)

    def entry_blocks(self, entry_id: int) -> np.ndarray:
        """The blocks (uint32 ids) that an entry reaches, as far as they are known."""
        return cases.blocks(self._database, entry_id)

    def entry_sizes(self) -> dict[int, int]:
        """The bytes that the case of each entry takes, packed, by the entry's id."""
        return cases.sizes(self._database)

    def identities(self) -> set[bytes]:
        """What `corpus.entries.identity` returns for the case of each entry."""
        return cases.identities(self._database)

    def update_counters(self, changed: Iterable[Counters]) -> None:
        """Write down the scheduler's counters of these entries."""
        rows = [(e.chosen, e.ir_failures, e.pass_failures, e.id) for e in changed]
        with self.transaction():
            self._database.write_many(
                "update entries set chosen = ?, ir_failures = ?, pass_failures = ? where id = ?",
                rows,
            )

    # Findings.

    def add_finding(
        self, case: Case, verdict: Verdict, at_test: int, confirmed: bool, at_seconds: float = 0.0
    ) -> tuple[ListedFinding, bool]:
        """Count the finding by its signature; the finding, and whether it is a new one.

        The first case of a signature is kept, but is replaced by one that says more: confirmed
        before not confirmed, legal before illegal.
        """
        return found.add(self._database, case, verdict, at_test, at_seconds, confirmed)

    def findings(self, *, unconfirmed: bool = False) -> list[ListedFinding]:
        """The findings, without their cases: known issues last, legal sequences first, then by kind
        and by count.

        Without `unconfirmed`, only those that a fresh process confirmed.
        """
        return found.listed(self._database, unconfirmed=unconfirmed)

    def finding(self, finding_id: str) -> Finding:
        """The finding whose id begins with these digits, with its case.

        Raises:
            StoreError: none does, or several do.
        """
        return found.find(self._database, finding_id)

    def latest_finding(self) -> tuple[str, str] | None:
        """(id, message) of the confirmed finding that came last, without loading its case."""
        return found.latest(self._database)

    def findings_by_kind(self) -> dict[str, int]:
        """How many confirmed signatures there are of each kind; kinds with legal ones first.

        Without those of known issues.
        """
        return found.by_kind(self._database)

    def known_findings(self) -> dict[str, int]:
        """How many confirmed signatures there are of each known issue, by its name."""
        return found.by_known_issue(self._database)

    # Coverage.

    def add_coverage(self, blocks: np.ndarray, lines: Iterable[Line]) -> None:
        """Add stable native blocks (uint32 ids) and Python lines that nobody reached before."""
        with self.transaction():
            if len(blocks):
                packed = pack_blocks(blocks)
                self._database.write("insert into coverage (blocks) values (?)", (packed,))
            self._database.write_many("insert or ignore into lines values (?, ?)", lines)

    def coverage(self) -> tuple[np.ndarray, set[Line]]:
        """All native blocks (uint32 ids, ascending) and Python lines reached so far."""
        import numpy as np

        blocks = np.empty(0, np.uint32)
        parts: list[np.ndarray] = []
        for (packed,) in self._database.rows("select blocks from coverage", (bytes,)):
            parts.append(cases.unpacked(self._database, packed))
            if sum(map(len, parts)) > MERGE_BLOCKS:  # duplicates don't pile up
                blocks, parts = np.unique(np.concatenate([blocks, *parts])), []
        blocks = np.unique(np.concatenate([blocks, *parts]))
        return blocks, set(self._database.rows("select file, line from lines", (str, int)))

    def blocks_in_order(self) -> np.ndarray:
        """All native blocks (uint32 ids) reached so far, each once, the first reached first."""
        import numpy as np

        rows = self._database.rows("select blocks from coverage order by id", (bytes,))
        parts = (cases.unpacked(self._database, packed) for (packed,) in rows)
        blocks = np.concatenate([np.empty(0, np.uint32), *parts])
        _, first = np.unique(blocks, return_index=True)
        ordered: np.ndarray = blocks[np.sort(first)]
        return ordered

    # Where the campaign stands.

    def settings(self) -> dict[str, Any]:
        """What the campaign was first started with."""
        return self._database.meta("settings")

    def record_progress(self, progress: dict[str, Any]) -> None:
        """Write down what a resumed campaign goes on from (JSON)."""
        self._database.set_meta("progress", progress)

    def progress(self) -> dict[str, Any]:
        """What `record_progress` wrote last; empty for a new campaign."""
        return self._database.meta("progress")

    def record_learned(self, learned: dict[str, Any]) -> None:
        """Write down what may be lost with the last second of a campaign (JSON).

        That is its pay-offs, what it knows of pass transitions, and its use of memory.
        """
        self._database.set_meta("learned", learned)

    def learned(self) -> dict[str, Any]:
        """What `record_learned` wrote last; empty for a new campaign."""
        return self._database.meta("learned")

    def record_stats(self, stats: dict[str, Any]) -> None:
        """Write down the statistics that `stats` reports."""
        self._database.set_meta("stats", stats)

    def stats(self) -> dict[str, Any]:
        """The statistics of the campaign; the documented keys of `tzer stats`.

        Raises:
            StoreError: one is not a number.
        """
        meta = self._database.meta("stats")
        recorded = {name: meta.get(name, value) for name, value in EMPTY_STATS.items()}
        for name, value in recorded.items():
            if not is_amount(value):
                raise StoreError(damaged(self.folder, f"its {name} is not a number"))
        known = self.known_findings()
        return {**recorded, "findings": self.findings_by_kind(), "known_findings": known}

    def add_timeline(self, stats: dict[str, Any]) -> None:
        """Add a point to the timeline."""
        row = [stats[name] for name in TIMELINE[:-1]]
        with self.transaction():
            self._database.write(
                "insert into timeline values (?, ?, ?, ?, ?, ?)",
                (*row, sum(self.findings_by_kind().values())),
            )

    def timeline(self) -> list[dict[str, float]]:
        """The points of the timeline in their order, with the keys of `TIMELINE`."""
        types = (float, int, int, int, int, int)
        rows = self._database.rows("select * from timeline order by rowid", types)
        return [dict(zip(TIMELINE, row, strict=True)) for row in rows]


TIMELINE = ("elapsed_s", "tests", "native_blocks", "python_lines", "corpus", "findings")

MERGE_BLOCKS = 1 << 22
EMPTY_STATS: dict[str, Any] = {
    "tests": 0,
    "tests_per_second": 0.0,
    "valid_rate": 0.0,
    "tvm_time_share": 0.0,
    "faults": 0,
    "known_failures": 0,
    "native_blocks": 0,
    "native_blocks_seeds": 0,
    "native_files": 0,
    "python_lines": 0,
    "corpus": 0,
    "elapsed_s": 0.0,
    "native_runs": 0,
    "passes_s": 0.0,
    "code_generators_s": 0.0,
    "llvm_s": 0.0,
    "interpreter_s": 0.0,
    "checks_s": 0.0,
    "else_s": 0.0,
}


def _refuse_foreign(folder: Path) -> None:
    if not folder.exists():
        if folder.is_symlink():
            raise StoreError(f"{folder} is a link to nothing; give another folder")
        return
    if not folder.is_dir():
        raise StoreError(f"{folder} is a file; give a folder with --out")
    if (folder / FILE).exists() or (folder / FILE).is_symlink():
        _refuse_special(folder)
    elif not all(is_ours(path) for path in folder.iterdir()):
        raise StoreError(f"{folder} holds other files and no campaign; give a new or empty folder")


def _refuse_special(folder: Path) -> None:
    """Refuse what a foreign folder may have in the place of the file: a link, which leads anywhere,
    a folder, or a pipe, which would be waited for."""
    path = folder / FILE
    if path.is_symlink():
        raise StoreError(f"{path} is a link; name the folder that it leads to")
    if not path.is_file():
        raise StoreError(f"{path} is not a regular file; use another folder")
