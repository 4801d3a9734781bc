"""Wrong result: compiled code computes the reference interpreter's results, within tolerances."""

from __future__ import annotations

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
        place=where.name,
        shows="|".join((str(buffer.ty.dtype), *where.suspects(reference.module, target))),
        pass_name=where.name,
        detail={"expected": repr(mismatch.expected), "actual": repr(mismatch.actual)},
    )


WRONG_RESULT = Oracle("wrong-result", _check)
