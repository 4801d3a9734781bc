"""Crash reports: the native backtrace of a process that dies by a signal.

`install_crash_handler` in the worker's child makes `_native.c` write the report as text; the parent
reads it, and `parse_backtrace` converts addresses to source files and function offsets, which are
the same in every run.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.coverage.blockmap import BlockMap

LIBRARY = "libtvm_compiler.so"


@dataclass(frozen=True)
class NativeFrame:
    """A native frame: library, TVM source file ("" if not TVM's), offset of the function's start.

    In libraries other than TVM's compiler the functions are unknown, and the offset is that of the
    call; in generated code, whose address differs from run to run, it is 0 and the library is "?".
    """

    library: str
    file: str
    function_offset: int


@dataclass(frozen=True)
class CrashReport:
    """Why a process died: signal number, whether the stack overflowed, frames innermost first."""

    signal: int
    stack_overflow: bool
    frames: tuple[NativeFrame, ...]


def install_crash_handler(descriptor: int) -> None:
    """Make this process write a report to `descriptor` when a fatal signal ends it.

    Replaces the handlers that TVM installs. The process still dies by the same signal. A crash in
    any thread is reported, but a stack overflow only if the thread has called this as well, because
    the handler then needs an alternate stack of that thread.

    Raises:
        ImportError: the C extension is not built.
    """
    from harness.coverage._native import handle_crashes

    handle_crashes(descriptor)


def parse_backtrace(report: bytes, block_map: BlockMap) -> CrashReport:
    """Parse the report of a dying process; of a truncated one, the frames that are complete."""
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
            continue  # a truncated line
    return CrashReport(number, overflow, tuple(frames))


def _frame(library: str, offset: int, block_map: BlockMap) -> NativeFrame:
    if library != LIBRARY:
        return NativeFrame(library, "", offset)
    return NativeFrame(library, *block_map.locate(offset))
