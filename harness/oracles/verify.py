"""Verify: the oracles, which turn a Case into a Verdict.

In order: the reference interpreter judges whether the program is valid and what it means; the
module is built plainly and run; it is lowered with the case's own passes, checked after each, built
and run; both runs are compared with the meaning. A case whose pass sequence is not legal can only
show a crash: TVM owes nothing to a pass whose precondition is broken except not to die.
"""

from __future__ import annotations

import re
import time
import traceback
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import compat
from harness import passes as catalogue
from harness.case import Case, CaseError, PassCall, load_module, module_text
from harness.ir.script import parsed_back
from harness.oracles.guarded import GuardedArray
from harness.oracles.known_errors import known_limit, tolerated
from harness.passes.build import finish, lower
from harness.semantics.inputs import Argument
from harness.semantics.reference import Invalid, Reference, interpret, reference_of
from harness.targets import get_target
from harness.verdict import (
    Kind,
    Verdict,
    error_signature,
    normalise,
    refusal_signature,
    result_signature,
    validator_diagnostic,
)
from harness.worker.progress_page import STAGES

# Costly oracles run on one case in so many, picked by the case's own digest: the same ones in every
# run, so that a finding is confirmed by running the case again.
SCRIPT_ROUND_TRIP_EVERY = 8
DETERMINISM_EVERY = 16
SLOW_CODE_EVERY = 16
SLOW_CODE_RATIO = 25.0
SLOW_CODE_SECONDS = 2e-3
TIMED_RUNS = 5
CODE_GENERATION = "code generation"
# From these passes on main takes packed arguments, which the interpreter doesn't model.
SIGNATURE_CHANGES = ("tirx.SplitHostDevice", "tirx.MakePackedAPI")


class Found(Exception):
    """An oracle has found something; carries the verdict."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict


@dataclass(frozen=True)
class Sequence:
    """A pass sequence from the module to code generation, and how to speak of it."""

    stage: str  # "plain", "legal" or "illegal"; the first word of every stage's name
    calls: tuple[PassCall, ...]
    opt_level: int

    @property
    def legal(self) -> bool:
        return self.stage != "illegal"


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """The sandbox's default handler: {"case": text} gives {"verdict": text}."""
    return {"verdict": verify(Case.from_json(request["case"])).to_json()}


def verify(case: Case) -> Verdict:
    """The verdict of a case. May crash, hang or eat memory: call it in the sandbox."""
    try:
        reference = reference_of(case)
    except Invalid as invalid:
        return Verdict(Kind.INVALID, message=str(invalid), stage="reference")
    target = get_target(case.target)
    refusal = target.refusal(reference.module["main"])
    if refusal is not None:
        return Verdict(Kind.INVALID, message=f"not for {case.target}: {refusal}", stage="reference")
    plain, mutated = sequences(case, reference)
    try:
        if _plain_key(case) not in reference.cache:
            reference.cache[_plain_key(case)] = _check(reference, plain, target, case)
        executable = _check(reference, mutated, target, case)
        if mutated.legal and target.has_runtime:
            _check_speed(case, reference, executable)
    except Found as found:
        return found.verdict
    except Invalid as invalid:
        return Verdict(Kind.INVALID, mutated.legal, str(invalid), stage=mutated.stage)
    return Verdict(Kind.OK, mutated.legal)


def _plain_key(case: Case) -> str:
    return f"plain:{case.target}"


def sequences(case: Case, reference: Reference) -> tuple[Sequence, Sequence]:
    """The plain sequence and the case's own, both completed up to code generation."""
    states = reference.cache.get("states")
    if states is None:
        with STAGES.inside_tvm():
            states = catalogue.initial_states(reference.module)
        reference.cache["states"] = states
    plain = Sequence("plain", catalogue.complete(states, (), case.target), 0)
    legal = catalogue.is_legal(states, case.passes)
    rest = catalogue.complete(states, case.passes, case.target)
    stage = "legal" if legal else "illegal"
    return plain, Sequence(stage, (*case.passes, *rest), case.opt_level)


