"""Exchange: corpora as text, to be kept, sent and read elsewhere.

The text is a JSON array of cases, one a line, so that it can be read and written a case at a time;
cases alone, a line each, are read as well. It says nothing of what the cases reach: a campaign that
imports them finds that out. A file may come from anywhere, so sizes are checked before anything is
parsed, and each case is one by `harness.case` or refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np

from corpus.encoding import MAX_MODULE_BYTES, pack_module, pack_rest, unpack_case
from corpus.entries import NOT_JUDGED, identity
from corpus.errors import StoreError
from corpus.store import Store
from harness.case import Case, CaseError
from harness.system.data import parse_json
from harness.system.text import first_line

LONGEST_LINE = MAX_MODULE_BYTES
MOST_BYTES = 1 << 30
MOST_LINES = 1_000_000
_OPEN, _CLOSE = b"[", b"]"


class ImportFailed(StoreError):
    """What was to be imported is not a corpus; the message says where and why."""


def export_lines(store: Store) -> Iterator[str]:
    """The lines of the text of a store's corpus."""
    yield _OPEN.decode()
    before = None
    for entry in store.entries():
        if before is not None:
            yield f"{before},"
        before = store.case(entry.id).to_json()
    if before is not None:
        yield before
    yield _CLOSE.decode()


@dataclass(frozen=True)
class PackedCase:
    """A case in a fraction of its size, and the line that it was read from."""

    line: int
    module: bytes
    rest: str

    def unpack(self) -> Case:
        return unpack_case(self.module, self.rest)


def read_cases(file: IO[bytes], name: str) -> list[PackedCase]:
    """The cases of a text, in their order; `name` is that of the file in errors.

    Raises:
        ImportFailed: it is not a corpus, or is too large.
        OSError: it can't be read.
    """
    return list(_cases(file, name))


def _cases(file: IO[bytes], name: str) -> Iterator[PackedCase]:
    left = MOST_BYTES
    for number in range(1, MOST_LINES + 1):
        line = file.readline(LONGEST_LINE + 1)
        left -= len(line)
        if not line:
            return
        if left < 0:
            raise ImportFailed(
                f"{name} is larger than {MOST_BYTES >> 30} GiB; import it in parts, or distill it"
            )
        text = line.strip()
        if text in (b"", _OPEN, _CLOSE):
            continue
        try:
            yield _packed(text.removesuffix(b","), number)
        except (CaseError, ValueError) as error:
            raise ImportFailed(f"{name}, line {number}: {first_line(error)}") from None
    raise ImportFailed(f"{name} has more than {MOST_LINES} lines; import it in parts")


def _packed(text: bytes, line: int) -> PackedCase:
    if len(text) > LONGEST_LINE:
        raise CaseError(f"it is longer than {LONGEST_LINE >> 20} MiB")
    try:
        decoded = text.decode()
        parse_json(decoded)
    except ValueError as error:
        raise CaseError(f"not a case: {first_line(error)}") from None
    case = Case.from_json(decoded)
    try:
        return PackedCase(line, pack_module(case), pack_rest(case))
    except UnicodeEncodeError:
        raise CaseError("not a case: half of a surrogate pair in the module") from None


def add_cases(store: Store, packed: list[PackedCase]) -> int:
    """Add the cases that the store lacks, to be judged by its campaign; how many these are."""
    nothing = np.empty(0, np.uint32)
    known = store.identities()
    with store.transaction():
        before = len(known)
        for each in packed:
            case = each.unpack()
            if (mark := identity(case)) not in known:
                known.add(mark)
                store.add_entry(case, nothing, None, NOT_JUDGED)
    return len(known) - before
