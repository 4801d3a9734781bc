"""Determinism: the same passes on the same module return the same module. Lowers it twice."""

from __future__ import annotations

from harness import compat
from harness.oracles.oracle import AfterLowering, Oracle
from harness.passes.build import lower
from harness.verdict import Kind, Verdict
from harness.worker.progress_page import STAGES


def _check(view: AfterLowering) -> Verdict | None:
    compilation = view.compilation
    sequence, target = compilation.sequence, compilation.target
    with STAGES.inside_tvm(sequence.at("again")):
        module = target.prepare(compilation.reference.module)
        again = lower(module, sequence.calls, opt_level=sequence.opt_level)
        if compat.structural_equal(view.lowered, again):
            return None
    message = "the same passes on the same module returned two different modules"
    last = sequence.calls[-1].name
    return compilation.found(Kind.NONDETERMINISM, message, place=last, shows="lowering")


DETERMINISM = Oracle("determinism", _check, every=16)