def is_legal(case: Case) -> bool:
    """Whether every pass of the case meets the state that it needs.

    Raises:
        harness.case.CaseError: the module can't be loaded.
    """
    states = catalogue.initial_states(load_module(case.module))
    return bool(catalogue.is_legal(states, case.passes))


def _check(reference: Reference, sequence: Sequence, target: Any, case: Case) -> Any:
    """Lower, build and run by one sequence; the executable. Raises Found or Invalid."""
    after = _AfterPass(reference, sequence, case)
    try:
        with STAGES.inside_tvm(f"{sequence.stage}:lower"):
            lowered = lower(
                target.prepare(reference.module),
                sequence.calls,
                target=target,
                opt_level=sequence.opt_level,
                before_pass=after.entering,
                after_pass=after,
            )
        after.place = CODE_GENERATION
        with STAGES.inside_tvm(f"{sequence.stage}:build"):
            executable = finish(lowered, target)
    except (Found, Invalid):
        raise
    except Exception as error:
        raise of_exception(error, sequence, after.place) from None
    if sequence.legal and _sampled(case, DETERMINISM_EVERY):
        _check_determinism(reference, sequence, target, lowered)
    if not sequence.legal:
        return executable  # what an illegal sequence computes is nobody's business
    preserved = all(catalogue.CATALOGUE[call.name].preserves_semantics for call in case.passes)
    if sequence.stage == "plain" or preserved:
        _check_result(reference, sequence, target, executable)
    return executable


class _AfterPass:
    """What must hold after every pass of a legal sequence; also knows the pass that runs now."""

    def __init__(self, reference: Reference, sequence: Sequence, case: Case) -> None:
        self.reference = reference
        self.sequence = sequence
        self.checked = 0 if sequence.stage == "plain" else len(case.passes)
        self.script_at = int(case.digest, 16) % max(1, self.checked)
        self.check_script = _sampled(case, SCRIPT_ROUND_TRIP_EVERY)
        self.packed = False
        self.place = ""

    def entering(self, index: int, call: PassCall) -> None:
        self.place = call.name
        STAGES.enter(f"{self.sequence.stage}:pass:{index}:{call.name}")

    def __call__(self, index: int, call: PassCall, module: Any) -> None:
        self.packed = self.packed or call.name in SIGNATURE_CHANGES
        if not self.sequence.legal or index >= self.checked:
            return
        complaint = compat.is_well_formed(module)
        if complaint is not None and tolerated(complaint) is None:
            raise self._found(Kind.ILL_FORMED_IR, call, complaint)
        text = module_text(module)
        if not compat.structural_equal(load_module(text), module):
            message = "TVM's JSON of the module loads as another module"
            raise self._found(Kind.ROUND_TRIP, call, message)
        if self.check_script and index == self.script_at and not self.packed:
            self._check_script(call, module)

    def _check_script(self, call: PassCall, module: Any) -> None:
        complaint = self._script_complaint(module)
        if complaint is None:
            return
        # Where the program itself can't be printed and parsed, the pass is not to blame.
        own = self._script_complaint(self.reference.module)
        raise self._found(Kind.ROUND_TRIP, PassCall("") if own else call, own or complaint)

    def _script_complaint(self, module: Any) -> str | None:
        """None, or how printing and parsing loses the program.

        The parser folds constants as it goes, so that another module is no complaint, but a module
        that means something else is.
        """
        try:
            back = parsed_back(module)
        except CaseError:  # a name that we don't let near the parser
            return None
        except Exception as error:  # the printer and the parser fail in many ways
            return f"its TVMScript does not parse: {compat.first_line(error)}"
        if self.reference.expectation is None or compat.structural_equal(back, module):
            return None
        try:
            meaning = interpret(back, self.reference.fresh_inputs())
        except Invalid as invalid:
            return f"its TVMScript parses to a program that is invalid: {invalid}"
        if meaning.expectation is None:
            return None
        mismatch = self.reference.mismatch(list(meaning.expectation.outputs))
        return None if mismatch is None else f"its TVMScript means another program: {mismatch}"

    def _found(self, kind: Kind, call: PassCall, message: str) -> Found:
        # What can't be printed or parsed is a fault of the printer, whichever pass made it.
        place = "" if kind is Kind.ROUND_TRIP else call.name
        return Found(
            Verdict(
                kind,
                True,
                message,
                result_signature(kind, place, normalise(message)),
                call.name,
                self.sequence.stage,
            )
        )


