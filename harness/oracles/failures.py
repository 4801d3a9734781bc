"""Failures: the verdicts for modules that could not be lowered, built or run.

`MEANINGS` is the table of all errors that have a verdict: those of targets and devices, which
include what TVM itself raised. Any other exception is a bug of ours and never becomes a verdict.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from tvm.error import InternalError

from harness.devices.base import DeviceError, KernelFailed, KernelRefused
from harness.oracles.known_errors import UNDEFINED_ARITHMETIC, known_refusal
from harness.oracles.oracle import Found, Sequence
from harness.semantics.reference import Invalid
from harness.system.text import cut, first_line
from harness.targets.executable import CompilerRejected, NotExpressible, RaisedByTVM
from harness.verdict import (
    Kind,
    Stage,
    Verdict,
    error_signature,
    normalise,
    refusal_signature,
    result_signature,
    validator_diagnostic,
)

NOT_DOMINATING = "does not dominate all uses"
FAILED_CHECK = "Check failed: "


@dataclass(frozen=True)
class Failure:
    """One of `FAILURES` and where it was raised: a pass, "code generation" or "run"."""

    error: Exception
    sequence: Sequence
    place: str

    @property
    def message(self) -> str:
        """The error in one line, with LLVM's first diagnostic if LLVM rejected the code.

        Of a value that is used where it is not defined, also the value: it shows the cause.
        """
        message = first_line(self.error)
        lines = [line.strip() for line in str(self.error).splitlines() if line.strip()]
        if message in lines[:-1] and message.endswith(":"):
            diagnostic, *more = lines[lines.index(message) + 1 :]
            message += f" {diagnostic}"
            if NOT_DOMINATING in diagnostic and more:
                message += f" {more[0].partition(' = ')[2]}"
        return re.sub(r"\b0x[0-9a-f]{6,}\b", "0x...", message)  # differs in every run

    def of_kind(self, kind: Kind) -> Found:
        """The finding of an exception; its type and TVM's source file are in the signature."""
        raised = self.error.error if isinstance(self.error, RaisedByTVM) else self.error
        name, backtrace = type(raised).__name__, "".join(traceback.format_exception(raised))
        signature = error_signature(kind, self.place, name, self.message, backtrace)
        detail = {"error": name, "backtrace": backtrace[-4000:]}
        if isinstance(raised, CompilerRejected) and raised.code:
            detail["code"] = cut(raised.code)
        stage = Stage(self.sequence.name)
        return Found(Verdict(kind, True, self.message, signature, self.place, stage, detail))


def _raised_by_tvm(failure: Failure) -> Found | Invalid:
    assert isinstance(failure.error, RaisedByTVM)
    error = failure.error.error
    if isinstance(error, MemoryError) or "bad_alloc" in failure.message:
        return failure.of_kind(Kind.OUT_OF_MEMORY)
    refusal = known_refusal(failure.message)
    if refusal is not None:
        return Invalid(f"documented limit of TVM: {refusal}")
    # A failed check is the compiler's own, whatever type it raises: such as that of a literal that
    # doesn't fit its dtype, made by a simplifier.
    internal = isinstance(error, InternalError) or failure.message.startswith(FAILED_CHECK)
    return failure.of_kind(Kind.INTERNAL_ERROR if internal else Kind.REJECTED_VALID)


def _compiler_rejected(failure: Failure) -> Found:
    return failure.of_kind(Kind.INVALID_CODEGEN)


def _kernel_refused(failure: Failure) -> Found:
    """V8, naga or tint rejects the code."""
    diagnostic = validator_diagnostic(failure.message)
    stage = Stage(failure.sequence.name)
    signature = refusal_signature(diagnostic)
    return Found(Verdict(Kind.INVALID_CODEGEN, True, diagnostic, signature, "", stage))


def _kernel_failed(failure: Failure) -> Found | Invalid:
    """A kernel failed while it ran."""
    message = failure.message
    if "StrayWrite" in message or "out of bounds" in message:
        kind = Kind.OUT_OF_BOUNDS
    elif "not done after" in message:
        kind = Kind.HANG
    elif "RuntimeError" in message:  # V8's name for a trap
        kind = Kind.CRASH
    else:  # such as a memory that can't be allocated
        return Invalid(message)
    signature = result_signature(kind, "run", normalise(message))
    return Found(Verdict(kind, True, message, signature, "run", Stage(failure.sequence.name)))


def _case_at_fault(failure: Failure) -> Invalid:
    return Invalid(failure.message)


MEANINGS: dict[type[Exception], Callable[[Failure], Found | Invalid]] = {
    RaisedByTVM: _raised_by_tvm,
    CompilerRejected: _compiler_rejected,
    KernelRefused: _kernel_refused,
    KernelFailed: _kernel_failed,
    NotExpressible: _case_at_fault,
    DeviceError: _case_at_fault,
}
FAILURES: tuple[type[Exception], ...] = tuple(MEANINGS)


def of_failure(
    error: Exception, sequence: Sequence, place: str, *, interpreted: bool = True
) -> Found | Invalid:
    """The verdict for one of `FAILURES`; `place` is a pass, "code generation" or "run".

    Unless the program was `interpreted`, nothing says that it has a meaning.
    """
    failure = Failure(error, sequence, place)
    if not sequence.legal:  # a pass may fail if its precondition is violated
        return Invalid(f"broken precondition in {place}: {failure.message}")
    if not interpreted and UNDEFINED_ARITHMETIC.search(failure.message):
        return Invalid(f"perhaps the program's own fault: {failure.message}")
    meaning = next(MEANINGS[known] for known in MEANINGS if isinstance(error, known))
    return meaning(failure)
