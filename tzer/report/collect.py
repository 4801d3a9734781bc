"""What a report says of a campaign, as JSON. Loads no TVM.

Reads the store, at any time, and what `tzer triage` has left beside it.
"""

from __future__ import annotations

import platform
import re
import shlex
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from corpus.store import TIMELINE, Finding, ListedFinding, Store
from harness import UserError
from harness.system.files import read_bounded
from harness.system.text import printable
from tzer import __version__, payoff
from tzer.cov import by_file, by_pass
from tzer.progress import SPENT
from tzer.report.programs import Programs
from tzer.triage.folder import NAME, read_index, read_wheels

MOST_POINTS = 500  # of a chart
LARGEST_SCRIPT = 1 << 20
_ID = re.compile(r"[0-9a-f]{8}")
MOST_FINDINGS = 2000
MOST_BYTES = 6 << 20  # of programs; those of later findings are left out


def collect(
    store: Store, programs: dict[str, Programs], findings: list[Finding], *, live: bool = False
) -> dict[str, Any]:
    """The data of the page; `programs` are those of `tzer.report.programs` by finding."""
    stats, settings = store.stats(), store.settings()
    files, note = _files(store)
    return {
        "written": time.strftime("%Y-%m-%d %H:%M:%S"),
        "live": live,
        "campaign": {
            "folder": printable(str(store.folder)),
            "tvm": str(settings.get("tvm", "unknown")).partition(" ")[0],
        },
        "stats": stats,
        "spent": [{"name": name, "seconds": stats[key]} for key, name in SPENT.items()],
        "timeline": _timeline(store),
        "findings": _findings(findings, programs, _triage(store.folder)),
        "files": files,
        "files_note": note,
        "passes": [row.summary() for row in by_pass(store)],
        "payoff": _payoff(store),
        "setup": _setup(store, stats, settings),
    }


def whole_findings(store: Store) -> list[Finding]:
    """The campaign's confirmed findings with their cases, in the order of `tzer findings`."""
    listed: list[ListedFinding] = store.findings()[:MOST_FINDINGS]
    return [store.finding(each.id) for each in listed]


def _timeline(store: Store) -> dict[str, list[float]]:
    points = store.timeline()
    step = max(1, -(-len(points) // MOST_POINTS))
    kept = points[::step]
    if points and kept[-1] is not points[-1]:
        kept.append(points[-1])
    names = ("elapsed", *TIMELINE[1:])
    return {
        name: [round(point[key], 1) for point in kept]
        for name, key in zip(names, TIMELINE, strict=True)
    }


def _findings(
    findings: list[Finding], programs: dict[str, Programs], triaged: dict[str, dict[str, str]]
) -> list[dict[str, Any]]:
    rows, left = [], MOST_BYTES
    for finding in findings:
        verdict, case, known = finding.verdict, finding.case, finding.known
        texts = programs.get(finding.id, {})
        size = sum(len(text.encode(errors="replace")) for text in texts.values())
        if size > left:
            texts = {"note": f"left out, as the report is large: tzer show prints {finding.id}"}
        else:
            left -= size
        rows.append(
            {
                **{key: value for key, value in finding.summary().items() if key != "minimized"},
                "stage": str(verdict.stage),
                "known": known and {"reference": known.reference, "why": known.why},
                "target": case.target,
                "opt_level": case.opt_level,
                "passes": [str(call) for call in case.passes],
                "trace": [str(call) for call in case.trace],
                "triage": triaged.get(finding.id),
                **texts,
            }
        )
    return rows


def _triage(campaign: Path) -> dict[str, dict[str, str]]:
    """What triage and bisection say of each finding, with its reproducer and its issue text.

    The files may come from elsewhere: what is not as expected is left out, and all of it is text.
    """
    results, wheels = read_index(campaign), read_wheels(campaign)
    found = {}
    for finding_id in {*results, *wheels}:
        if not _ID.fullmatch(finding_id):
            continue
        result = results.get(finding_id)
        runs = [
            f"{each.get('version')}: {each.get('outcome')}" for each in wheels.get(finding_id, ())
        ]
        found[finding_id] = {
            "status": str(result.status) if result else "",
            "reason": result.reason if result else "",
            "versions": ", ".join(runs),
            "reproducer": _text_of(campaign / NAME / f"{finding_id}.py"),
            "issue": _text_of(campaign / NAME / f"{finding_id}.md"),
        }
    return found


def _text_of(path: Path) -> str:
    """The text of a file; "" where it is none, or a link: who opens a report may pass it on."""
    try:
        if path.is_symlink() or path.parent.is_symlink():
            return ""
        return read_bounded(path, LARGEST_SCRIPT).decode("utf-8", "replace")
    except OSError:
        return ""


def _files(store: Store) -> tuple[list[dict[str, str | int]], str]:
    try:
        return [row.summary() for row in by_file(store)], ""
    except (UserError, OSError) as error:  # another TVM, or none, or another system
        return [], f"Blocks can't be told apart by source file here: {error}"
    except PackageNotFoundError:
        return [], "Blocks can't be told apart by source file here: apache-tvm is not installed"


def _payoff(store: Store) -> list[dict[str, str | float]]:
    state = store.learned().get("payoff", {})
    return [
        {"name": name, "kind": kind, **{key: round(number, 2) for key, number in sums.items()}}
        for kind, table in payoff.as_data(state).items()
        for name, sums in table.items()
    ]


def _setup(store: Store, stats: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    seed = store.progress().get("seed", settings.get("seed"))
    words = ["tzer", "fuzz", "--time", f"{max(1, round(stats['elapsed_s']))}s", "--out", "again"]
    for name, option in (("targets", "--target"), ("scope", "--scope")):
        if settings.get(name):
            words += [option, ",".join(settings[name])]
    if settings.get("strategy"):
        words += ["--strategy", settings["strategy"]]
    if seed is not None:
        words += ["--seed", str(seed)]
    rows = [
        ("TVM of the campaign", settings.get("tvm", "unknown")),
        ("tzer", __version__),
        ("apache-tvm-ffi here", _installed("apache-tvm-ffi")),
        ("Python here", platform.python_version()),
        ("System here", platform.platform()),
    ]
    command = " ".join(shlex.quote(printable(word)) for word in words)
    return {"command": command, "rows": [[name, printable(str(value))] for name, value in rows]}


def _installed(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
