"""Post mortem: from a job that died or hung to the verdict of its case.

The stage that the job wrote last says where it was. A death by signal is a finding in any pass
order; a hang or running out of memory only where TVM was asked for something legal. What our own
code did, an exception of it among that, is never a finding.
"""

from __future__ import annotations

import signal as signals

from harness.system.text import last_line
from harness.verdict import Kind, Verdict, crash_signature
from harness.worker.sandbox import JobResult

FAULTS = (signals.SIGSEGV, signals.SIGABRT, signals.SIGBUS, signals.SIGFPE, signals.SIGILL)
MEMORY_WORDS = ("bad_alloc", "out of memory", "Cannot allocate memory", "MemoryError")


OUR_STEPS = ("reference", "compare", "culprit")


def verdict_of(outcome: JobResult) -> Verdict:
    """The verdict of a case whose job did not come back ("died" or "hung")."""
    stage = outcome.stage
    legal, place = stage.sequence != "illegal", stage.place
    if outcome.fault:
        message = f"the harness itself failed: {last_line(outcome.fault)}"
        return Verdict(Kind.INVALID, legal, message, stage=stage)
    if stage.sequence == "device":
        return Verdict(Kind.INVALID, message=f"the device did not answer: {outcome.status}")
    if stage.step in OUR_STEPS:
        return Verdict(Kind.INVALID, legal, f"the oracle itself failed: {outcome.status}")
    if outcome.status == "hung":
        message = "no end within the limit"
        if not legal:
            return Verdict(Kind.INVALID, legal, message, stage=stage)
        return _finding(Kind.HANG, outcome, f"{message} in {place}", f"{Kind.HANG}|{place}")
    if outcome.signal not in FAULTS:
        message = f"ended from outside by signal {outcome.signal}" if outcome.signal else "exited"
        return Verdict(Kind.INVALID, legal, message, stage=stage)
    if any(word in outcome.stderr for word in MEMORY_WORDS):
        message = "out of memory"
        if not legal:
            return Verdict(Kind.INVALID, legal, message, stage=stage)
        return _finding(Kind.OUT_OF_MEMORY, outcome, message, f"{Kind.OUT_OF_MEMORY}|{place}")
    if stage.step == "run" and outcome.signal in (signals.SIGSEGV, signals.SIGBUS):
        message = "the compiled code left its buffers"
        return _finding(Kind.OUT_OF_BOUNDS, outcome, message, f"{Kind.OUT_OF_BOUNDS}|run|fault")
    return _crash(outcome)


def _crash(outcome: JobResult) -> Verdict:
    place = outcome.stage.place
    name = signals.Signals(outcome.signal).name
    frames, overflow = frames_of(outcome.crash)
    said = _last_words(outcome.stderr)
    if overflow:
        name += " (stack overflow)"
        frames_that_tell: list[tuple[str, str, int]] = []  # where it ended is chance
    else:
        frames_that_tell = frames
    message = f"{name} in {place}" + (f": {said}" if said else "")
    signature = crash_signature(name, place, frames_that_tell, "" if overflow else said)
    return _finding(
        Kind.CRASH, outcome, message, signature, frames=[list(frame) for frame in frames]
    )


def frames_of(report: bytes) -> tuple[list[tuple[str, str, int]], bool]:
    """(library, source file, function offset) of each native frame, innermost first; and whether
    the stack had overflowed. Empty where the crash left no report."""
    if not report:
        return [], False
    from harness.coverage import crash, native

    found = crash.parse_backtrace(report, native.load_block_map())
    return [(f.library, f.file, f.function_offset) for f in found.frames], found.stack_overflow


def _finding(
    kind: Kind, outcome: JobResult, message: str, signature: str, **more: object
) -> Verdict:
    stage, detail = outcome.stage, {**more, "stderr": outcome.stderr[-1000:]}
    legal = stage.sequence != "illegal"
    return Verdict(kind, legal, message, signature, stage.place, stage, detail)


def _last_words(stderr: str) -> str:
    """The line in which LLVM or the C++ runtime says why it gives up, if there is one."""
    for line in reversed(stderr.splitlines()):
        if any(word in line for word in ("LLVM ERROR", "terminate called", "Assertion", "what()")):
            return line.strip()[:200]
    return ""
