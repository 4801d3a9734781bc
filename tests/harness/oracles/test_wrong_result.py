"""Compiled code computes what the reference interpreter does."""

from __future__ import annotations

import numpy as np

from harness.case import Case, module_text
from harness.oracles.verify import judge
from harness.oracles.wrong_result import WRONG_RESULT
from harness.verdict import Kind
from seeds.recipe import from_script
from tests import programs
from tests.harness.oracles.views import after_run


def test_what_the_reference_computes_is_right() -> None:
    view = after_run(programs.store_at(lambda i: 3 - i))
    np.asarray(view.arguments[0])[:] = [3, 2, 1, 0]
    assert WRONG_RESULT.check(view) is None


def test_an_element_that_is_another_is_a_finding() -> None:
    view = after_run(programs.store_at(lambda i: 3 - i))
    np.asarray(view.arguments[0])[:] = [3, 2, 7, 0]
    found = WRONG_RESULT.check(view)
    assert found is not None
    assert (found.kind, found.detail) == (Kind.WRONG_RESULT, {"expected": "1", "actual": "7"})
    # No pass has changed the meaning, so that the code generator did it.
    assert (found.pass_name, found.signature) == (
        "code generation",
        "wrong-result|code generation|int32",
    )


def test_the_pass_that_lowers_intrinsics_is_named_where_it_is_at_fault() -> None:
    """It comes behind the packed API, which can't be interpreted. Here it takes it that an int32
    which was an uint32 is not negative."""
    program = from_script(
        """
def main(A: T.Buffer((7,), "uint32"), B: T.Buffer((6,), "int32")):
    B[0] = T.Cast("int32", A[1]) % 17
"""
    )
    found = judge(Case(module_text(program), input_seed=1), native=True, plain=False).verdict
    assert found.signature == "wrong-result|tirx.LowerIntrin|int32", found
