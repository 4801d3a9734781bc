"""TVM's own intrinsics, for the rules that need them.

Importing `tvm.s_tir.tensor_intrin` parses 180 functions, each of which asks for the source files of
all frames of the stack: four fifths of its 20 seconds. What asks for the package alone, for the
effect of registering them, gets an empty one; a module in it is imported with a quicker stack.
"""

from __future__ import annotations

import importlib
import inspect
import linecache
import sys
from pathlib import Path
from types import FrameType, ModuleType

from tvm import s_tir

PACKAGE = "tvm.s_tir.tensor_intrin"


def leave_out_intrinsics() -> None:
    """Make the package empty, unless it has been imported."""
    if PACKAGE not in sys.modules:
        package = ModuleType(PACKAGE)
        package.__path__ = [str(Path(str(s_tir.__file__)).parent / "tensor_intrin")]
        sys.modules[PACKAGE] = package


def import_intrinsics(name: str) -> None:
    """Import one module of the package, such as "cuda"."""
    leave_out_intrinsics()
    slow = inspect.stack
    inspect.stack = _stack
    try:
        importlib.import_module(f"{PACKAGE}.{name}")
    finally:
        inspect.stack = slow


def _stack(context: int = 1) -> list[inspect.FrameInfo]:
    """`inspect.stack` that takes the names of files from the code."""
    frames: list[inspect.FrameInfo] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name, line = frame.f_code.co_filename, frame.f_lineno
        text = [linecache.getline(name, line)]
        frames.append(inspect.FrameInfo(frame, name, line, frame.f_code.co_name, text, 0))
        frame = frame.f_back
    return frames
