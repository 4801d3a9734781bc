"""Schedule: each primitive of a case's trace keeps the meaning of the case's program.

The trace is applied to the program primitive by primitive. A refusal drops the primitive; any other
exception, a module that is not well formed, one that the interpreter calls invalid, or one that
means something else is a finding, whose culprit is the primitive. Then the passes go on from what
the trace has left, and are judged by what the program before it means.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import tvm_ffi
from tvm import tirx

from harness import compat
from harness.case import Case, CaseError, PrimitiveCall
from harness.ir.ingredients import suspects
from harness.ir.loop_kinds import CONCURRENT, SERIAL, THREAD_BINDING, is_concurrent_pipeline
from harness.ir.untrusted import check_program
from harness.oracles.meaning import UNWRITTEN
from harness.oracles.oracle import Found
from harness.schedules import DoesNotApply, Replay, replayed
from harness.schedules.known import condition_of
from harness.semantics import AssertFailed, StepLimit, UndefinedBehaviour
from harness.semantics.reference import Invalid, Reference, outputs_of
from harness.system.text import first_line
from harness.targets.executable import RaisedByTVM
from harness.verdict import Kind, Stage, Verdict, error_signature, normalise, result_signature
from harness.worker.progress_page import STAGES

COMPARE = Stage("schedule", "compare")
# What may come of another order of sums, or of a value that is computed and not used (meaning.py).
OF_VALUES = ("signed-overflow", "bad-cast", "bad-shift", "bad-argument")
# What a schedule may do as long as it can't be noticed.
HARMLESS = {
    "unwritten-read": "reads of unwritten elements",  # such as a copy of padding
    "data-race": "a race",  # such as tiles that overlap and compute the same there
}


@dataclass(frozen=True)
class Applied:
    """A primitive of the trace that applied, and the modules before and after it."""

    index: int
    call: PrimitiveCall
    before: Any
    module: Any


def scheduled(case: Case, reference: Reference) -> Reference:
    """What the passes go on from: the module after the case's trace, with the meaning before it.

    Loops that the trace has bound to threads are serial again: no target here runs them as such.

    Raises:
        Found: a primitive is at fault.
        Invalid: the trace changes what the program's parameters are, or calls out of it, or leaves
            a program that the interpreter can't judge any further.
    """
    if not case.trace:
        return reference
    known = reference.cache.get("scheduled")
    if known is None or known[0] != case.trace:
        known = case.trace, _scheduled(case.trace, reference)
        reference.cache["scheduled"] = known  # the last one alone: a campaign has many traces
    found: Reference = known[1]
    return replace(found, expectation=reference.expectation)


def _scheduled(trace: Sequence[PrimitiveCall], reference: Reference) -> Reference:
    replay, applied = Replay(reference.module), []
    for index, call in enumerate(trace):
        with STAGES.inside_tvm(Stage("schedule", "pass", index, call.name)):
            before = replay.module
            try:
                replay.apply(call)
            except DoesNotApply:
                continue
            except RaisedByTVM as error:
                raised = error
            else:
                if not replay.module.same_as(before):
                    applied.append(Applied(index, call, before, replay.module))
                    _check_form(applied[-1])
                continue
        _check_meaning(applied, reference)  # what an earlier primitive broke is that one's fault
        raise Found(_of_exception(raised, Applied(index, call, before, before)))
    _check_signature(_specialized(reference.module, trace), replay.module)
    _check_meaning(applied, reference)
    module = without_threads(replay.module)
    if not _scopes(module) <= {"", "global", "local"}:
        raise Invalid("not compiled after its schedule: it is for an accelerator")
    loops = (node for each in module.functions.values() for node in compat.nodes(each.body))
    if any(compat.type_key(node) == "For" and is_concurrent_pipeline(node) for node in loops):
        raise Invalid("its schedule makes a software pipeline of iterations that run at once")
    try:
        check_program(module)
    except CaseError as error:
        raise Invalid(f"not compiled after its schedule: {error}") from None
    return Reference(module, reference.inputs, reference.program, reference.expectation)


def _scopes(module: Any) -> set[str]:
    """The storage scopes of what the module's blocks allocate."""
    return {
        str(buffer.ty.storage_scope)
        for function in module.functions.values()
        for node in compat.nodes(function.body)
        if compat.type_key(node) == "SBlock"
        for buffer in node.alloc_buffers
    }


def _of_exception(error: RaisedByTVM, failed: Applied) -> Verdict:
    raised, message = error.error, first_line(error)
    name = type(raised).__name__
    backtrace = "".join(traceback.format_exception(raised))
    signature = error_signature(Kind.INTERNAL_ERROR, failed.call.name, name, message, backtrace)
    detail = {"error": name, "backtrace": backtrace[-4000:]}
    return _finding(Kind.INTERNAL_ERROR, failed, message, signature, detail)


def _check_form(applied: Applied) -> None:
    diagnostic = compat.why_ill_formed(applied.module)
    if diagnostic is not None:  # none is tolerated: no schedule can be made of such a module
        raise Found(_ill_formed(applied, diagnostic))


def _ill_formed(applied: Applied, diagnostic: str) -> Verdict:
    shows = normalise(diagnostic)
    signature = result_signature(Kind.ILL_FORMED_IR, applied.call.name, shows)
    return _finding(Kind.ILL_FORMED_IR, applied, diagnostic, signature)


