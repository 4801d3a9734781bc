"""Known issues for triage: the table of the harness, and a file of the user's own.

The file is a JSON list of objects with the fields of `KnownIssue`: `name`, `reference`, `why`,
`kinds` and `signature`, a regular expression that is searched for in a finding's signature, as
`tzer findings --json` and `tzer triage --json` print them; `releases` may be left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness import UserError
from harness.oracles.known_issues import BOTH, KNOWN_ISSUES, KnownIssue
from harness.system.data import Form, fits, parse_json
from harness.system.files import read_bounded
from harness.system.text import first_line
from harness.verdict import Kind

LARGEST = 4 << 20
REQUIRED: dict[str, Form] = {
    "name": str,
    "reference": str,
    "why": str,
    "kinds": [str],
    "signature": str,
}
OPTIONAL: dict[str, Form] = {"releases": [str]}


def known_issues(path: Path | None = None) -> tuple[KnownIssue, ...]:
    """The issues of the user's file, if one is named, and those of the harness after them.

    Raises:
        UserError: the file can't be read, or is not of the form that the module describes.
    """
    return (*(_read(path) if path else ()), *KNOWN_ISSUES)


def which(
    kind: str, signatures: Iterable[str], issues: Sequence[KnownIssue], release: str
) -> KnownIssue | None:
    """The first issue of this release that one of the signatures of a finding is one of."""
    texts = list(signatures)
    for issue in issues:
        if kind not in issue.kinds or not release.startswith(issue.releases):
            continue
        if any(re.search(issue.signature, text) for text in texts):
            return issue
    return None


def _read(path: Path) -> list[KnownIssue]:
    try:
        data = parse_json(read_bounded(path, LARGEST))
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {first_line(error)}") from None
    if not isinstance(data, list):
        raise UserError(
            f"{path} must hold a list of known issues; tzer triage --known --json has one"
        )
    return [_issue(path, number, each) for number, each in enumerate(data)]


def _issue(path: Path, number: int, data: Any) -> KnownIssue:
    place = f"{path}, issue {number}"
    if not fits(data, {**REQUIRED, **OPTIONAL}) or not REQUIRED.keys() <= data.keys():
        raise UserError(f"{place}: it needs name, reference, why and signature, and a list kinds")
    try:
        kinds = tuple(Kind(kind) for kind in data["kinds"])
        re.compile(data["signature"])
    except (ValueError, OverflowError, RecursionError, re.error) as error:
        raise UserError(f"{place}: {first_line(error)}") from None
    releases = tuple(data.get("releases", BOTH))
    texts = {name: data[name] for name in ("name", "reference", "why", "signature")}
    return KnownIssue(**texts, kinds=kinds, releases=releases)


def as_data(issue: KnownIssue) -> dict[str, Any]:
    """An issue as `tzer triage --known --json` prints it, and as a file of the user's holds it."""
    return {
        "name": issue.name,
        "reference": issue.reference,
        "why": issue.why,
        "kinds": [str(kind) for kind in issue.kinds],
        "signature": issue.signature,
        "releases": list(issue.releases),
    }
