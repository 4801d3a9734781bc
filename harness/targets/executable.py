"""Executable: a compiled module in this process, called on the caller's own arrays.

The arrays are handed over by address, so that guard pages around them see every stray access. TVM's
code assumes that buffers start at multiples of 64 bytes; an array that doesn't is passed by way of
an aligned copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tvm

ALIGNMENT = 64


class NotExpressible(ValueError):
    """The target can't express the program, which is no fault of TVM's."""


class Executable:
    """A loaded runtime module, of which `entry` is called.

    `keep` is whatever must live as long as the code, such as the directory of a shared library.
    """

    def __init__(self, module: Any, entry: str = "main", keep: Any = None) -> None:
        self.module = module
        self._function = module[entry]
        self._keep = keep

    def run(self, args: Sequence[np.ndarray | np.generic | int | float | bool]) -> None:
        """Call the entry function; arrays are changed in place.

        One argument a parameter: arrays must be C-contiguous and of the buffer's dtype (bfloat16
        and float8 from ml_dtypes).

        Raises:
            ValueError: an array is not contiguous.
        """
        copies: list[tuple[np.ndarray, np.ndarray]] = []
        values: list[Any] = []
        for position, arg in enumerate(args):
            if not isinstance(arg, np.ndarray):
                values.append(arg.item() if isinstance(arg, np.generic) else arg)
                continue
            if not arg.flags.c_contiguous:
                raise ValueError(f"argument {position} is not contiguous; pass a copy of it")
            if arg.ctypes.data % ALIGNMENT:
                copies.append((arg, aligned_copy(arg)))
                arg = copies[-1][1]
            values.append(tensor_view(arg))
        self._function(*values)
        for array, copy in copies:
            array[...] = copy


def aligned_copy(array: np.ndarray) -> np.ndarray:
    """A copy that starts at a multiple of 64 bytes."""
    memory = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    copy: np.ndarray = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def tensor_view(array: np.ndarray) -> Any:
    """A TVM tensor on the array's own memory."""
    if array.dtype.isbuiltin == 1:
        return tvm.runtime.from_dlpack(array)
    # NumPy exports no dtype of ml_dtypes: go by integers of the same width.
    bits = np.dtype(f"uint{8 * array.dtype.itemsize}")
    return tvm.runtime.from_dlpack(array.view(bits))._create_view(array.shape, array.dtype.name)
