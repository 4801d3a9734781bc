"""Guarded arrays notice what leaves them."""

from __future__ import annotations

import ctypes
import os
import signal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.oracles.guarded import ALIGNMENT, GuardedArray


@given(st.integers(0, 5000), st.sampled_from(["int8", "float32", "int64"]))
def test_the_array_is_an_aligned_copy(length: int, dtype: str) -> None:
    values = np.arange(length).astype(dtype)
    guard = GuardedArray(values)
    assert np.array_equal(guard.array, values)
    assert guard.array.ctypes.data % ALIGNMENT == 0
    assert guard.damage() is None


@pytest.mark.parametrize(("offset", "words"), [(12, "past the end"), (-1, "before the start")])
def test_a_write_beside_the_array_is_seen(offset: int, words: str) -> None:
    guard = GuardedArray(np.zeros(12, np.int8))
    ctypes.memset(guard.array.ctypes.data + offset, 1, 1)
    assert words in (guard.damage() or "")


def test_a_read_far_beyond_the_array_faults() -> None:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        guard = GuardedArray(np.zeros(16, np.float32))
        ctypes.string_at(guard.array.ctypes.data + 64, 1)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGSEGV
