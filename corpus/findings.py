"""Findings: signatures that were seen, each with its most telling case and a count."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from corpus.database import Database, Row, damaged
from corpus.encoding import DecodeError, pack_rest, unpack_case
from corpus.errors import StoreError
from corpus.modules import module_row
from harness.case import Case
from harness.verdict import Kind, Verdict

ID_DIGITS = 8

_SELECT = (
    "select findings.id, signature, kind, legal, confirmed, count, text, rest, verdict, "
    "first_test, first_seconds from findings left join modules on modules.id = module "
)
_ORDER = "order by confirmed desc, legal desc, kind, count desc, findings.id"


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


def identity_of(signature: str) -> str:
    """The id of a finding: the same in every campaign that meets the signature."""
    return hashlib.sha256(signature.encode("utf-8", "replace")).hexdigest()[:ID_DIGITS]


def add(
    database: Database,
    case: Case,
    verdict: Verdict,
    at_test: int,
    at_seconds: float,
    confirmed: bool,
) -> tuple[Finding, bool]:
    """Count a finding; the finding, and whether it is a new one. See `Store.add_finding`."""
    identity = identity_of(verdict.signature)
    with database.transaction():
        columns = (verdict.kind, verdict.legal, *_case_columns(database, case), verdict.to_json())
        known = next(
            database.rows("select confirmed, legal from findings where id = ?", (identity,)), None
        )
        if known is None:
            database.write(
                "insert into findings (kind, legal, module, rest, verdict, confirmed, id, "
                "signature, first_test, first_seconds, count) values (?,?,?,?,?,?,?,?,?,?,1)",
                (*columns, confirmed, identity, verdict.signature, at_test, at_seconds),
            )
        else:
            database.write("update findings set count = count + 1 where id = ?", (identity,))
            if (confirmed, verdict.legal) > (bool(known[0]), bool(known[1])):
                database.write(
                    "update findings set kind = ?, legal = ?, module = ?, rest = ?, verdict = ?, "
                    "confirmed = ? where id = ?",
                    (*columns, confirmed, identity),
                )
        (finding,) = _read(database, "where findings.id = ?", (identity,))
    return finding, known is None


def listed(database: Database, *, unconfirmed: bool) -> list[Finding]:
    """See `Store.findings`."""
    return list(_read(database, ("" if unconfirmed else "where confirmed ") + _ORDER))


def find(database: Database, beginning: str) -> Finding:
    """See `Store.finding`."""
    digits = beginning.lower()
    found: list[Finding] = []
    if 0 < len(digits) <= ID_DIGITS and all(digit in "0123456789abcdef" for digit in digits):
        found = list(_read(database, "where findings.id like ? limit 2", (f"{digits}%",)))
    if len(found) == 1:
        return found[0]
    if found:
        raise StoreError(f"several findings have an id that begins with {beginning}; give more")
    given, folder = " ".join(beginning[:80].split()), database.folder
    raise StoreError(f"no finding has the id {given}; list them with: tzer findings {folder}")


def latest(database: Database) -> tuple[str, str] | None:
    """See `Store.latest_finding`."""
    query = "select id, verdict from findings where confirmed order by first_test desc, id limit 1"
    for identity, verdict in database.rows(query):
        return str(identity), _verdict(verdict, database).message
    return None


def by_kind(database: Database) -> dict[str, int]:
    """See `Store.findings_by_kind`."""
    query = (
        "select kind, count(*) from findings where confirmed group by kind "
        "order by max(legal) desc, kind"
    )
    return {str(kind): int(count) for kind, count in database.rows(query)}


def _read(database: Database, where: str, values: Row = ()) -> Iterator[Finding]:
    for row in database.rows(_SELECT + where, values):
        identity, signature, kind, legal, confirmed, count, text, rest, verdict, test, seconds = row
        try:
            case = unpack_case(text, rest)
            kind = Kind(kind)
        except (DecodeError, ValueError) as error:
            raise StoreError(damaged(database.folder, f"finding {identity}: {error}")) from None
        yield Finding(
            identity,
            signature,
            kind,
            bool(legal),
            bool(confirmed),
            count,
            case,
            _verdict(verdict, database),
            test,
            seconds,
        )


def _verdict(text: str, database: Database) -> Verdict:
    try:
        verdict = Verdict.from_json(text)
        for name in ("message", "signature", "pass_name"):
            if not isinstance(getattr(verdict, name), str):
                raise TypeError(f"its {name} is no text")
        if not isinstance(verdict.detail, dict):
            raise TypeError("its detail is no object")
        return verdict
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(damaged(database.folder, f"a verdict: {error}")) from None


def _case_columns(database: Database, case: Case) -> tuple[int, str]:
    """(id of the module's row, the case without its module)."""
    return module_row(database, case), pack_rest(case)
