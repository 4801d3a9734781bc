"""Out of bounds: compiled code writes only into its own buffers.

This finds writes between a buffer and its guard page; one that reaches the guard page faults, which
is handled in the post mortem of the job.
"""

from __future__ import annotations

from harness.oracles.culprit import culprit
from harness.oracles.oracle import AfterRun, Oracle
from harness.verdict import Kind, Verdict


def _check(view: AfterRun) -> Verdict | None:
    for index, guard in enumerate(view.guards):
        damage = guard.damage() if guard is not None else None
        if damage is None:
            continue
        view.compilation.reference.refine_expectation()
        message = f"parameter {index} was written {damage}"
        where = culprit(view.compilation).name
        return view.compilation.found(
            Kind.OUT_OF_BOUNDS, message, place=where, shows="write", pass_name=where
        )
    return None


OUT_OF_BOUNDS = Oracle("out-of-bounds", _check)
