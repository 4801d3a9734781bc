"""Culprit: which pass of a sequence changed the meaning of the program."""

from __future__ import annotations

from typing import Any

from harness.case import PassCall
from harness.oracles.oracle import SIGNATURE_CHANGES, Compilation
from harness.passes.build import lower
from harness.semantics.reference import Invalid, interpret
from harness.worker.progress_page import STAGES

CODE_GENERATION = "code generation"


def culprit(compilation: Compilation) -> str:
    """The first pass after which the interpreter computes another result, or "code generation".

    Runs the sequence again up to the passes that introduce the packed API; a pass whose output the
    interpreter doesn't support is skipped.
    """
    reference, sequence = compilation.reference, compilation.sequence
    if reference.expectation is None:
        return ""
    found = ""
    names = [call.name for call in sequence.calls]
    changes = [names.index(name) for name in SIGNATURE_CHANGES if name in names]
    interpretable = min(changes, default=len(names))

    def after(index: int, call: PassCall, module: Any) -> None:
        nonlocal found
        if found or index >= interpretable:
            return
        try:
            meaning = interpret(module, reference.fresh_inputs())
        except Invalid:
            found = call.name
            return
        if meaning.expectation is None:
            return
        if reference.mismatch(list(meaning.expectation.outputs)) is not None:
            found = call.name

    STAGES.enter(sequence.at("culprit"))
    module = compilation.target.prepare(reference.module)
    lower(module, sequence.calls, opt_level=sequence.opt_level, after_pass=after)
    return found or CODE_GENERATION
