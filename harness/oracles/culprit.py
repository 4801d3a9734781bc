"""Culprit: which pass of a sequence changed the meaning of the program."""

from __future__ import annotations

from typing import Any

from harness.case import PassCall
from harness.oracles.meaning import Unknown, difference
from harness.oracles.oracle import Compilation, interpretable
from harness.passes.build import lower
from harness.worker.progress_page import STAGES

CODE_GENERATION = "code generation"


def culprit(compilation: Compilation) -> str:
    """The first pass after which the program means something else, or "code generation".

    Runs the sequence again; a pass whose output the interpreter doesn't support is skipped.
    """
    if compilation.reference.expectation is None:
        return ""
    sequence, found = compilation.sequence, ""
    last = interpretable(sequence.calls)

    def after(index: int, call: PassCall, module: Any) -> None:
        nonlocal found
        if found or index >= last:
            return
        try:
            races = compilation.target.has_runtime
            if difference(module, compilation.reference, races=races) is not None:
                found = call.name
        except Unknown:
            pass

    STAGES.enter(sequence.at("culprit"))
    module = compilation.target.prepare(compilation.reference.module)
    lower(module, sequence.calls, opt_level=sequence.opt_level, after_pass=after)
    return found or CODE_GENERATION
