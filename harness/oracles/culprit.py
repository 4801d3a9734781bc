"""Culprit: which pass of a sequence changed the meaning of the program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.case import PassCall
from harness.ir.ingredients import suspects
from harness.oracles.meaning import Unknown, difference_after
from harness.oracles.oracle import Compilation, interpretable
from harness.passes.build import lower
from harness.worker.progress_page import STAGES

CODE_GENERATION = "code generation"


@dataclass(frozen=True)
class Culprit:
    """A pass, or "code generation", and the module that it was given (None: not known)."""

    name: str
    module: Any = None

    def suspects(self, program: Any, target: str = "") -> tuple[str, ...]:
        """The ingredients of the program, and of what the pass was given, that it fails on."""
        found = set(suspects(program, self.name, target))
        if self.module is not None:
            found.update(suspects(self.module, self.name, target))
        return tuple(sorted(found))


def culprit(compilation: Compilation) -> Culprit:
    """The first pass after which the program means something else, or "code generation".

    Runs the sequence again; a pass whose output the interpreter doesn't support is skipped.
    """
    if compilation.reference.expectation is None:
        return Culprit("")
    sequence = compilation.sequence
    last = interpretable(sequence.calls)
    before = compilation.target.prepare(compilation.reference.module)
    found: Culprit | None = None

    def after(index: int, call: PassCall, module: Any) -> None:
        nonlocal found, before
        if found is not None or index >= last:
            return
        try:
            if difference_after(module, compilation) is not None:
                found = Culprit(call.name, before)
        except Unknown:
            pass
        before = module

    STAGES.enter(sequence.at("culprit"))
    lower(before, sequence.calls, opt_level=sequence.opt_level, after_pass=after)
    return found or Culprit(CODE_GENERATION)