def of_exception(error: Exception, sequence: Sequence, place: str) -> Found | Invalid:
    """What an exception in a pass, in code generation ("code generation") or in a "run" means."""
    message = _message(error)
    backtrace = "".join(traceback.format_exception(error))
    if not sequence.legal:
        return Invalid(f"broken precondition in {place}: {message}")
    if isinstance(error, MemoryError) or "bad_alloc" in message:
        kind = Kind.OUT_OF_MEMORY
    elif type(error).__name__ == "CompilerRejected":
        kind = Kind.INVALID_CODEGEN  # the system's C compiler refuses what TVM generated
    elif type(error).__name__ == "KernelRefused":  # so do V8, naga or tint
        kind, message = Kind.INVALID_CODEGEN, validator_diagnostic(message)
        return Found(Verdict(kind, True, message, refusal_signature(message), "", sequence.stage))
    elif type(error).__name__ in ("NotExpressible", "DeviceError"):
        return Invalid(message)
    elif type(error).__name__ == "KernelFailed":
        return _of_kernel(message, sequence)
    elif (limit := known_limit(message)) is not None:
        return Invalid(f"documented limit of TVM: {limit}")
    elif type(error).__name__ == "InternalError":
        kind = Kind.INTERNAL_ERROR
    else:
        kind = Kind.REJECTED_VALID
    mark = error_signature(kind, place, type(error).__name__, message, backtrace)
    detail = {"error": type(error).__name__, "backtrace": backtrace[-4000:]}
    return Found(Verdict(kind, True, message, mark, place, sequence.stage, detail))


def _of_kernel(message: str, sequence: Sequence) -> Found | Invalid:
    """What a kernel did that did not come to its end."""
    if "StrayWrite" in message or "out of bounds" in message:
        kind = Kind.OUT_OF_BOUNDS
    elif "not done after" in message:
        kind = Kind.HANG
    elif "RuntimeError" in message:  # V8's name for a trap
        kind = Kind.CRASH
    else:  # such as a memory that can't be had
        return Invalid(message)
    mark = result_signature(kind, "run", normalise(message))
    return Found(Verdict(kind, True, message, mark, "run", sequence.stage))


