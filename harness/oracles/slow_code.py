"""Slow code: a case's own passes must not make its program many times slower than plain."""

from __future__ import annotations

import time

import numpy as np

from harness.oracles.oracle import AfterRun, Oracle
from harness.semantics.reference import Reference
from harness.targets import Runnable
from harness.verdict import Kind, Stage, Verdict
from harness.worker.progress_page import STAGES

RATIO = 25.0
# Below this a difference may be noise of the machine.
SECONDS = 2e-3
TIMED_RUNS = 5


def _check(view: AfterRun) -> Verdict | None:
    compilation = view.compilation
    if view.plain is None or not compilation.target.has_runtime:
        return None
    slow, base = np.inf, np.inf
    for _ in range(TIMED_RUNS):  # alternating, so that a busy machine slows both
        slow = min(slow, _seconds(compilation.reference, view.executable))
        base = min(base, _seconds(compilation.reference, view.plain))
    if slow <= SECONDS or slow <= RATIO * base:
        return None
    message = f"{slow / base:.0f} times slower than the plain build"
    passes = compilation.case.passes
    last = passes[-1].name if passes else ""
    return compilation.found(Kind.SLOW_CODE, message, place=last, shows="")


def _seconds(reference: Reference, executable: Runnable) -> float:
    arguments = reference.fresh_inputs()
    started = time.perf_counter()
    with STAGES.inside_tvm(Stage(step="timing")):
        executable.run(arguments)
    return time.perf_counter() - started


SLOW_CODE = Oracle("slow-code", _check, every=16)
