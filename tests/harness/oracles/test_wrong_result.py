"""Compiled code computes what the reference interpreter does."""

from __future__ import annotations

import numpy as np

from harness.oracles.wrong_result import WRONG_RESULT
from harness.verdict import Kind
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