def _message(error: Exception) -> str:
    """What went wrong in a line; with LLVM's own first complaint where it refuses the module."""
    message = compat.first_line(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if message in lines[:-1] and message.endswith(":"):
        message += " " + lines[lines.index(message) + 1]
    return re.sub(r"\b0x[0-9a-f]{6,}\b", "0x...", message)  # an address is another in every run


def _check_result(reference: Reference, sequence: Sequence, target: Any, executable: Any) -> None:
    guarded: list[GuardedArray | None] = []
    arguments: list[Argument] = []
    for value in reference.inputs:
        guard = GuardedArray(value) if isinstance(value, np.ndarray) else None
        guarded.append(guard)
        arguments.append(value if guard is None else guard.array)
    try:
        with STAGES.inside_tvm(f"{sequence.stage}:run"):
            executable.run(arguments)
    except Exception as error:
        raise of_exception(error, sequence, "run") from None
    STAGES.enter(f"{sequence.stage}:compare")
    for index, guard in enumerate(guarded):
        damage = guard.damage() if guard is not None else None
        if damage is not None:
            reference.refine_expectation()
            message = f"parameter {index} was written {damage}"
            where = _culprit(reference, sequence, target)
            mark = result_signature(Kind.OUT_OF_BOUNDS, where, "write")
            raise Found(Verdict(Kind.OUT_OF_BOUNDS, True, message, mark, where, sequence.stage))
    mismatch = reference.mismatch(arguments, strict=target.is_strict)
    if mismatch is not None:
        where = _culprit(reference, sequence, target)
        buffer = reference.module["main"].params[mismatch.buffer]
        mark = result_signature(Kind.WRONG_RESULT, where, str(buffer.ty.dtype))
        detail = {"expected": repr(mismatch.expected), "actual": repr(mismatch.actual)}
        raise Found(
            Verdict(Kind.WRONG_RESULT, True, str(mismatch), mark, where, sequence.stage, detail)
        )


def _culprit(reference: Reference, sequence: Sequence, target: Any) -> str:
    """The first pass after which the interpreter gives another result, else "code generation".

    Follows the sequence again up to where the function's signature is that of the packed API; a
    pass whose output the interpreter can't run is passed over.
    """
    if reference.expectation is None:
        return ""
    culprit = ""
    names = [call.name for call in sequence.calls]
    changes = [names.index(name) for name in SIGNATURE_CHANGES if name in names]
    interpretable = min(changes, default=len(names))

    def after(index: int, call: PassCall, module: Any) -> None:
        nonlocal culprit
        if culprit or index >= interpretable:
            return
        try:
            meaning = interpret(module, reference.fresh_inputs())
        except Invalid:
            culprit = call.name
            return
        if meaning.expectation is None:
            return
        if reference.mismatch(list(meaning.expectation.outputs)) is not None:
            culprit = call.name

    STAGES.enter(f"{sequence.stage}:culprit")
    lower(
        target.prepare(reference.module),
        sequence.calls,
        target=None,
        opt_level=sequence.opt_level,
        after_pass=after,
    )
    return culprit or CODE_GENERATION


def _check_determinism(reference: Reference, sequence: Sequence, target: Any, lowered: Any) -> None:
    with STAGES.inside_tvm(f"{sequence.stage}:again"):
        module = target.prepare(reference.module)
        again = lower(module, sequence.calls, target=target, opt_level=sequence.opt_level)
        same = compat.structural_equal(lowered, again)
    if not same:
        kind = Kind.NONDETERMINISM
        message = "the same passes on the same module gave two different modules"
        mark = result_signature(kind, sequence.calls[-1].name, "lowering")
        raise Found(Verdict(kind, True, message, mark, "", sequence.stage))


def _check_speed(case: Case, reference: Reference, executable: Any) -> None:
    """Code that is many times slower than the plain build of the same program."""
    plain = reference.cache[_plain_key(case)]
    if not _sampled(case, SLOW_CODE_EVERY) or plain is None:
        return
    slow, base = np.inf, np.inf
    for _ in range(TIMED_RUNS):  # alternating, so that a busy machine slows both
        slow = min(slow, _seconds(reference, executable))
        base = min(base, _seconds(reference, plain))
    if slow > SLOW_CODE_SECONDS and slow > SLOW_CODE_RATIO * base:
        message = f"{slow / base:.0f} times slower than the plain build"
        mark = result_signature(Kind.SLOW_CODE, case.passes[-1].name if case.passes else "", "")
        raise Found(Verdict(Kind.SLOW_CODE, True, message, mark, "", "legal"))


def _seconds(reference: Reference, executable: Any) -> float:
    arguments = reference.fresh_inputs()
    started = time.perf_counter()
    with STAGES.inside_tvm("timing"):
        executable.run(arguments)
    return time.perf_counter() - started


def _sampled(case: Case, every: int) -> bool:
    return int(case.digest[:8], 16) % every == 0
