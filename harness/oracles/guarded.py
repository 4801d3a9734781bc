"""Guarded arrays: buffers that detect out-of-bounds accesses of compiled code.

Each array has its own pages and ends as close to an inaccessible guard page as the 64-byte
alignment that TVM's code assumes allows; the bytes between are a canary. A read or write in the
guard page faults (the sandbox sees SIGSEGV in stage "run"); a write in between changes the canary.
"""

from __future__ import annotations

import ctypes
import mmap

import numpy as np

from harness.semantics.inputs import Argument

ALIGNMENT = 64
CANARY = 0xA5

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
PROT_NONE = 0


class GuardedArray:
    """A copy of `values` between two guard pages; `array` is the argument for compiled code."""

    def __init__(self, values: np.ndarray) -> None:
        length = values.nbytes
        span = -(-max(length, 1) // ALIGNMENT) * ALIGNMENT
        data_bytes = -(-span // mmap.PAGESIZE) * mmap.PAGESIZE
        self._map = mmap.mmap(-1, data_bytes + 2 * mmap.PAGESIZE)
        whole = np.frombuffer(self._map, np.uint8)
        self._data = whole[mmap.PAGESIZE : mmap.PAGESIZE + data_bytes]
        self._data[:] = CANARY
        self._start = data_bytes - span
        self._end = self._start + length
        inside = self._data[self._start : self._end]
        self.array: np.ndarray = inside.view(values.dtype).reshape(values.shape)
        self.array[...] = values
        base = whole.ctypes.data
        for page in (base, base + mmap.PAGESIZE + data_bytes):
            if _libc.mprotect(page, mmap.PAGESIZE, PROT_NONE) != 0:
                raise OSError(ctypes.get_errno(), "cannot protect a guard page")

    def damage(self) -> str | None:
        """None, or a text that says which bytes outside the array were written."""
        before, after = self._data[: self._start], self._data[self._end :]
        changed = np.flatnonzero(after != CANARY)
        if changed.size:
            return f"{int(changed[0])} bytes past the end"
        changed = np.flatnonzero(before != CANARY)
        if changed.size:
            return f"{int(before.size - changed[-1])} bytes before the start"
        return None


def guarded_copies(
    values: list[Argument],
) -> tuple[list[Argument], list[GuardedArray | None]]:
    """Arguments for a run, and the guard of each (None for a scalar)."""
    guards = [GuardedArray(each) if isinstance(each, np.ndarray) else None for each in values]
    arguments = [
        value if guard is None else guard.array for value, guard in zip(values, guards, strict=True)
    ]
    return arguments, guards
