"""Every pass leaves a module that TVM's own verifier accepts."""

from __future__ import annotations

from typing import Any

import pytest
import tvm
from tvm import tirx

from harness.oracles.known_errors import tolerated_form
from harness.oracles.well_formed import WELL_FORMED
from harness.verdict import Kind
from tests import programs
from tests.harness.oracles.views import CALL, after_pass


def with_an_undefined_variable() -> Any:
    target = tirx.decl_buffer((4,), "int32", "target")
    store = tirx.BufferStore(target, tirx.Var("nobody", "int32"), [0])
    function = tirx.PrimFunc([target], store).with_attr("global_symbol", "main")
    return tvm.IRModule({"main": function})


def test_a_module_with_an_undefined_variable_is_the_fault_of_its_pass() -> None:
    found = WELL_FORMED.check(after_pass(programs.matmul(), with_an_undefined_variable()))
    assert found is not None
    assert (found.kind, found.pass_name) == (Kind.ILL_FORMED_IR, CALL.name)
    assert found.signature.startswith(f"ill-formed-ir|{CALL.name}|")
    assert str(found.stage) == "legal"


def test_a_module_that_is_well_formed_is_fine() -> None:
    assert WELL_FORMED.check(after_pass(programs.matmul(), programs.matmul())) is None


@pytest.mark.parametrize(
    ("diagnostic", "tolerated"),
    [
        ("Invalid use of undefined variable i at <root>.body.node.", True),
        ("TIR is ill-formed, due to multiple definitions of variable i", True),
        ("Invalid use of undefined variable i at <root>.body.value", False),
    ],
)
def test_what_tvm_s_passes_do_on_purpose_is_tolerated(diagnostic: str, tolerated: bool) -> None:
    assert (tolerated_form(diagnostic) is not None) is tolerated
