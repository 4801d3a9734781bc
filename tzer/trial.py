"""Trial: one test, from a plan to what it brought. Stands between the campaign and one worker.

The worker makes the mutant and judges it. What follows is done only where it pays: new blocks are
calibrated (the case is run again, and what does not come again is unstable), the passes that the
new coverage doesn't need are dropped, the case that is kept is traced whole, and a finding of a new
signature is confirmed in a fresh process.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np

from harness.case import Case, PassCall
from harness.verdict import Kind, Verdict
from harness.worker.post_mortem import verdict_of
from harness.worker.progress_page import Spent
from harness.worker.sandbox import JobResult, SandboxError, Settings
from tzer.coverage_map import NO_BLOCKS, CoverageMap, Line
from tzer.joint import MutationPlan, passes_that_matter
from tzer.native_runs import NativeRuns, Reason

# One test in so many records the Python lines of TVM, which takes it twice as long.
PYTHON_EVERY = 50
SEED_PYTHON_EVERY = 4
# Whole traces may take this share of the worker's time; entries beyond it keep their new blocks.
TRACE_SHARE = 0.05
# So may native runs: what is not run now will have to wait for another of its shape.
NATIVE_SHARE = 0.1
START_ATTEMPTS = 8
START_PAUSE = 0.5

Result = TypeVar("Result")


class AnyWorker(Protocol):
    """What runs jobs: a `harness.worker.sandbox.Worker`, or something like it elsewhere."""

    settings: Settings
    native: bool
    start_blocks: np.ndarray

    def run(self, request: dict[str, Any], *, fresh: bool = False) -> JobResult: ...

    def forget_known(self, blocks: np.ndarray) -> None: ...

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


class Stopped(Exception):
    """The campaign ends: what is in flight is dropped."""


@dataclass(frozen=True)
class Trial:
    """What one test brought.

    `case` is None where no mutant could be made. `kept` is the case to keep in the corpus, with
    only the passes that mattered, or None. `new` are its stable blocks that nobody reached before,
    `reached` all in-scope blocks of it that are known (as far as it was traced). `ingredients` are
    what a changed program has that TVM is known to fail on.
    """

    case: Case | None = None
    verdict: Verdict | None = None
    mutator: str = ""
    new: np.ndarray = field(default_factory=lambda: NO_BLOCKS)
    lines: frozenset[Line] = frozenset()
    kept: Case | None = None
    reached: np.ndarray = field(default_factory=lambda: NO_BLOCKS)
    confirmed: bool = False
    seconds: float = 0.0
    fault: str = ""
    native: Reason = Reason.NONE
    ingredients: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        return bool(self.new.size or self.lines)


class Examiner:
    """Carries out tests on one worker. Used by one thread.

    `wants_confirmation(signature)` says whether a finding is still to be confirmed; `on_fault` gets
    the traceback of each job that an exception of our own code has ended.
    """

    def __init__(
        self,
        worker: AnyWorker,
        coverage_map: CoverageMap,
        stopping: threading.Event,
        wants_confirmation: Callable[[str], bool],
        targets: Sequence[str],
        on_fault: Callable[[str], None] = lambda traceback: None,
        native_runs: NativeRuns | None = None,
        trickle: Sequence[str] = (),
    ) -> None:
        self.worker = worker
        self.coverage_map = coverage_map
        self.stopping = stopping
        self.wants_confirmation = wants_confirmation
        self.targets = list(targets)
        self.trickle = list(trickle)
        self.on_fault = on_fault
        self.native_runs = native_runs or NativeRuns(random.Random(0))
        self.spent = dict.fromkeys(Spent, 0.0)
        self.busy_seconds = 0.0
        self._trace_seconds = 0.0
        self._native_seconds = 0.0
        self._started = time.monotonic()
        self.ended: float | None = None
        self._settled = 0
        self._tests = 0

    @property
    def wall_seconds(self) -> float:
        """From the begin of this worker's thread to its end; what it waits for counts."""
        return (self.ended or time.monotonic()) - self._started

    def test_plan(
        self, plan: MutationPlan, parent: Case | None, partner: tuple[PassCall, ...], keep_all: bool
    ) -> Trial:
        """Make the mutant that the plan asks for and test it."""
        started = time.perf_counter()
        request = {
            "do": "mutate",
            "action": plan.action,
            "case": parent.to_json() if parent is not None else None,
            "partner": [[call.name, list(call.args)] for call in partner],
            "mutators": list(plan.mutators),
            "count": plan.count,
            "legal": plan.legal,
            "seed": plan.seed,
            "targets": self.targets,
            "trickle": self.trickle,
            "avoid": list(plan.avoid),
            "wanted": list(plan.wanted),
            "after": [list(pair) for pair in plan.after],
        }
        made = self._run(request)
        if made.status in ("died", "hung") and made.stage.sequence == "schedule":
            # A drawn primitive ended the process: it is the last one of the case to test.
            made = self._run({**request, "fatal": made.stage.pass_index})
        if made.status != "done" or "case" not in made.reply:
            died = f"a mutation {made.status}: {made.stderr[-200:]}"
            fault = made.reply["error"] if made.status == "done" else died
            return Trial(seconds=time.perf_counter() - started, fault=fault)
        case = Case.from_json(made.reply["case"])
        trial = self.test(case, reached_by_mutator=made.blocks, keep_all=keep_all)
        seconds = time.perf_counter() - started
        mutator, fault = made.reply["mutator"], made.reply["error"]
        had = tuple(made.reply.get("ingredients", ()))
        return replace(trial, mutator=mutator, fault=fault, seconds=seconds, ingredients=had)

    def test(
        self,
        case: Case,
        *,
        reached_by_mutator: np.ndarray = NO_BLOCKS,
        keep_all: bool = False,
        seed: bool = False,
    ) -> Trial:
        """Judge the case, and find out what of its coverage is new and worth keeping.

        A valid `seed` is kept in any case.
        """
        started = time.perf_counter()
        self._tests += 1
        # The mutator has used up these blocks' breakpoints; the case may reach them as well.
        rearm = self.coverage_map.unknown(reached_by_mutator)
        every = SEED_PYTHON_EVERY if seed else PYTHON_EVERY
        python = not self.worker.native or self._tests % every == 0
        outcome = self._judge(case, rearm=rearm, python=python)
        verdict = _verdict(outcome)
        reason = Reason.NONE
        if verdict.kind is Kind.OK and "shape" in outcome.reply:
            reason = self._reason_to_run(outcome)
        if reason:
            natively = self._judge(case, native=True)
            self._native_seconds += natively.seconds
            verdict = found if (found := _verdict(natively)).is_finding else verdict
        if verdict.is_finding:
            confirmed = self.wants_confirmation(verdict.signature) and self._confirm(
                case, verdict, native=bool(reason)
            )
            return Trial(
                case,
                verdict,
                native=reason,
                lines=self.coverage_map.add_lines(outcome.lines),
                confirmed=confirmed,
                seconds=time.perf_counter() - started,
            )
        new, needing = self._calibrate(case, outcome)
        lines = self.coverage_map.add_lines(outcome.lines)
        kept, reached = None, NO_BLOCKS
        if verdict.kind is Kind.OK and (new.size or lines or keep_all or seed):
            kept = self._with_passes_that_matter(case, needing) if new.size else case
            reached = self._trace(kept, new)
        seconds = time.perf_counter() - started
        return Trial(case, verdict, "", new, lines, kept, reached, seconds=seconds, native=reason)

    def _reason_to_run(self, outcome: JobResult) -> Reason:
        """Why the case is to be run natively, while such runs are within their share."""
        if self._native_seconds > NATIVE_SHARE * (1 + self.busy_seconds):
            return Reason.NONE
        unknown = self.coverage_map.unknown(outcome.blocks)
        return self.native_runs.wanted(outcome.reply["shape"], unknown)

    def _confirm(self, case: Case, verdict: Verdict, *, native: bool) -> bool:
        """Whether the finding shows again, with the same signature, in a fresh process."""
        try:
            again = _verdict(self._judge(case, fresh=True, native=native))
        except Stopped:
            return False  # kept as it is; the next of its kind is confirmed
        return again.is_finding and again.signature == verdict.signature

    def _calibrate(self, case: Case, outcome: JobResult) -> tuple[np.ndarray, np.ndarray]:
        """Settle the blocks that are new to the campaign.

        Returns those that are stable, and those of them that need the case's passes. The program is
        run again without its passes first, and what it reaches so needs none of them; what is left
        must come again with them.
        """
        new = self.coverage_map.unknown(outcome.blocks)
        if not new.size:
            return NO_BLOCKS, NO_BLOCKS
        bare = self._reach(replace(case, passes=()), rearm=new)
        left = new[~np.isin(new, bare.blocks)]
        again = self._reach(case, rearm=left) if left.size and case.passes else None
        if bare.status != "done" or (again is not None and again.status != "done"):
            return NO_BLOCKS, NO_BLOCKS
        needing = left[np.isin(left, again.blocks)] if again is not None else NO_BLOCKS
        comes_again = ~np.isin(new, left) | np.isin(new, needing)
        stable = self.coverage_map.settle(new[comes_again], new[~comes_again])
        return stable, needing[np.isin(needing, stable)]

    def _with_passes_that_matter(self, case: Case, needing: np.ndarray) -> Case:
        """The case without the passes that its new coverage does not need."""

        def still_holds(passes: tuple[PassCall, ...]) -> bool:
            outcome = self._reach(replace(case, passes=passes), rearm=needing)
            compiled = outcome.status == "done" and outcome.reply["compiled"]
            return compiled and bool(np.isin(needing, outcome.blocks).all())

        if not needing.size:
            return replace(case, passes=())
        return replace(case, passes=passes_that_matter(case.passes, still_holds))

    def _trace(self, case: Case, new: np.ndarray) -> np.ndarray:
        """All known blocks of the case, for its rarity; while traces are within their share."""
        if not self.worker.native or self._trace_seconds > TRACE_SHARE * (1 + self.busy_seconds):
            return new
        outcome = self._reach(case, trace=True)
        self._trace_seconds += outcome.seconds
        return self.coverage_map.stable(outcome.blocks) if outcome.status == "done" else new

    def _judge(
        self,
        case: Case,
        *,
        rearm: np.ndarray = NO_BLOCKS,
        python: bool = False,
        fresh: bool = False,
        native: bool = False,
    ) -> JobResult:
        request: dict[str, Any] = {"do": "run", "case": case.to_json(), "native": native}
        request["plain"] = False
        if rearm.size:
            request["rearm"] = rearm.tolist()
        if python:
            request["python_coverage"] = True
        outcome = self._run(request, fresh=fresh)
        if outcome.status == "died" and outcome.signal == signal.SIGKILL:
            # Someone outside killed the worker, which says nothing of the case: once more.
            outcome = self._run(request, fresh=fresh)
        return outcome

    def _reach(
        self, case: Case, *, rearm: np.ndarray = NO_BLOCKS, trace: bool = False
    ) -> JobResult:
        which = {"trace": True} if trace else {"rearm": rearm.tolist()}
        return self._run({"do": "reach", "case": case.to_json(), **which})

    def _run(self, request: dict[str, Any], *, fresh: bool = False) -> JobResult:
        if self.stopping.is_set():
            raise Stopped
        settled, self._settled = self.coverage_map.settled_since(self._settled)
        if settled.size:
            self.worker.forget_known(settled)
        outcome = persistently(lambda: self.worker.run(request, fresh=fresh), self.stopping)
        if outcome.status != "done" and self.stopping.is_set():
            raise Stopped
        if outcome.fault:
            self.on_fault(outcome.fault)
        self.busy_seconds += outcome.seconds
        for what, seconds in outcome.spent.items():
            self.spent[what] += seconds
        return outcome


def persistently(start: Callable[[], Result], stopping: threading.Event) -> Result:
    """What `start` returns; tried again where the worker was killed in the middle of its start.

    Raises:
        SandboxError: it fails each time.
        Stopped: the campaign ends meanwhile.
    """
    for attempt in range(START_ATTEMPTS):
        try:
            return start()
        except SandboxError:
            if stopping.is_set():
                raise Stopped from None
            if attempt == START_ATTEMPTS - 1:
                raise
            time.sleep(START_PAUSE)
    raise AssertionError("unreachable")


def _verdict(outcome: JobResult) -> Verdict:
    if outcome.status == "done":
        return Verdict.from_json(outcome.reply["verdict"])
    return verdict_of(outcome)
