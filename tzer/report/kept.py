"""Programs that a report has printed, kept in the campaign's folder: TVM prints each but once.

They are shown as text, like all of a campaign; a file that is missing, damaged or of other cases
counts as none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from corpus.store import Finding
from harness.system.data import fits, parse_json
from harness.system.files import read_bounded, write_atomically
from tzer.report.programs import NOT_HERE, Programs

NAME = "report-programs.json"
LARGEST = 64 << 20
FORM = {str: {"of": str, "programs": {str: str}}}


def read_programs(directory: Path, findings: Sequence[Finding]) -> dict[str, Programs]:
    """The programs of those findings whose case is the one that was printed, by id."""
    try:
        data = parse_json(read_bounded(directory / NAME, LARGEST).decode())
    except (OSError, ValueError):
        return {}
    if not fits(data, FORM):
        return {}
    return {
        finding.id: data[finding.id].get("programs", {})
        for finding in findings
        if data.get(finding.id, {}).get("of") == finding.case.digest
    }


def keep_programs(
    directory: Path, findings: Sequence[Finding], programs: Mapping[str, Programs]
) -> None:
    """Keep the programs for the next report; without those that TVM could not print today."""
    data = {
        finding.id: {"of": finding.case.digest, "programs": programs[finding.id]}
        for finding in findings
        if finding.id in programs and not programs[finding.id].get("note", "").startswith(NOT_HERE)
    }
    try:
        write_atomically(directory / NAME, json.dumps(data).encode(), follow=False)
    except OSError:
        pass  # a full disk or a folder that is only read: they are printed again
