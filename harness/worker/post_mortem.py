"""Post mortem: the verdict of a case whose job died or hung.

The last stage that the job recorded says where it was. A death by signal is a finding in any pass
order; a hang or running out of memory only in a legal one. What our own code does, including its
exceptions, is never a finding.
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
    """The verdict of a case whose job did not finish ("died" or "hung")."""
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
    abort_message = _abort_message(outcome.stderr)
    if overflow:
        name += " (stack overflow)"
        relevant_frames: list[tuple[str, str, int]] = []  # where the stack ends is chance
    else:
        relevant_frames = frames
    message = f"{name} in {place}" + (f": {abort_message}" if abort_message else "")
    signature = crash_signature(name, place, relevant_frames, "" if overflow else abort_message)
    return _finding(
        Kind.CRASH, outcome, message, signature, frames=[list(frame) for frame in frames]
    )


def frames_of(report: bytes) -> tuple[list[tuple[str, str, int]], bool]:
    """(library, source file, function offset) of each native frame, innermost first; and whether
    the stack overflowed. Empty if there is no report of the crash."""
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


def _abort_message(stderr: str) -> str:
    """The line in which LLVM or the C++ runtime reports why it aborts, if there is one."""
    for line in reversed(stderr.splitlines()):
        if any(word in line for word in ("LLVM ERROR", "terminate called", "Assertion", "what()")):
            return line.strip()[:200]
    return ""
