"""Minimization: the smallest case of a finding that still shows it.

The steps of `tzer.triage.steps` propose smaller cases, a worker judges them, and the first that
shows the finding is what is shrunk further, until no step finds anything. A case shows the finding
if it has the same signature (`signature.py`) in a legal order where the finding's was; the oracles
call a program invalid that has no meaning, so that shrinking never leaves the valid ones. Each
choice depends on the case alone, but for the time limit; what a step has reached is handed to
`on_smaller`, and minimization goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from harness.case import Case
from harness.verdict import Kind, Verdict
from harness.worker.post_mortem import verdict_of
from harness.worker.sandbox import JobResult, Worker
from tzer.triage.signature import oracles_of, signature_of

HANDLER = "tzer.triage.worker_job:handle"
BATCH = 12
MOST_ROUNDS = 8
JUDGE_SECONDS = 20.0
# What hung for 20 s is taken to hang after these; it is confirmed with 20 s.
HANG_SECONDS = 4.0


class Interrupted(Exception):
    """Triage is to end now."""


@dataclass(frozen=True)
class Shown:
    """How a finding shows: its signature, whether in a legal order, and what has to be run for it.

    `interpreted`: the interpreter says what the program means, and has to go on doing so.
    """

    signature: str
    kind: Kind
    legal: bool
    native: bool
    oracles: tuple[str, ...]
    interpreted: bool


@dataclass(frozen=True)
class Smaller:
    """A case that shows the finding, with its verdict, and where minimization stands.

    Once its program is `readable` (its TVMScript parses back to it), it stays so.
    """

    case: Case
    verdict: Verdict
    readable: bool = False
    round: int = 0
    step: int = 0
    tests: int = 0
    seconds: float = 0.0
    complete: bool = False


@dataclass
class Judge:
    """Has a worker judge cases; what it dies of is a verdict as well.

    `on_fault` gets the traceback of each job that an exception of our own has ended.
    """

    worker: Worker
    stopped: Callable[[], bool] = lambda: False
    on_fault: Callable[[str], None] = lambda traceback: None

    def verdict(
        self,
        case: Case,
        *,
        native: bool,
        oracles: tuple[str, ...] | None,
        fresh: bool = False,
        seconds: float = JUDGE_SECONDS,
    ) -> tuple[Verdict, bool]:
        """The verdict, and whether the interpreter supports the program.

        Raises:
            Interrupted: triage ends.
        """
        request = {"do": "judge", "case": case.to_json(), "native": native, "oracles": oracles}
        result = self.run(request, fresh=fresh, seconds=seconds)
        if result.status != "done":
            # It got past the interpreter: what that does is never a finding.
            return verdict_of(result), True
        return Verdict.from_json(result.reply["verdict"]), bool(result.reply["interpreted"])

    def run(self, request: dict[str, Any], *, fresh: bool = False, seconds: float) -> JobResult:
        """The result of one job. Raises Interrupted if triage ends."""
        if self.stopped():
            raise Interrupted
        result = self.worker.run(request, fresh=fresh, seconds=seconds)
        if result.status == "interrupted" or self.stopped():
            raise Interrupted
        if result.fault:
            self.on_fault(result.fault)
        return result

    def steps(self) -> list[tuple[str, bool]]:
        """The names of all steps in their order, and whether each is tried in two rounds alone."""
        done = self.run({"do": "steps"}, seconds=JUDGE_SECONDS)
        return [(name, once) for name, once in done.reply["steps"]]

    def first_sight(self, case: Case, wanted: str) -> tuple[Shown | None, Verdict]:
        """How the case shows a finding of this signature, by the cheapest means that does; if it
        shows another one, that one. None, and the last verdict, if it shows nothing."""
        other: tuple[Shown, Verdict] | None = None
        verdict = Verdict(Kind.OK)
        for native in (False, True):
            verdict, interpreted = self.verdict(case, native=native, oracles=None, fresh=True)
            found = signature_of(verdict, case.target)
            if not found:
                continue
            oracles = oracles_of(verdict)
            shown = Shown(found, verdict.kind, verdict.legal, native, oracles, interpreted)
            if found == wanted:
                return shown, verdict
            other = other or (shown, verdict)
        return other or (None, verdict)


@dataclass
class Minimizer:
    """Shrinks one case; `deadline` is by `time.monotonic`."""

    judge: Judge
    shown: Shown
    deadline: float
    on_smaller: Callable[[Smaller], None] = lambda smaller: None
    _tried: set[str] = field(default_factory=set)
    _passed: set[str] = field(default_factory=set)  # that show the finding, in the step at hand

    def run(self, start: Smaller) -> Smaller:
        """The smallest case that was found before the deadline.

        Raises:
            Interrupted: triage ends; what was found was handed to `on_smaller`.
        """
        began = time.monotonic() - start.seconds
        current = replace(start, readable=self._is_readable(start.case))
        steps = self.judge.steps()
        for number in range(start.round, MOST_ROUNDS):
            before = current.case
            first = start.step if number == start.round else 0
            for index, (name, once) in enumerate(steps[first:], first):
                if once and number > 1:
                    continue
                at = replace(current, round=number, step=index)
                current = self._after_step(name, once, at, began)
                if time.monotonic() > self.deadline:
                    return current
            if current.case == before:
                break
        return replace(current, complete=True, seconds=time.monotonic() - began)

    def _after_step(self, step: str, once: bool, current: Smaller, began: float) -> Smaller:
        """The case after a step, which is readable if it was before.

        Printing and parsing takes longer than judging: it is done once, and only where that fails
        the step is repeated with each case looked at.
        """
        after = self._exhausted(step, once, current, checked=False)
        if after.case == current.case:
            return after
        readable = self._is_readable(after.case)
        if current.readable and not readable:
            again = replace(current, tests=after.tests)
            after = self._exhausted(step, once, again, checked=True)
        self._tried |= self._passed
        after = replace(after, readable=current.readable or readable)
        after = replace(after, seconds=time.monotonic() - began)
        self.on_smaller(after)
        return after

    def _exhausted(self, step: str, once: bool, current: Smaller, *, checked: bool) -> Smaller:
        """The case after a step has nothing more to propose; each was readable if `checked`."""
        self._passed = {current.case.digest}
        position, total = 0, 1
        while position < total and time.monotonic() < self.deadline:
            request = {
                "do": "propose",
                "case": current.case.to_json(),
                "step": step,
                "start": position,
                "count": BATCH,
            }
            proposed = self.judge.run(request, seconds=JUDGE_SECONDS)
            if proposed.status != "done":  # an edit has killed the worker: the rest of the batch
                position += BATCH
                continue
            total = int(proposed.reply["total"])
            found = self._first_that_shows(proposed.reply["candidates"], current, checked)
            if found is None:
                position += BATCH
                continue
            index, current = found
            position += index
            if once:
                break
        return current

    def _first_that_shows(
        self, candidates: list[str | None], current: Smaller, checked: bool
    ) -> tuple[int, Smaller] | None:
        tests = current.tests
        for index, text in enumerate(candidates):
            if time.monotonic() > self.deadline:
                return None
            if text is None:
                continue
            case = Case.from_json(text)
            if case.digest in self._tried or case.digest in self._passed:
                continue
            tests += 1
            verdict = self._verdict_if_shown(case)
            if verdict is not None and (not checked or self._is_readable(case)):
                self._passed.add(case.digest)
                return index, replace(current, case=case, verdict=verdict, tests=tests)
            self._tried.add(case.digest)
        return None

    def _is_readable(self, case: Case) -> bool:
        asked = {"do": "readable", "case": case.to_json()}
        result = self.judge.run(asked, seconds=JUDGE_SECONDS)
        return result.status == "done" and bool(result.reply["readable"])

    def _verdict_if_shown(self, case: Case) -> Verdict | None:
        shown = self.shown
        seconds = HANG_SECONDS if shown.kind is Kind.HANG else JUDGE_SECONDS
        verdict, interpreted = self.judge.verdict(
            case, native=shown.native, oracles=shown.oracles, seconds=seconds
        )
        if not verdict.is_finding or signature_of(verdict, case.target) != shown.signature:
            return None
        if (shown.legal and not verdict.legal) or (shown.interpreted and not interpreted):
            return None
        return verdict
