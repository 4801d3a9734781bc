"""Crash reports: the native backtrace of a process that dies by a signal.

`install_crash_handler` in the worker's child has `_native.c` write the report as text; the parent
reads it and `parse_backtrace` turns addresses into source files and function offsets, which stay
the same between runs.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.coverage.blockmap import BlockMap

LIBRARY = "libtvm_compiler.so"


@dataclass(frozen=True)
class NativeFrame:
    """A native frame: library, TVM source file ("" if not TVM's), offset of the function's start.

    In other libraries than TVM's compiler, whose functions are not known, the offset is that of the
    call itself; in generated code, whose place changes from run to run, library "?" and 0.
    """

    library: str
    file: str
    function_offset: int


@dataclass(frozen=True)
class CrashReport:
    """Why a process died: signal number, whether its stack was used up, frames innermost first."""

    signal: int
    stack_overflow: bool
    frames: tuple[NativeFrame, ...]


def install_crash_handler(descriptor: int) -> None:
    """Have this process write a report to `descriptor` when a fatal signal ends it.

    Replaces the handlers that TVM installs. The process still dies by the same signal. A crash in
    any thread is reported; the overflow of its stack only if the thread has called this as well,
    because the handler then needs a stack that belongs to the thread.

    Raises:
        ImportError: the C extension is not there.
    """
    from harness.coverage._native import handle_crashes

    handle_crashes(descriptor)


def parse_backtrace(report: bytes, block_map: BlockMap) -> CrashReport:
    """The report that a dying process wrote; a cut-off one gives the frames that are whole."""
    number, overflow = 0, False
    frames: list[NativeFrame] = []
    for line in report.decode(errors="replace").splitlines():
        words = line.split()
        try:
            if words[0] == "signal":
                number = int(words[1], 16)
            elif words[0] == "overflow":
                overflow = int(words[1], 16) == 1
            elif words[0] == "frame":
                frames.append(_frame(words[1], int(words[2], 16), block_map))
        except (IndexError, ValueError):
            continue  # the line where the writer was cut off
    return CrashReport(number, overflow, tuple(frames))


def _frame(library: str, offset: int, block_map: BlockMap) -> NativeFrame:
    if library != LIBRARY:
        return NativeFrame(library, "", offset)
    return NativeFrame(library, *block_map.locate(offset))
