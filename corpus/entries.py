"""Entries: the cases of the corpus, each with the blocks that it reaches and its counters."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from corpus.database import Database, damaged
from corpus.encoding import DecodeError, pack_blocks, pack_rest, unpack_blocks, unpack_case
from corpus.errors import StoreError
from corpus.modules import digest_of, module_row
from harness.case import Case, CaseError, PassCall

if TYPE_CHECKING:
    import numpy as np

# The birth of an entry that came from elsewhere: what it reaches is not known, nor if it is valid.
NOT_JUDGED = -1

_MODULE_OF = "select module from entries where id = ?"


@dataclass(frozen=True)
class CorpusEntry:
    """A corpus entry without its case, which `Store.case` loads. `blocks` are uint32 ids."""

    id: int
    parent: int | None
    blocks: np.ndarray
    born: int
    chosen: int
    ir_failures: int
    pass_failures: int

    @property
    def judged(self) -> bool:
        """Whether a campaign has run it; one that was imported waits for that."""
        return self.born != NOT_JUDGED


def add(database: Database, case: Case, blocks: np.ndarray, parent: int | None, born: int) -> int:
    """See `Store.add_entry`."""
    with database.transaction():
        return database.write(
            "insert into entries (module, rest, parent, blocks, born) values (?, ?, ?, ?, ?)",
            (module_row(database, case), pack_rest(case), parent, pack_blocks(blocks), born),
        )


def remove(database: Database, entry_id: int) -> None:
    """See `Store.remove_entry`."""
    with database.transaction():
        for (module,) in list(database.rows(_MODULE_OF, (int,), (entry_id,))):
            database.write("delete from entries where id = ?", (entry_id,))
            database.write(
                "delete from modules where id = ?1 and "
                "not exists (select 1 from entries where module = ?1) and "
                "not exists (select 1 from findings where module = ?1)",
                (module,),
            )


def listed(database: Database) -> Iterator[CorpusEntry]:
    """See `Store.entries`."""
    columns = "id, parent, blocks, born, chosen, ir_failures, pass_failures"
    types = (int, int | None, bytes, int, int, int, int)
    for row in database.rows(f"select {columns} from entries order by id", types):
        yield CorpusEntry(row[0], row[1], unpacked(database, row[2]), *row[3:])


def case(database: Database, entry_id: int) -> Case:
    """See `Store.case`."""
    query = (
        "select text, rest from entries left join modules on modules.id = module "
        "where entries.id = ?"
    )
    for text, rest in database.rows(query, (bytes | None, str), (entry_id,)):
        try:
            return unpack_case(text, rest)
        except DecodeError as error:
            how = f"entry {entry_id}: {error}"
            raise StoreError(damaged(database.folder, how)) from None
    raise StoreError(damaged(database.folder, f"entry {entry_id} is missing"))


def passes(database: Database) -> Iterator[tuple[PassCall, ...]]:
    """See `Store.passes`."""
    for entry_id, rest in database.rows("select id, rest from entries order by id", (int, str)):
        try:
            yield Case.from_json(rest).passes
        except CaseError as error:
            raise StoreError(damaged(database.folder, f"entry {entry_id}: {error}")) from None


def blocks(database: Database, entry_id: int) -> np.ndarray:
    """See `Store.entry_blocks`."""
    query = "select blocks from entries where id = ?"
    for (packed,) in database.rows(query, (bytes,), (entry_id,)):
        return unpacked(database, packed)
    raise StoreError(damaged(database.folder, f"entry {entry_id} is missing"))


def sizes(database: Database) -> dict[int, int]:
    """See `Store.entry_sizes`."""
    query = (
        "select entries.id, length(text) + length(rest) from entries "
        "join modules on modules.id = module"
    )
    return dict(database.rows(query, (int, int)))


def identities(database: Database) -> set[bytes]:
    """See `Store.identities`."""
    query = "select digest, rest from entries join modules on modules.id = module"
    return {_identity(digest, rest) for digest, rest in database.rows(query, (bytes, str))}


def identity(case: Case) -> bytes:
    """What two entries of the same case have in common."""
    return _identity(digest_of(case), pack_rest(case))


def _identity(digest: bytes, rest: str) -> bytes:
    return hashlib.sha256(digest + rest.encode(errors="replace")).digest()


def unpacked(database: Database, packed: bytes) -> np.ndarray:
    """The block ids of a column.

    Raises:
        StoreError: it is damaged.
    """
    try:
        return unpack_blocks(packed)
    except DecodeError as error:
        raise StoreError(damaged(database.folder, str(error))) from None
