"""The folder of triage inside of a campaign's: what was found out so far, and what is to be filed.

    triage/work/ID.json   what triage knows of a finding: its smallest case, and its result
    triage/ID.py, ID.md   the reproducer and the issue text of each reported bug
    triage/index.json     all results, as `tzer triage --json` prints them
    triage/wheels.json    what `tzer bisect` says of each finding: a list of releases by id

Whoever sent the campaign may have sent these files as well. So what is read here is checked like a
store, and no script is taken from it: reproducers are written anew from their cases. Nothing is
written through a link.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import StoreError
from corpus.lock import FolderLock
from harness import UserError
from harness.case import Case, CaseError
from harness.system.data import Form, fits, is_amount, is_count, parse_json
from harness.system.files import read_bounded, write_atomically
from harness.verdict import Verdict
from tzer.triage.minimize import Smaller
from tzer.triage.result import Status, TriageResult
from tzer.triage.wheels import in_order

NAME = "triage"
WHEELS = "wheels.json"
FORMAT = 1
Wheels = dict[str, list[dict[str, Any]]]  # by finding, as `tzer bisect --json` prints each
LARGEST = 64 << 20
EXAMINED = (Status.REPORTED, Status.FLAKY, Status.INVALID)  # a duplicate is one of another's
SMALLER: dict[str, Form] = {
    "case": str,
    "verdict": str,
    "readable": bool,
    "round": is_count,
    "step": is_count,
    "tests": is_count,
    "seconds": is_amount,
    "complete": bool,
}
KEPT: Form = {"format": is_count, "of": str, "smaller": dict | None, "result": dict | None}


@dataclass(frozen=True)
class Kept:
    """What an earlier run has found out of a finding: its smallest case so far, and its result."""

    smaller: Smaller | None = None
    result: TriageResult | None = None


class TriageFolder:
    """The folder, locked against another triage of the same campaign."""

    def __init__(self, campaign: Path) -> None:
        """Open the folder, and make it if there is none.

        Raises:
            UserError: it can't be written, is a link, or another triage is at work in it.
        """
        _refuse_links(campaign)
        self.path = campaign / NAME
        try:
            (self.path / "work").mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(self.path)
        except StoreError:
            raise UserError(
                f"another triage is at work in {self.path}; wait for it, or stop it"
            ) from None
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def close(self) -> None:
        self._lock.release()

    def load(self, finding_id: str, of: str) -> Kept:
        """See `read_kept`."""
        return read_kept(self.path.parent, finding_id, of)

    def save(self, finding_id: str, of: str, kept: Kept) -> None:
        """Keep what was found out. Raises UserError if it can't be written."""
        smaller = kept.smaller
        data = {
            "format": FORMAT,
            "of": of,
            "smaller": smaller
            and {
                **{k: v for k, v in vars(smaller).items() if k in SMALLER},
                "case": smaller.case.to_json(),
                "verdict": smaller.verdict.to_json(),
            },
            "result": kept.result and kept.result.to_data(),
        }
        self.write(self._work(finding_id), json.dumps(data))

    def publish(self, results: list[TriageResult], texts: dict[str, tuple[str, str]]) -> None:
        """Write the index, and the script and issue text of each id in `texts`; those of the other
        results, which an earlier run took for bugs of their own, are removed.

        What an earlier run has found of other findings stays in the index.
        """
        for result in results:
            script, issue = texts.get(result.id, (None, None))
            for suffix, text in ((".py", script), (".md", issue)):
                path = self.path / f"{result.id}{suffix}"
                if text is not None:
                    self.write(path, text)
                else:
                    self._remove(path)
        campaign = self.path.parent
        wheels = read_wheels(campaign)
        index = read_index(campaign) | {result.id: result for result in results}
        data = [with_files(result, wheels) for result in index.values()]
        self.write(self.path / "index.json", json.dumps(data, indent=2))

    def write(self, path: Path, text: str) -> None:
        """Write a file whole or not at all. Raises UserError."""
        try:
            write_atomically(path, text.encode("utf-8", "backslashreplace"), follow=False)
        except OSError as error:
            raise _unwritable(path, error) from None

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(path, error) from None

    def _work(self, finding_id: str) -> Path:
        return _work(self.path.parent, finding_id)


