"""Post mortem: from a job that died or hung to the verdict of its case.

The stage that the job wrote last tells where it was: "plain", "legal" or "illegal", then the step
("lower", "pass", "build", "run", …). A death by signal is a finding in any pass order; a hang or a
want of memory only where TVM was asked for something legal.
"""

from __future__ import annotations

import signal as signals

from harness.verdict import Kind, Verdict, crash_signature
from harness.worker.progress_page import DEVICE_STAGE
from harness.worker.sandbox import JobResult

FAULTS = (signals.SIGSEGV, signals.SIGABRT, signals.SIGBUS, signals.SIGFPE, signals.SIGILL)
MEMORY_WORDS = ("bad_alloc", "out of memory", "Cannot allocate memory", "MemoryError")


def verdict_of(outcome: JobResult) -> Verdict:
    """The verdict of a case whose job did not come back ("died" or "hung")."""
    sequence, _, rest = outcome.stage.partition(":")
    step, _, place = rest.partition(":")
    legal = sequence != "illegal"
    culprit = place.partition(":")[2] if step == "pass" else step or sequence
    if sequence == DEVICE_STAGE:
        return Verdict(Kind.INVALID, message=f"the device did not answer: {outcome.status}")
    if sequence == "reference" or step in ("compare", "culprit"):
        return Verdict(Kind.INVALID, legal, f"the oracle itself failed: {outcome.status}")
    if outcome.status == "hung":
        if not legal:
            return Verdict(Kind.INVALID, legal, "no end within the limit", stage=outcome.stage)
        message = f"no end within the limit in {culprit}"
        return _finding(Kind.HANG, legal, message, f"{Kind.HANG}|{culprit}", culprit, outcome)
    if outcome.signal not in FAULTS:
        message = f"ended from outside by signal {outcome.signal}" if outcome.signal else "exited"
        return Verdict(Kind.INVALID, legal, message, stage=outcome.stage)
    if any(word in outcome.stderr for word in MEMORY_WORDS):
        if not legal:
            return Verdict(Kind.INVALID, legal, "out of memory", stage=outcome.stage)
        mark = f"{Kind.OUT_OF_MEMORY}|{culprit}"
        return _finding(Kind.OUT_OF_MEMORY, legal, "out of memory", mark, culprit, outcome)
    if step == "run" and outcome.signal in (signals.SIGSEGV, signals.SIGBUS):
        message = "the compiled code left its buffers"
        mark = f"{Kind.OUT_OF_BOUNDS}|run|fault"
        return _finding(Kind.OUT_OF_BOUNDS, legal, message, mark, culprit, outcome)
    return _crash(outcome, legal, culprit)


def _crash(outcome: JobResult, legal: bool, culprit: str) -> Verdict:
    name = signals.Signals(outcome.signal).name
    frames, overflow = frames_of(outcome.crash)
    said = _last_words(outcome.stderr)
    if overflow:
        name += " (stack overflow)"
        frames_that_tell: list[tuple[str, str, int]] = []  # where it ended is chance
    else:
        frames_that_tell = frames
    message = f"{name} in {culprit}" + (f": {said}" if said else "")
    mark = crash_signature(name, culprit, frames_that_tell, "" if overflow else said)
    detail = {"frames": [list(frame) for frame in frames], "stderr": outcome.stderr[-1000:]}
    return Verdict(Kind.CRASH, legal, message, mark, culprit, outcome.stage, detail)


def frames_of(report: bytes) -> tuple[list[tuple[str, str, int]], bool]:
    """(library, source file, function offset) of each native frame, innermost first; and whether
    the stack had overflowed. Empty where the crash left no report."""
    if not report:
        return [], False
    from harness.coverage import crash, native

    found = crash.parse_backtrace(report, native.load_block_map())
    return [(f.library, f.file, f.function_offset) for f in found.frames], found.stack_overflow


def _finding(
    kind: Kind, legal: bool, message: str, mark: str, culprit: str, outcome: JobResult
) -> Verdict:
    detail = {"stderr": outcome.stderr[-1000:]}
    return Verdict(kind, legal, message, mark, culprit, outcome.stage, detail)


def _last_words(stderr: str) -> str:
    """The line in which LLVM or the C++ runtime says why it gives up, if there is one."""
    for line in reversed(stderr.splitlines()):
        if any(mark in line for mark in ("LLVM ERROR", "terminate called", "Assertion", "what()")):
            return line.strip()[:200]
    return ""
