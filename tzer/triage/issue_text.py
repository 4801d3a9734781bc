"""Issue texts: Markdown in the form of TVM's template for bug reports. Nothing is sent anywhere.

What a finding says stands in blocks of code, fenced by more backticks than it holds, so that
hostile text stays text.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version

from harness.verdict import Kind, Verdict
from tzer.triage.backtrace import frames_of_backtrace
from tzer.triage.examine import Reproducer
from tzer.triage.minimize import Smaller
from tzer.triage.result import TriageResult
from tzer.triage.signature import check_of
from tzer.triage.source_text import LONGEST_TEXT, clean

MOST_FRAMES = 8
LONGEST_TITLE = 120
LONGEST_NAME = 50  # of a pass or a target
PLACES = {
    "": "the compiler",
    "code generation": "code generation for {target}",
    "build": "code generation for {target}",
    "lower": "lowering for {target}",
    "run": "code that was generated for {target}",
}
WHAT: dict[Kind, str] = {
    Kind.CRASH: "{place} crashes",
    Kind.HANG: "{place} does not come to an end",
    Kind.OUT_OF_MEMORY: "{place} runs out of memory on a small program",
    Kind.INTERNAL_ERROR: "{place} fails on a valid program",
    Kind.REJECTED_VALID: "{place} rejects a valid program",
    Kind.ILL_FORMED_IR: "{place} returns a module that is not well formed",
    Kind.WRONG_RESULT: "{place} changes what a program computes",
    Kind.OUT_OF_BOUNDS: "{place} makes a program access memory outside of its buffers",
    Kind.INVALID_CODEGEN: "code generation for {target} writes code that is rejected",
    Kind.ROUND_TRIP: "a module does not survive printing and parsing",
    Kind.NONDETERMINISM: "the same passes on the same module return different modules",
    Kind.SLOW_CODE: "{place} makes a program many times slower",
}


def issue_text(
    result: TriageResult,
    smaller: Smaller,
    reproducer: Reproducer,
    release: str,
    wheels: Sequence[Mapping[str, str]] = (),
) -> str:
    """The Markdown of an issue; `release` is the version of TVM.

    `wheels` has the `version` and `outcome` of each release that the reproducer was run on.
    """
    return "\n".join(_lines(result, smaller, reproducer, release, wheels)) + "\n"


def title_of(result: TriageResult, verdict: Verdict) -> str:
    """One line that says what is wrong, and where; what is free text is code in it."""
    target, name = _code(result.target, LONGEST_NAME), verdict.pass_name
    known = PLACES.get(name)
    place = _code(name, LONGEST_NAME) if known is None else known.format(target=target)
    what = WHAT[verdict.kind].format(place=place, target=target)
    title = f"[Bug] {what}"
    if verdict.kind in (Kind.WRONG_RESULT, Kind.HANG, Kind.CRASH) or not verdict.message:
        return title
    said = _ADDRESS.sub("0x…", check_of(verdict.message)[1] or verdict.message)
    return f"{title}: {_code(said, LONGEST_TITLE - len(title))}"


_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")


def _lines(
    result: TriageResult,
    smaller: Smaller,
    reproducer: Reproducer,
    release: str,
    wheels: Sequence[Mapping[str, str]],
) -> Iterator[str]:
    verdict = smaller.verdict
    yield f"# {title_of(result, verdict)}"
    yield from ("", "### Expected behavior", "", reproducer.expected)
    yield from ("", "### Actual behavior", "")
    yield from _fenced([clean(verdict.message)], "")
    if verdict.pass_name:
        order = "" if verdict.legal else ", in a pass order that TVM's own pipelines don't use"
        yield from ("", f"In {_code(verdict.pass_name)}{order}.")
    frames = list(frames_that_matter(verdict))
    if frames:
        yield ""
        yield from _fenced(frames, "")
    yield from ("", "### Environment", "")
    yield f"- TVM {release}, the wheel from PyPI, with apache-tvm-ffi {version('apache-tvm-ffi')}"
    yield f"- {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    yield f"- seen in {result.shown} of {result.runs} fresh processes"
    for each in wheels:
        yield f"- on apache-tvm {_code(each['version'])}: {_code(each['outcome'])}"
    yield from ("", "### Steps to reproduce", "")
    if reproducer.program is not None:
        yield from _fenced(reproducer.program.strip().split("\n"), "python")
        yield ""
    for what, calls in (("Schedule", smaller.case.trace), ("Passes", smaller.case.passes)):
        if calls:
            yield from (f"{what}: " + ", ".join(_code(str(call)) for call in calls), "")
    yield "This script exits with status 1 where the bug shows, and with 0 where it does not."
    yield ""
    yield from _fenced(reproducer.script.rstrip("\n").split("\n"), "python")
    yield from ("", "### Triage", "", "* needs-triage")


def _code(text: str, longest: int = LONGEST_TEXT) -> str:
    text = clean(text).replace("`", "'")
    return f"`{text if len(text) <= longest else f'{text[: longest - 1]}…'}`"


def frames_that_matter(verdict: Verdict) -> Iterator[str]:
    """The innermost frames inside the compiler, innermost first, without what lies between."""
    trace, frames = verdict.detail.get("backtrace"), verdict.detail.get("frames")
    found: list[str] = []
    if isinstance(trace, str):
        for known in frames_of_backtrace(trace):
            if known.file:
                found.append(f"{known.file}:{known.line} in {known.function}")
            elif known.matters:
                found.append(known.function)
    elif isinstance(frames, list):
        for frame in frames:
            match frame:
                case [str(library), str(file), int(offset)] if "tvm" in library:
                    found.append(f"{file or library} (function at +{offset:#x})")
    yield from (clean(frame) for frame in list(dict.fromkeys(found))[:MOST_FRAMES])


def _fenced(lines: list[str], language: str) -> Iterator[str]:
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield fence + language
    yield from lines
    yield fence