def _check_meaning(applied: Sequence[Applied], reference: Reference) -> None:
    """Check the last module; if it is wrong, the first wrong one says which primitive it was."""
    if not applied or reference.expectation is None:
        return
    STAGES.enter(COMPARE)
    if _other_meaning(applied[-1], reference) is None:
        return
    for each in applied:
        verdict = _other_meaning(each, reference)
        if verdict is not None:
            raise Found(verdict)


def _other_meaning(applied: Applied, reference: Reference) -> Verdict | None:
    """The finding, if the module means something else than the reference."""
    diagnostic = _uneven_strides(applied.module)
    if diagnostic is not None:
        return _ill_formed(applied, diagnostic)
    try:
        outputs = outputs_of(without_threads(applied.module), reference.fresh_inputs())
    except UndefinedBehaviour as fault:
        reference.refine_expectation()  # is the program itself valid whatever its rounding?
        if fault.kind in OF_VALUES:
            return None
        if fault.kind in HARMLESS and _without_effect(applied.module, reference):
            raise Invalid(f"its schedule has {HARMLESS[fault.kind]}, without effect") from None
        kind = Kind.OUT_OF_BOUNDS if fault.kind == "out-of-range" else Kind.WRONG_RESULT
        return _wrong(kind, applied, f"{fault.kind}: {fault}", fault.kind)
    except AssertFailed as failure:
        message = f"an assertion is false: {failure}"
        return _wrong(Kind.WRONG_RESULT, applied, message, "assertion")
    except StepLimit:
        return None
    if outputs is None:
        return None
    mismatch = reference.mismatch(outputs)
    if mismatch is None:
        return None
    dtype = str(reference.module["main"].params[mismatch.buffer].ty.dtype)
    values = {"expected": repr(mismatch.expected), "actual": repr(mismatch.actual)}
    return _wrong(Kind.WRONG_RESULT, applied, str(mismatch), dtype, values)


def _without_effect(module: Any, reference: Reference) -> bool:
    """Whether the results are right whatever stands in elements that were never written, and in
    whatever order the iterations of concurrent loops run, as far as a few of each can tell."""
    orders = (serial(module), serial(module, backwards=True))
    for number, value in enumerate(UNWRITTEN):
        try:
            outputs = outputs_of(orders[number % 2], reference.fresh_inputs(), value)
        except UndefinedBehaviour as fault:
            if fault.kind in OF_VALUES:
                continue  # of a value that may not be used
            return False
        except (AssertFailed, StepLimit):
            return False
        if outputs is None or reference.mismatch(outputs) is not None:
            return False
    return True


def _uneven_strides(module: Any) -> str | None:
    """Which buffer has more or fewer strides than dimensions, which TVM's verifier lets pass."""
    for function in module.functions.values():
        for node in compat.nodes(function.body):
            for buffer in node.alloc_buffers if compat.type_key(node) == "SBlock" else ():
                strides, rank = len(buffer.ty.strides), len(buffer.ty.shape)
                if strides not in (0, rank):
                    return f"buffer {buffer.name} has {strides} strides for {rank} dimensions"
    return None


def _wrong(
    kind: Kind,
    applied: Applied,
    message: str,
    shows: str,
    detail: dict[str, Any] | None = None,
) -> Verdict:
    found = suspects(applied.before, applied.call.name)  # primitives use the analyzer, too
    signature = result_signature(kind, applied.call.name, "|".join((shows, *found)))
    return _finding(kind, applied, message, signature, detail)


def _finding(
    kind: Kind,
    at: Applied,
    message: str,
    signature: str,
    detail: dict[str, Any] | None = None,
) -> Verdict:
    stage = Stage("schedule", "pass", at.index, at.call.name)
    condition = condition_of(at.before, at.call)
    signature = f"{signature}|{condition}" if condition else signature
    detail = {**(detail or {}), "primitive": str(at.call)}
    return Verdict(kind, True, message, signature, at.call.name, stage, detail)


def _check_signature(before: Any, after: Any) -> None:
    """Check that main takes what it took: the inputs are made for it."""
    types = [[param.ty for param in module["main"].params] for module in (before, after)]
    if not tvm_ffi.structural_equal(*types, map_free_vars=True):
        raise Invalid("the schedule changes the parameters of main")


def _specialized(module: Any, trace: Sequence[PrimitiveCall]) -> Any:
    """The module after those primitives which make extents of its parameters constants."""
    return replayed(module, (call for call in trace if call.name == "specialize"))


def without_threads(module: Any) -> Any:
    """The module with its thread-bound loops serial."""
    return serial(module, frozenset({THREAD_BINDING}))


def serial(module: Any, kinds: frozenset[int] = CONCURRENT, *, backwards: bool = False) -> Any:
    """The module with its loops of these kinds serial, the last iteration first if `backwards`."""
    functions = {
        var: _serial(function, kinds, backwards) for var, function in module.functions.items()
    }
    if all(new.same_as(module[var]) for var, new in functions.items()):
        return module
    return type(module)(functions, attrs=module.attrs)


def _serial(function: Any, kinds: frozenset[int], backwards: bool) -> Any:
    def changed(loop: Any) -> Any:
        if int(loop.kind) not in kinds:
            return loop
        var, body = loop.loop_var, loop.body
        if backwards:
            last = loop.min + loop.min + loop.extent - 1
            body = tvm_ffi.structural_map(
                body, (compat.Var, lambda each: last - var if each.same_as(var) else each)
            )
        return tirx.For(var, loop.min, loop.extent, SERIAL, body, None, loop.annotations)

    body = tvm_ffi.structural_map(function.body, (tirx.For, changed))
    return function if body.same_as(function.body) else function.with_body(body)
