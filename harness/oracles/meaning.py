"""Meaning: whether a module that passes have left means what its program does.

The reference interpreter runs both on the same inputs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness import compat
from harness.ir.loop_kinds import PARALLEL
from harness.oracles.known_errors import KNOWN_REFUSALS, NESTED_PARALLEL
from harness.semantics import AssertFailed, StepLimit, UndefinedBehaviour
from harness.semantics.reference import Invalid, Reference, outputs_of
from harness.verdict import Kind

if TYPE_CHECKING:
    from harness.oracles.oracle import Compilation

# What no correct pass brings into a program that is free of it. Of the other kinds of undefined
# behaviour, overflow may come of another order of sums, which no target minds, and a bad shift,
# cast or argument of a value that is computed and not used.
RACE = "data-race"
# What may stand in elements that were never written, for all that a few runs can tell.
UNWRITTEN = (0, 1, 113, -113)
FAULTS = ("out-of-range", "unwritten-read", "division-by-zero", RACE)


@dataclass(frozen=True)
class Difference:
    """How the meaning of a module differs; `shows` is what the signature of a finding says."""

    kind: Kind
    message: str
    shows: str
    detail: dict[str, Any] = field(default_factory=dict)


class Unknown(Exception):
    """The interpreter can't say what the module means."""


def difference_after(module: Any, compilation: Compilation) -> Difference | None:
    """`difference` of a module that passes of the compilation have left."""
    return difference(
        module,
        compilation.reference,
        races=compilation.target.has_runtime,
        placed=compilation.places_allocations,
    )


def difference(
    module: Any, reference: Reference, *, races: bool = True, placed: bool = True
) -> Difference | None:
    """How the module's meaning differs from the reference's, or None.

    Without `races` nothing runs the iterations of a parallel loop at once. Unless allocations of
    blocks were `placed`, the iterations of a parallel loop share them, also where they may not.

    Raises:
        Unknown: it can't be said.
        Invalid: rounding decides whether the program has a meaning at all, or there is a race that
            is none of a pass: beside nested parallel loops, which TVM does not support, or in an
            allocation that was not placed.
    """
    known: dict[int, Difference | None] = reference.cache.setdefault("differences", {})
    key = compat.structural_hash(module)
    if key not in known:
        known[key] = _difference(module, reference)
    found = known[key]
    if found is not None and found.shows == RACE:
        if not races:
            raise Unknown(found.message)
        if _has_nested_parallel(module):
            raise Invalid(f"documented limit of TVM: {KNOWN_REFUSALS[NESTED_PARALLEL]}")
        if not placed and _allocates_in_blocks(reference.module):
            raise Invalid("an allocation of a block is shared where no pass has placed it")
    return found


def _allocates_in_blocks(module: Any) -> bool:
    return any(
        compat.type_key(node) == "SBlock" and len(node.alloc_buffers) > 0
        for function in module.functions.values()
        for node in compat.nodes(function.body)
    )


def _has_nested_parallel(module: Any) -> bool:
    """Whether a parallel loop is in another one: StorageRewrite shares the memory of the inner."""
    return any(
        not inner.same_as(loop)
        for function in module.functions.values()
        for loop in _parallel_loops(function.body)
        for inner in _parallel_loops(loop)
    )


def _parallel_loops(root: Any) -> list[Any]:
    loops = (node for node in compat.nodes(root) if compat.type_key(node) == "For")
    return [loop for loop in loops if int(loop.kind) == PARALLEL]


def _difference(module: Any, reference: Reference) -> Difference | None:
    if reference.expectation is None:
        raise Unknown("the interpreter doesn't support the program")
    try:
        return _mismatch(module, reference)
    except UndefinedBehaviour as fault:
        return _of_fault(fault, module, reference)
    except AssertFailed as failure:
        reference.refine_expectation()
        return Difference(Kind.WRONG_RESULT, f"an assertion is false: {failure}", "assertion")
    except StepLimit:
        raise Unknown("it takes too many steps") from None


def _mismatch(module: Any, reference: Reference, unwritten: int | None = None) -> Difference | None:
    outputs = outputs_of(module, reference.fresh_inputs(), unwritten)
    if outputs is None:
        raise Unknown("the interpreter doesn't support the module")
    mismatch = reference.mismatch(outputs)
    if mismatch is None:
        return None
    dtype = str(reference.module["main"].params[mismatch.buffer].ty.dtype)
    values = {"expected": repr(mismatch.expected), "actual": repr(mismatch.actual)}
    return Difference(Kind.WRONG_RESULT, str(mismatch), dtype, values)


def _of_fault(fault: UndefinedBehaviour, module: Any, reference: Reference) -> Difference | None:
    if fault.kind not in FAULTS:
        raise Unknown(fault.kind)
    reference.refine_expectation()  # the program itself must be valid however it is rounded
    if fault.kind == "unwritten-read" and not _shows(module, reference):
        return None
    kind = Kind.OUT_OF_BOUNDS if fault.kind == "out-of-range" else Kind.WRONG_RESULT
    return Difference(kind, f"{fault.kind}: {fault}", fault.kind)


def _shows(module: Any, reference: Reference) -> bool:
    """Whether results depend on what stands in elements that were never written."""
    for value in UNWRITTEN:
        try:
            if _mismatch(module, reference, value) is not None:
                return True
        except UndefinedBehaviour as fault:
            if fault.kind in FAULTS:
                return True
        except (AssertFailed, StepLimit):
            return True
    return False
