"""What it says of TVM that a module could not be lowered, built or run."""

from __future__ import annotations

import pytest
from tvm.error import InternalError

from harness.devices.base import DeviceError, KernelFailed, KernelRefused
from harness.oracles.failures import FAILURES, of_failure
from harness.oracles.oracle import Found, Sequence
from harness.semantics.reference import Invalid
from harness.targets.executable import CompilerRejected, NotExpressible, RaisedByTVM
from harness.verdict import Kind

DIVIDED = "Check failed: pb->value != 0 (0 vs. 0) : Divide by zero"
LEGAL, ILLEGAL = Sequence("legal", (), 2), Sequence("illegal", (), 2)
ERRORS = [
    (RaisedByTVM(InternalError("Check failed: (a) is false")), Kind.INTERNAL_ERROR),
    (RaisedByTVM(ValueError("Check failed: (a) is false")), Kind.INTERNAL_ERROR),
    (RaisedByTVM(ValueError("no")), Kind.REJECTED_VALID),
    (RaisedByTVM(RuntimeError("std::bad_alloc")), Kind.OUT_OF_MEMORY),
    (RaisedByTVM(MemoryError()), Kind.OUT_OF_MEMORY),
    (RaisedByTVM(ValueError("Unresolved call to tirx.fmod")), None),
    (RaisedByTVM(InternalError("Cannot convert type int4 to C type")), None),
    (RaisedByTVM(InternalError("bind a Buffer with offset into one without offset")), None),
    (RaisedByTVM(ValueError("Order of the software pipeline is not defined.")), None),
    (RaisedByTVM(InternalError("Check failed: (op->kind == ForKind::kSerial) is false:")), None),
    (RaisedByTVM(InternalError("Can only handle constant size stack allocation for now")), None),
    (RaisedByTVM(InternalError(DIVIDED)), Kind.INTERNAL_ERROR),
    (CompilerRejected("line 1: error: no"), Kind.INVALID_CODEGEN),
    (KernelRefused("Shader 'x' error: :1:2 error: no such function"), Kind.INVALID_CODEGEN),
    (KernelFailed("StrayWrite: 0 bytes past the end"), Kind.OUT_OF_BOUNDS),
    (KernelFailed("was not done after 3 s"), Kind.HANG),
    (KernelFailed("RuntimeError: unreachable"), Kind.CRASH),
    (KernelFailed("no memory"), None),
    (NotExpressible("it computes with int8"), None),
    (DeviceError("the browser is gone"), None),
]


@pytest.mark.parametrize(("error", "kind"), ERRORS)
def test_an_error_means_what_the_table_says(error: Exception, kind: Kind | None) -> None:
    found = of_failure(error, LEGAL, "run")
    if kind is None:
        assert isinstance(found, Invalid)
    else:
        assert isinstance(found, Found)
        assert (found.verdict.kind, found.verdict.legal) == (kind, True)
        assert str(found.verdict.stage) == "legal"


@pytest.mark.parametrize("error", [error for error, _ in ERRORS])
def test_in_an_illegal_order_no_error_is_a_finding(error: Exception) -> None:
    found = of_failure(error, ILLEGAL, "tirx.X")
    assert isinstance(found, Invalid)
    assert "broken precondition in tirx.X" in str(found)


@pytest.mark.parametrize(
    "message", [DIVIDED, "Check failed: pb->value >= 0 && pb->value < rtype.bits()"]
)
def test_a_program_of_which_nothing_says_that_it_has_a_meaning_may_divide_by_zero(
    message: str,
) -> None:
    error = RaisedByTVM(InternalError(message))
    assert isinstance(of_failure(error, LEGAL, "tirx.X", interpreted=False), Invalid)
    assert isinstance(of_failure(error, LEGAL, "tirx.X"), Found)


def test_every_error_of_the_table_is_tried_here() -> None:
    assert {type(error) for error, _ in ERRORS} == set(FAILURES)


def test_the_signature_names_what_tvm_raised_and_not_our_wrapper() -> None:
    found = of_failure(RaisedByTVM(KeyError("x")), LEGAL, "tirx.X")
    assert isinstance(found, Found)
    assert found.verdict.signature == "rejected-valid|KeyError|tirx.X|_"
    assert found.verdict.detail["error"] == "KeyError"
