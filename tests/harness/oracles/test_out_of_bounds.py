"""Compiled code writes into its own buffers and nowhere else."""

from __future__ import annotations

import ctypes

import pytest

from harness.oracles.out_of_bounds import OUT_OF_BOUNDS
from harness.verdict import Kind
from tests import programs
from tests.harness.oracles.views import after_run


def test_a_run_that_stays_inside_is_fine() -> None:
    assert OUT_OF_BOUNDS.check(after_run(programs.matmul())) is None


@pytest.mark.parametrize(("offset", "words"), [(16, "0 bytes past the end"), (-1, "before")])
def test_a_byte_that_is_written_beside_a_buffer_is_a_finding(offset: int, words: str) -> None:
    view = after_run(programs.store_at(lambda i: i))
    guard = view.guards[0]
    assert guard is not None
    ctypes.memset(guard.array.ctypes.data + offset, 1, 1)
    found = OUT_OF_BOUNDS.check(view)
    assert found is not None
    assert (found.kind, found.legal) == (Kind.OUT_OF_BOUNDS, True)
    assert found.message.startswith("parameter 0 was written") and words in found.message
    # No pass has changed the meaning, so that the code generator did it.
    assert found.signature == "out-of-bounds|code generation|write"
