"""Findings: signatures that were seen, each with its most informative case and a count."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from corpus.database import Database, Row, damaged
from corpus.encoding import DecodeError, pack_rest, unpack_case
from corpus.errors import StoreError
from corpus.modules import module_row
from corpus.schema import VERDICT
from harness.case import Case
from harness.oracles.known_issues import KnownIssue, known_issue
from harness.system.data import fits, parse_json
from harness.system.text import cut
from harness.verdict import Kind, Verdict

ID_DIGITS = 8

_ID = re.compile(r"[0-9a-f]{8}")
MOST_VERDICT = 1 << 20  # characters

_COLUMNS = "id, signature, kind, legal, confirmed, count, verdict, first_test, first_seconds"
_TYPES = (str, str, str, int, int, int, str, int, float)
_ORDER = "order by confirmed desc, legal desc, kind, count desc, id"


@dataclass(frozen=True)
class ListedFinding:
    """A signature that was seen: how often, and whether a fresh process agreed.

    `first_test` and `first_seconds` say when, over all runs of the campaign.
    """

    id: str
    signature: str
    kind: Kind
    legal: bool
    confirmed: bool
    count: int
    verdict: Verdict
    first_test: int
    first_seconds: float

    @property
    def known(self) -> KnownIssue | None:
        """The known issue that this is one of."""
        return known_issue(self.kind, self.signature)

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
            "known": None if self.known is None else self.known.reference,
        }


@dataclass(frozen=True)
class Finding(ListedFinding):
    """A finding with its case: the first of the signature, or the most informative one."""

    case: Case


def id_of(signature: str) -> str:
    """The id of a finding: the same in every campaign that meets the signature."""
    return hashlib.sha256(signature.encode("utf-8", "replace")).hexdigest()[:ID_DIGITS]


def add(
    database: Database,
    case: Case,
    verdict: Verdict,
    at_test: int,
    at_seconds: float,
    confirmed: bool,
) -> tuple[ListedFinding, bool]:
    """Count a finding; the finding, and whether it is a new one. See `Store.add_finding`."""
    verdict = _short(verdict)
    finding_id = id_of(verdict.signature)
    with database.transaction():
        columns = (verdict.kind, verdict.legal, *_case_columns(database, case), verdict.to_json())
        query = "select confirmed, legal from findings where id = ?"
        known = next(database.rows(query, (int, int), (finding_id,)), None)
        if known is None:
            database.write(
                "insert into findings (kind, legal, module, rest, verdict, confirmed, id, "
                "signature, first_test, first_seconds, count) values (?,?,?,?,?,?,?,?,?,?,1)",
                (*columns, confirmed, finding_id, verdict.signature, at_test, at_seconds),
            )
        else:
            database.write("update findings set count = count + 1 where id = ?", (finding_id,))
            if (confirmed, verdict.legal) > (bool(known[0]), bool(known[1])):
                database.write(
                    "update findings set kind = ?, legal = ?, module = ?, rest = ?, verdict = ?, "
                    "confirmed = ? where id = ?",
                    (*columns, confirmed, finding_id),
                )
        (finding,) = _read(database, "where id = ?", (finding_id,))
    return finding, known is None


def listed(database: Database, *, unconfirmed: bool) -> list[ListedFinding]:
    """See `Store.findings`."""
    found = _read(database, ("" if unconfirmed else "where confirmed ") + _ORDER)
    return sorted(found, key=lambda finding: finding.known is not None)


def find(database: Database, beginning: str) -> Finding:
    """See `Store.finding`."""
    digits = beginning.lower()
    found: list[ListedFinding] = []
    if 0 < len(digits) <= ID_DIGITS and all(digit in "0123456789abcdef" for digit in digits):
        found = list(_read(database, "where id like ? limit 2", (f"{digits}%",)))
    if len(found) == 1:
        return _whole(database, found[0])
    if found:
        raise StoreError(f"several findings have an id that begins with {beginning}; give more")
    given, folder = " ".join(beginning[:80].split()), database.folder
    raise StoreError(f"no finding has the id {given}; list them with: tzer findings {folder}")


def latest(database: Database) -> tuple[str, str] | None:
    """See `Store.latest_finding`."""
    query = "select id, verdict from findings where confirmed order by first_test desc, id limit 1"
    for finding_id, verdict in database.rows(query, (str, str)):
        return finding_id, _verdict(verdict, database).message
    return None


def by_kind(database: Database) -> dict[str, int]:
    """See `Store.findings_by_kind`."""
    kinds = [_kind(kind, database) for kind, issue in _signatures(database) if issue is None]
    return dict(Counter(kinds))


def by_known_issue(database: Database) -> dict[str, int]:
    """See `Store.known_findings`."""
    return dict(Counter(issue.name for _, issue in _signatures(database) if issue is not None))


def _signatures(database: Database) -> Iterator[tuple[str, KnownIssue | None]]:
    """The kind of each confirmed finding, kinds with legal ones first, and what it is known as."""
    query = (
        "select kind, signature from findings as one where confirmed order by (select max(legal) "
        "from findings where confirmed and kind = one.kind) desc, kind"
    )
    for kind, signature in database.rows(query, (str, str)):
        yield kind, known_issue(kind, signature)


def _read(database: Database, where: str, values: Row = ()) -> Iterator[ListedFinding]:
    for row in database.rows(f"select {_COLUMNS} from findings {where}", _TYPES, values):
        finding_id, signature, kind, legal, confirmed, count, verdict, test, seconds = row
        if not _ID.fullmatch(finding_id):
            raise StoreError(damaged(database.folder, "the id of a finding"))
        yield ListedFinding(
            finding_id,
            signature,
            _kind(kind, database),
            bool(legal),
            bool(confirmed),
            count,
            _verdict(verdict, database),
            test,
            seconds,
        )


def _whole(database: Database, listed: ListedFinding) -> Finding:
    query = (
        "select text, rest from findings left join modules on modules.id = module "
        "where findings.id = ?"
    )
    try:
        for text, rest in database.rows(query, (bytes | None, str), (listed.id,)):
            known = {each.name: getattr(listed, each.name) for each in fields(listed)}
            return Finding(**known, case=unpack_case(text, rest))
        raise DecodeError("its row is missing")
    except DecodeError as error:
        raise StoreError(damaged(database.folder, f"finding {listed.id}: {error}")) from None


def _kind(text: str, database: Database) -> Kind:
    try:
        return Kind(text)
    except ValueError:
        raise StoreError(damaged(database.folder, "the kind of a finding")) from None


def _verdict(text: str, database: Database) -> Verdict:
    try:
        data = parse_json(text, MOST_VERDICT)
        if not fits(data, VERDICT) or data.keys() != VERDICT.keys():
            raise ValueError("its fields")
        return _short(Verdict.from_json(text))
    except ValueError as error:
        raise StoreError(damaged(database.folder, f"a verdict: {error}")) from None


def _short(verdict: Verdict) -> Verdict:
    """The verdict with texts of a length that a person reads."""
    return replace(
        verdict,
        message=cut(verdict.message),
        # Half of a surrogate pair can't be stored but in JSON.
        signature=cut(verdict.signature).encode(errors="backslashreplace").decode(),
        pass_name=cut(verdict.pass_name),
    )


def _case_columns(database: Database, case: Case) -> tuple[int, str]:
    """(id of the module's row, the case without its module)."""
    return module_row(database, case), pack_rest(case)
