"""What is to be triaged: the findings of a campaign, or cases in a folder, as jitweb keeps them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from corpus.schema import FILE
from corpus.store import Finding, Store
from harness import UserError
from harness.case import Case
from harness.console.probes import release_of
from harness.system.files import read_bounded
from harness.system.text import first_line
from harness.verdict import Kind, Verdict
from tzer.cov import tvm_release

LARGEST_CASE = 64 << 20
ID_DIGITS = 8


def findings_of(directory: Path, ids: Sequence[str]) -> tuple[list[Finding], list[str]]:
    """The findings to triage, all unless `ids` name some, and what a user should know of them.

    Raises:
        UserError: there is neither a campaign nor a case, no finding has one of the ids, or the
            campaign is of another release of TVM, which could load none of them.
    """
    if not (directory / FILE).exists() and directory.is_dir():
        cases = sorted(directory.glob("*.json"))
        if cases:
            return _of_cases(cases, ids)
    with Store.open(directory) as store:
        release, ours = str(store.settings().get("tvm", "")).partition(" ")[0], tvm_release()
        if release and release_of(release)[:2] != release_of(ours)[:2]:
            raise UserError(
                f"the campaign is of TVM {release}, and TVM {ours.split()[0]} can't load its "
                "modules: use tzer where that release is installed"
            )
        wanted = ids or [listed.id for listed in store.findings(unconfirmed=True)]
        found = _each_once(store.finding(each) for each in wanted)
    if release in ("", ours.split()[0]):
        return found, []
    return found, [f"note: the campaign is of TVM {release}, and this is {ours}"]


def _of_cases(files: Sequence[Path], ids: Sequence[str]) -> tuple[list[Finding], list[str]]:
    found, notes = [], []
    for path in files:
        try:
            found.append(_finding(Case.from_json(read_bounded(path, LARGEST_CASE).decode())))
        except (UserError, OSError, UnicodeDecodeError) as error:
            notes.append(f"note: {path} is left out: {first_line(error)}")
    if ids:
        found = _each_once(_named(found, ids))
    return found, notes


def _each_once(findings: Iterable[Finding]) -> list[Finding]:
    """Without those that a second id has named again, perhaps in fewer digits."""
    return list({finding.id: finding for finding in findings}.values())


def _named(found: Sequence[Finding], ids: Sequence[str]) -> Iterator[Finding]:
    for each in ids:
        named = [finding for finding in found if finding.id.startswith(each.lower())]
        if len(named) != 1:
            raise UserError(f"{len(named)} cases have an id that begins with {each[:40]}")
        yield named[0]


def _finding(case: Case) -> Finding:
    """A case of which nobody has said yet what it shows."""
    number = hashlib.sha256(case.to_json().encode()).hexdigest()[:ID_DIGITS]
    verdict = Verdict(Kind.WRONG_RESULT)
    return Finding(number, "", verdict.kind, True, False, 1, verdict, 0, 0.0, case)
