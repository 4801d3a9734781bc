"""One finding in words: what `tzer show` prints of it, beside its program."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from corpus.store import Finding
from harness.case import Case, PassCall, PrimitiveCall
from harness.system.text import printable
from harness.verdict import Verdict
from tzer.triage.source_text import fold


def folded(lines: Iterable[str], width: int) -> Iterator[str]:
    """The lines, those that are longer than `width` characters as several, indented further."""
    for line in lines:
        shown = printable(line)
        yield from [shown] if len(shown) <= width else fold(shown, width)


def everything(finding: Finding) -> dict[str, Any]:
    """All that the store says of a finding; its case is what `harness.case.Case` reads."""
    verdict = finding.verdict
    more = {"stage": str(verdict.stage), "detail": verdict.detail}
    return finding.summary() | more | {"case": json.loads(finding.case.to_json())}


def describe(finding: Finding) -> Iterator[str]:
    """All that the store says of a finding, without its program."""
    verdict, case = finding.verdict, finding.case
    order = "legal" if finding.legal else "illegal"
    confirmed = "" if finding.confirmed else ", not confirmed by a fresh process"
    yield f"{finding.id}  {finding.kind}, {order} pass order{confirmed}"
    yield verdict.message
    yield f"signature  {finding.signature}"
    yield f"seen       {finding.count} times, first in test {finding.first_test}"
    yield from outcome(case, verdict)


def outcome(case: Case, verdict: Verdict) -> Iterator[str]:
    """Where a case failed and how, what was expected, and its passes."""
    yield f"stage      {verdict.stage}"
    if verdict.pass_name:
        yield f"in         {verdict.pass_name}"
    yield f"origin     {case.origin}; target {case.target}, opt level {case.opt_level}"
    frames = verdict.detail.get("frames")
    for frame in frames[:12] if isinstance(frames, list) else ():
        match frame:
            case [library, symbol, int() as offset]:
                yield f"  at {symbol or library}+{offset:#x}"
    for name in ("expected", "actual"):
        if name in verdict.detail:
            yield f"{name:10} {verdict.detail[name]}"
    in_schedule = verdict.stage.sequence == "schedule"
    if case.trace:
        yield "schedule"
        yield from _marked(case.trace, verdict, in_schedule)
    yield "passes" if case.passes else "passes     none: the plain lowering shows it"
    yield from _marked(case.passes, verdict, not in_schedule)


def _marked(
    calls: Sequence[PassCall | PrimitiveCall], verdict: Verdict, has_culprit: bool
) -> Iterator[str]:
    """The calls, a line each, with a mark at the culprit if it is one of them."""
    position = verdict.stage.pass_index
    for index, call in enumerate(calls):
        here = call.name == verdict.pass_name if position is None else index == position
        yield f"  {call}{'   <- here' if here and has_culprit else ''}"
