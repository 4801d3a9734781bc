"""Culprit: which pass of a sequence changed the meaning of the program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.case import PassCall
from harness.ir.ingredients import suspects
from harness.oracles.meaning import Unknown, difference_after
from harness.oracles.oracle import Compilation, interpretable
from harness.passes.build import lower
from harness.targets.executable import RaisedByTVM, raised_by_tvm
from harness.worker.progress_page import STAGES

CODE_GENERATION = "code generation"
OF_EXPRESSIONS = ("tirx.LowerIntrin",)


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
    return found or _of_expressions(before, compilation) or Culprit(CODE_GENERATION)


def _of_expressions(before: Any, compilation: Compilation) -> Culprit | None:
    """A pass behind the interpretable ones that rewrites expressions alone: it is applied earlier.

    `before` is the last module that can be interpreted.
    """
    opt_level = compilation.sequence.opt_level
    try:
        for call in compilation.sequence.calls:
            if call.name in OF_EXPRESSIONS and difference_after(before, compilation) is None:
                with raised_by_tvm():
                    module = lower(before, (call,), opt_level=opt_level)
                if difference_after(module, compilation) is not None:
                    return Culprit(call.name, before)
    except (Unknown, RaisedByTVM):
        pass
    return None