def read_kept(campaign: Path, finding_id: str, of: str) -> Kept:
    """What is kept of a finding; nothing if it is of another case than `of`, or damaged."""
    try:
        data = parse_json(read_bounded(_work(campaign, finding_id), LARGEST).decode())
        if not fits(data, KEPT) or (data["format"], data["of"]) != (FORMAT, of):
            return Kept()
        kept = Kept(_smaller(data["smaller"]), _result(data["result"]))
    except (OSError, ValueError, KeyError, TypeError, CaseError):
        return Kept()
    return kept if kept.result is None or _is_of(kept.result, finding_id, kept.smaller) else Kept()


def _is_of(result: TriageResult, finding_id: str, smaller: Smaller | None) -> bool:
    """Whether it is one that an examination of this finding ends with: its id names files."""
    if result.id != finding_id or result.status not in EXAMINED:
        return False
    return result.status is not Status.REPORTED or smaller is not None


def _work(campaign: Path, finding_id: str) -> Path:
    return campaign / NAME / "work" / f"{finding_id}.json"


def read_index(campaign: Path) -> dict[str, TriageResult]:
    """The results of the last triage of a campaign, by id; none where there was none."""
    try:
        data = parse_json(read_bounded(campaign / NAME / "index.json", LARGEST).decode())
        known = (_result({k: v for k, v in each.items() if k not in ADDED}) for each in data)
        return {result.id: result for result in known if result is not None}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def minimized(campaign: Path) -> dict[str, dict[str, Any]]:
    """How many lines and passes are left of each finding that the last triage has minimized."""
    results = read_index(campaign).values()
    return {
        result.id: {"lines": result.after.lines, "passes": result.after.passes}
        for result in results
        if result.after is not None
    }


def read_wheels(campaign: Path) -> Wheels:
    """What the last bisections said of each finding; nothing where there was none."""
    try:
        data = parse_json(read_bounded(campaign / NAME / WHEELS, LARGEST).decode())
    except (OSError, ValueError):
        return {}
    return data if fits(data, {str: [_is_run]}) else {}


def keep_wheels(campaign: Path, found: Wheels) -> None:
    """Add what a bisection said of findings; what others said of other releases stays.

    Raises:
        OSError: it can't be written.
        UserError: a folder in it is a link.
    """
    _refuse_links(campaign)
    place = campaign / NAME
    place.mkdir(exist_ok=True)
    folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # of two at once, the second adds to the first
        kept = read_wheels(campaign)
        for name, runs in found.items():
            by_release = {run["version"]: run for run in (*kept.get(name, ()), *runs)}
            kept[name] = [by_release[version] for version in in_order(by_release)]
        write_atomically(place / WHEELS, json.dumps(kept, indent=1).encode(), follow=False)
    finally:
        os.close(folder)


def _refuse_links(campaign: Path) -> None:
    """Raises UserError where triage would write elsewhere than in the campaign's folder."""
    for place in (campaign / NAME, campaign / NAME / "work", campaign / NAME / "lock"):
        if place.is_symlink():
            raise UserError(f"{place} is a link, which may lead anywhere; remove it")


def _is_run(value: Any) -> bool:
    names = ("version", "outcome")
    return fits(value, dict.fromkeys(names, str)) and all(name in value for name in names)


FILES = {"reproducer": ".py", "issue": ".md"}
ADDED = (*FILES, "wheels")


def with_files(result: TriageResult, wheels: Wheels) -> dict[str, Any]:
    """The keys of `tzer triage --json`: the result, its files in the campaign's folder, and what
    came of it on releases of TVM (null where nobody has tried)."""
    reported = result.status is Status.REPORTED
    names = {name: f"{NAME}/{result.id}{suffix}" for name, suffix in FILES.items()}
    files = {name: file if reported else None for name, file in names.items()}
    return result.to_data() | files | {"wheels": wheels.get(result.id)}


def _smaller(data: Any) -> Smaller | None:
    if data is None or not fits(data, SMALLER):
        return None
    case, verdict = Case.from_json(data["case"]), Verdict.from_json(data["verdict"])
    return Smaller(**{**data, "case": case, "verdict": verdict})


def _result(data: Any) -> TriageResult | None:
    return None if data is None else TriageResult.from_data(data)


def _unwritable(path: Path, error: OSError) -> UserError:
    reason = error.strerror or str(error)
    return UserError(
        f"{path} can't be written: {reason}; what was found out so far is kept: fix that, and run "
        "tzer triage again"
    )
