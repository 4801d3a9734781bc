"""One finding through triage: confirmed, minimized, written as a script that is run.

Everything that is done with its case is done in the sandbox; this process never loads TVM.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from corpus.store import Finding
from harness.case import Case
from harness.system.files import write_atomically
from harness.system.processes import python_command, python_environment
from harness.system.text import last_line
from harness.verdict import Kind, Verdict
from harness.worker.sandbox import Settings, Worker
from tzer.triage.folder import Kept, TriageFolder
from tzer.triage.minimize import (
    HANDLER,
    JUDGE_SECONDS,
    Interrupted,
    Judge,
    Minimizer,
    Shown,
    Smaller,
)
from tzer.triage.result import Size, Status, TriageResult
from tzer.triage.script_process import run_script, shows
from tzer.triage.signature import SILENT, signature_of

CONFIRMING_RUNS = 3
RATED_RUNS = 10  # of a flaky finding
MINIMIZE_SECONDS = 60.0
REPRODUCE_SECONDS = 200.0
SCRIPT_SECONDS = 330.0
SCRIPT_RUNS = 3
LONG_SECONDS = 60.0  # a script that takes longer is run once
SAVE_SECONDS = 2.0
# Kinds whose verdicts say too little of a cause: the shape of the minimized program says the rest.
BY_SHAPE = (*SILENT, Kind.HANG, Kind.OUT_OF_MEMORY, Kind.NONDETERMINISM, Kind.SLOW_CODE)


@dataclass(frozen=True)
class Reproducer:
    """A script that shows a finding, what it expects, and the program in it, None if unprintable.

    `status` is REPORTED if it has shown the finding each time that it was run as a user runs it;
    else FLAKY or INVALID, and `wrong` says why.
    """

    script: str = ""
    expected: str = ""
    program: str | None = None
    status: Status = Status.REPORTED
    wrong: str = ""


@dataclass(frozen=True)
class Examined:
    """A finding after triage: its result, the smallest case with its verdict, if it has one, and,
    if it is reported, its script."""

    result: TriageResult
    smaller: Smaller | None = None
    reproducer: Reproducer | None = None


class FindingExaminer:
    """Examines one finding after another with a worker of its own. Used by one thread.

    Each is minimized for so many `seconds`; one whose time was over before goes on if it `insists`.
    """

    def __init__(
        self,
        folder: TriageFolder,
        deadline: float,
        stopped: Callable[[], bool],
        on_step: Callable[[str, str], None] = lambda finding_id, text: None,
        seconds: float = MINIMIZE_SECONDS,
        *,
        insists: bool = False,
    ) -> None:
        self.folder, self.deadline, self.on_step = folder, deadline, on_step
        self.seconds, self.stopped, self.insists = seconds, stopped, insists
        self.faults: set[str] = set()  # tracebacks of our own exceptions
        self._worker: Worker | None = None

    @property
    def judge(self) -> Judge:
        """The judge of cases, whose worker is started when it is first needed."""
        if self._worker is None:
            self._worker = Worker(Settings(handler=HANDLER, seconds=JUDGE_SECONDS))
        return Judge(self._worker, self.stopped, self.faults.add)

    def interrupt(self) -> None:
        """End what the worker is at, from another thread."""
        if self._worker is not None:
            self._worker.interrupt()

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()

    def examine(self, finding: Finding) -> Examined:
        """Confirm and minimize a finding, or go on where an earlier triage was interrupted.

        Raises:
            Interrupted: triage ends; what was found is kept.
            UserError: the folder can't be written.
        """
        kept = self.folder.load(finding.id, finding.case.digest)
        done = kept.result is not None and kept.result.complete
        if self.insists and kept.smaller is not None:
            done = kept.smaller.complete
        if kept.result is not None and (done or time.monotonic() > self.deadline):
            return Examined(replace(kept.result, count=finding.count), kept.smaller)
        examined = self._examine(finding, kept)
        self.folder.save(finding.id, finding.case.digest, Kept(examined.smaller, examined.result))
        return examined

    def _examine(self, finding: Finding, kept: Kept) -> Examined:
        wanted = signature_of(finding.verdict, finding.case.target)
        self.on_step(finding.id, "confirming")
        shown, verdict = self._first_sight(finding.case, wanted)
        if shown is None:
            return Examined(_unshown(finding, verdict))
        times, runs = self._rate(finding.case, shown)
        result = _result(finding, verdict, shown, times, runs)
        if times < runs:
            reason = f"shows in {times} of {runs} fresh processes"
            return Examined(replace(result, status=Status.FLAKY, reason=reason, complete=True))
        smaller = self._minimized(finding, shown, kept.smaller or Smaller(finding.case, verdict))
        times, runs = self._rate(smaller.case, shown)
        if times < runs:  # the smaller one is: the finding itself is not
            smaller = Smaller(finding.case, verdict, complete=True)
        return Examined(self._measured(finding, smaller, replace(result, runs=2 * runs)), smaller)

    def _first_sight(self, case: Case, wanted: str) -> tuple[Shown | None, Verdict]:
        """How the case shows the finding; tried again, since it may not show each time."""
        for _ in range(CONFIRMING_RUNS):
            shown, verdict = self.judge.first_sight(case, wanted)
            if shown is not None or verdict.kind is Kind.INVALID:
                break
        return shown, verdict

    def _rate(self, case: Case, shown: Shown) -> tuple[int, int]:
        """In how many of how many fresh processes the case shows the finding."""
        times = sum(self._shows(case, shown) for _ in range(CONFIRMING_RUNS))
        if times == CONFIRMING_RUNS:
            return times, CONFIRMING_RUNS
        more = RATED_RUNS - CONFIRMING_RUNS
        return times + sum(self._shows(case, shown) for _ in range(more)), RATED_RUNS

    def _shows(self, case: Case, shown: Shown) -> bool:
        verdict, _ = self.judge.verdict(
            case, native=shown.native, oracles=shown.oracles, fresh=True
        )
        return signature_of(verdict, case.target) == shown.signature

    def _minimized(self, finding: Finding, shown: Shown, start: Smaller) -> Smaller:
        saved = time.monotonic()

        def keep(smaller: Smaller) -> None:
            nonlocal saved
            if time.monotonic() - saved > SAVE_SECONDS:
                saved = time.monotonic()
                self.folder.save(finding.id, finding.case.digest, Kept(smaller))
                self.on_step(finding.id, f"minimizing, {smaller.tests} cases tried")

        if start.complete:
            return start
        limit = min(self.deadline, time.monotonic() + self.seconds)
        return Minimizer(self.judge, shown, limit, keep).run(start)

    def _measured(self, finding: Finding, smaller: Smaller, result: TriageResult) -> TriageResult:
        before, after = self._describe(finding.case), self._describe(smaller.case)
        verdict = smaller.verdict
        signature = result.signature
        if verdict.kind in BY_SHAPE:
            signature = "|".join((signature, ",".join(after[1])))
        return replace(
            result,
            signature=signature,
            kind=str(verdict.kind),
            message=verdict.message,
            pass_name=verdict.pass_name,
            target=smaller.case.target,
            legal=verdict.legal,
            shown=result.runs,
            before=before[0],
            after=after[0],
            shape=after[1],
            tests=smaller.tests,
            seconds=round(smaller.seconds, 1),
            # Its own time may be over before: it stays as small as it got, unless asked again.
            complete=smaller.complete or time.monotonic() < self.deadline,
        )

    def _describe(self, case: Case) -> tuple[Size, tuple[str, ...]]:
        done = self.judge.run({"do": "describe", "case": case.to_json()}, seconds=JUDGE_SECONDS)
        reply = done.reply if done.status == "done" else {"lines": None, "shape": []}
        passes = len(case.passes) + len(case.trace)
        return Size(reply["lines"], passes), tuple(reply["shape"])

    def script_of(self, case: Case) -> str | None:
        """The program's TVMScript, None if TVM can't print it."""
        done = self.judge.run({"do": "describe", "case": case.to_json()}, seconds=JUDGE_SECONDS)
        return done.reply.get("script") if done.status == "done" else None

    def with_reproducer(self, examined: Examined, finding: Finding) -> Examined:
        """A reported finding with a script that shows it, else without its report.

        What minimization has left may show to the interpreter alone: then the finding's own case
        gets its chance.

        Raises:
            Interrupted: triage ends.
        """
        result, smaller = examined.result, examined.smaller
        assert smaller is not None
        self.on_step(finding.id, "writing its reproducer, and running it")
        made = self.reproducer(smaller)
        if made.status is Status.INVALID and smaller.case != finding.case:
            verdict = finding.verdict if finding.signature else smaller.verdict
            whole = Smaller(finding.case, verdict, complete=True)
            larger = self.reproducer(whole)
            if larger.status is Status.REPORTED:
                return Examined(replace(result, after=result.before), whole, larger)
        if made.status is Status.REPORTED:
            return replace(examined, reproducer=made)
        return Examined(replace(result, status=made.status, reason=made.wrong), smaller)

    def reproducer(self, smaller: Smaller) -> Reproducer:
        """The script that shows a case; it was run, in fresh processes.

        Raises:
            Interrupted: triage ends.
        """
        request = {
            "do": "reproduce",
            "case": smaller.case.to_json(),
            "verdict": smaller.verdict.to_json(),
        }
        done = self.judge.run(request, fresh=True, seconds=REPRODUCE_SECONDS)
        if done.status != "done":
            said = f"no script: writing it {done.status}: {last_line(done.stderr) or 'no message'}"
        elif "script" not in done.reply:
            said = f"no script: {done.reply['refused']}"
        else:
            status, said = shown_by_script(done.reply["script"], self.stopped)
            if self.stopped():
                raise Interrupted
            return Reproducer(**done.reply, status=status, wrong=said)
        return Reproducer(status=Status.INVALID, wrong=f"not reproduced: {said}")


def _unshown(finding: Finding, verdict: Verdict) -> TriageResult:
    """The result of a finding that its case does not show."""
    if verdict.kind is Kind.INVALID:
        reason = f"not a valid case: {verdict.message}"
    else:
        reason = "does not show any more"
    result = blank_result(finding, Status.INVALID, reason)
    return replace(result, runs=CONFIRMING_RUNS, complete=True)


def _result(
    finding: Finding, verdict: Verdict, shown: Shown, times: int, runs: int
) -> TriageResult:
    result = blank_result(finding, Status.REPORTED, "")
    return replace(
        result,
        kind=str(verdict.kind),
        signature=shown.signature,
        message=verdict.message,
        pass_name=verdict.pass_name,
        legal=verdict.legal,
        shown=times,
        runs=runs,
    )


def blank_result(finding: Finding, status: Status, reason: str) -> TriageResult:
    verdict, target = finding.verdict, finding.case.target
    return TriageResult(
        finding.id,
        str(finding.kind),
        status,
        reason,
        signature_of(verdict, target),
        verdict.message,
        verdict.pass_name,
        target,
        finding.legal,
        finding.count,
    )


def shown_by_script(script: str, stopped: Callable[[], bool]) -> tuple[Status, str]:
    """What becomes of a finding with this script, and why; it is run in several fresh processes."""
    shown, runs, said, began = 0, 0, "", time.monotonic()
    while runs < SCRIPT_RUNS and (not runs or time.monotonic() - began < LONG_SECONDS):
        status, output = exit_status(script, stopped)
        runs += 1
        if shows(status, output):
            shown += 1
            continue
        how = f"not within {SCRIPT_SECONDS:g} s" if status is None else f"with status {status}"
        said = f"its script ends {how}: {last_line(output)}"
    if shown == runs:
        return Status.REPORTED, ""
    if shown:
        return Status.FLAKY, f"its script shows it in {shown} of {runs} fresh processes; {said}"
    return Status.INVALID, f"not reproduced: {said}"


def exit_status(script: str, stopped: Callable[[], bool]) -> tuple[int | None, str]:
    """How a reproducer ends in a fresh process, as users start it, None if it doesn't; and what it
    printed."""
    environment = python_environment()
    environment.pop("PYTHONHASHSEED", None)  # that of each process is its own
    with tempfile.TemporaryDirectory(prefix="tzer-triage-") as folder:
        path = Path(folder) / "reproducer.py"
        write_atomically(path, script.encode("utf-8", "backslashreplace"))
        return run_script(python_command(str(path)), environment, SCRIPT_SECONDS, stopped)
