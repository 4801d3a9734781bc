"""Executable: a compiled module in this process, called on the caller's own arrays.

The arrays are passed by address, so that guard pages around them detect every access out of bounds.
TVM's code assumes that buffers start at multiples of 64 bytes; an array that doesn't is passed as
an aligned copy.
"""

from __future__ import annotations

import importlib.util
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any

import numpy as np
import tvm
import tvm_ffi

ALIGNMENT = 64


class TargetError(Exception):
    """A module could not be compiled or run, for a reason that is not a bug of ours."""


class NotExpressible(TargetError, ValueError):
    """The target can't express the program, which is not a bug of TVM."""


class CompilerRejected(TargetError):
    """The C compiler rejects the source that TVM generated; the message is its first diagnostic,
    `code` the line of the source that it is about, "" if that is unknown."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class RaisedByTVM(TargetError):
    """A call of TVM raised `error`. See `raised_by_tvm`."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error) or type(error).__name__)
        self.error = error


@contextmanager
def raised_by_tvm() -> Iterator[None]:
    """For a single call of TVM: turns an exception of TVM into RaisedByTVM.

    An exception of our own code, around the call or called back by TVM, is not changed: it is a bug
    of ours.
    """
    try:
        yield
    except TargetError:
        raise
    except Exception as error:
        if _is_ours(error.__traceback__):
            raise
        raise RaisedByTVM(error) from error


_ROOT = Path(__file__).resolve().parents[2]
_OURS = tuple(f"{_ROOT / name}/" for name in ("harness", "tzer", "jitweb", "corpus", "seeds"))
_TVMS = tuple(f"{Path(str(module.__file__)).parent}/" for module in (tvm, tvm_ffi))
# The standard library and other packages, whose exceptions belong to their caller; coverage.py,
# which traces TVM's Python for us, counts as ours.
_OTHERS = tuple(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "purelib", "platlib"))
_COVERAGE = importlib.util.find_spec("coverage")
_TRACER = f"{Path(_COVERAGE.origin).parent}/" if _COVERAGE and _COVERAGE.origin else "\0"


def _is_ours(trace: TracebackType | None) -> bool:
    """Whether the exception was raised by our own code, around a call of TVM or inside it."""
    # The first two frames are `raised_by_tvm` and the code around the call itself. TVM's FFI leaves
    # a frame wherever it raises: without one it was Python, in that code.
    inside = list(walk_tb(trace))[2:]
    if not inside:
        return True
    for frame, _ in reversed(inside):
        file = frame.f_code.co_filename
        if file.startswith((*_OURS, _TRACER)):
            return True
        if file.startswith(_TVMS) or not file.startswith(_OTHERS):
            return False  # C++ frames have paths of the machine that built TVM
    return False


class Executable:
    """A loaded runtime module, whose function `entry` is called.

    `keep` is an object that must live as long as the code, such as the folder of a shared library.
    """

    def __init__(self, module: Any, entry: str = "main", keep: Any = None) -> None:
        self.module = module
        self._function = module[entry]
        self._keep = keep

    def run(self, args: Sequence[np.ndarray | np.generic | int | float | bool]) -> None:
        """Call the entry function; arrays are changed in place.

        One argument per parameter: arrays must be C-contiguous and of the buffer's dtype (bfloat16
        and float8 from ml_dtypes).

        Raises:
            ValueError: an array is not contiguous.
            RaisedByTVM: the function, or TVM's runtime, raised.
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
        with raised_by_tvm():
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
    # NumPy can't export ml_dtypes' dtypes: use integers of the same width.
    bits = np.dtype(f"uint{8 * array.dtype.itemsize}")
    return tvm.runtime.from_dlpack(array.view(bits))._create_view(array.shape, array.dtype.name)
