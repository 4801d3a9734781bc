"""Wrong result: compiled code computes the reference interpreter's results, within tolerances."""

from __future__ import annotations

from harness.ir.ingredients import suspects
from harness.oracles.culprit import culprit
from harness.oracles.oracle import AfterRun, Oracle
from harness.verdict import Kind, Verdict


def _check(view: AfterRun) -> Verdict | None:
    compilation = view.compilation
    reference = compilation.reference
    mismatch = reference.mismatch(view.arguments, strict=compilation.target.is_strict)
    if mismatch is None:
        return None
    where, target = culprit(compilation), compilation.case.target
    buffer = reference.module["main"].params[mismatch.buffer]
    return compilation.found(
        Kind.WRONG_RESULT,
        str(mismatch),
        place=where,
        shows="|".join((str(buffer.ty.dtype), *suspects(reference.module, where, target))),
        pass_name=where,
        detail={"expected": repr(mismatch.expected), "actual": repr(mismatch.actual)},
    )


WRONG_RESULT = Oracle("wrong-result", _check)
