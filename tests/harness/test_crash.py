"""A dying process leaves a backtrace, and still dies by its signal."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable

import pytest
import tvm

from harness.coverage import native
from harness.coverage.blockmap import BlockMap
from harness.coverage.crash import CrashReport, install_crash_handler, parse_backtrace

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(not native.available()[0], reason=native.available()[1]),
]


@pytest.fixture(scope="module")
def block_map() -> BlockMap:
    return native.load_block_map()


def _die(deed: Callable[[], object], block_map: BlockMap) -> tuple[int, CrashReport]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        install_crash_handler(writer)
        deed()
        os._exit(0)
    os.close(writer)
    status = os.waitpid(pid, 0)[1]
    with os.fdopen(reader, "rb") as report:
        return os.WTERMSIG(status), parse_backtrace(report.read(), block_map)


def _overflow_the_stack(depth: int = 300_000) -> None:
    x = tvm.tirx.Var("x", "int32")
    deep = x
    for _ in range(depth):
        deep = deep + x
    tvm.tirx.analysis.verify_ssa(tvm.tirx.PrimFunc([x], tvm.tirx.Evaluate(deep)))


def _in_threads(deed: Callable[[], object], number: int) -> None:
    threads = [threading.Thread(target=deed) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_crash_inside_tvm_names_its_source(block_map: BlockMap) -> None:
    number, report = _die(_overflow_the_stack, block_map)
    assert number == report.signal == signal.SIGSEGV
    assert report.stack_overflow
    assert len(report.frames) > 20
    inside = [frame for frame in report.frames if frame.library == "libtvm_compiler.so"]
    assert inside
    assert all(frame.file.startswith("src/") for frame in inside)


def test_a_stray_pointer_is_no_stack_overflow(block_map: BlockMap) -> None:
    number, report = _die(lambda: ctypes.string_at(0), block_map)
    assert number == report.signal == signal.SIGSEGV
    assert not report.stack_overflow


def test_the_same_crash_gives_the_same_frames(block_map: BlockMap) -> None:
    first, second = (_die(lambda: ctypes.string_at(0), block_map)[1] for _ in range(2))
    assert first == second


def test_a_thread_with_a_small_stack_is_reported_too(block_map: BlockMap) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

        def overflow() -> None:
            install_crash_handler(writer)
            _overflow_the_stack(20_000)

        threading.stack_size(512 * 1024)
        _in_threads(overflow, 1)
        os._exit(0)
    os.close(writer)
    status = os.waitpid(pid, 0)[1]
    with os.fdopen(reader, "rb") as file:
        report = parse_backtrace(file.read(), block_map)
    assert os.WTERMSIG(status) == report.signal == signal.SIGSEGV
    assert report.stack_overflow
    assert any(frame.file.startswith("src/") for frame in report.frames)


def test_threads_that_crash_at_once_give_one_whole_report(block_map: BlockMap) -> None:
    length = ctypes.CDLL(None).strlen  # called without Python's lock

    def crash() -> None:
        together.wait()
        length(None)

    for _ in range(5):
        together = threading.Barrier(4)
        number, report = _die(lambda: _in_threads(crash, 4), block_map)
        assert number == report.signal == signal.SIGSEGV
        assert len(report.frames) > 3


def test_a_call_to_nowhere_names_its_caller(block_map: BlockMap) -> None:
    number, report = _die(ctypes.CFUNCTYPE(None)(16), block_map)
    assert number == report.signal == signal.SIGSEGV
    assert not report.stack_overflow
    assert report.frames[0].library == "?"
    assert len([frame for frame in report.frames if frame.library != "?"]) > 3


def test_an_abort_is_reported(block_map: BlockMap) -> None:
    number, report = _die(os.abort, block_map)
    assert number == report.signal == signal.SIGABRT
    assert report.frames


def test_a_cut_off_report_gives_what_is_whole(block_map: BlockMap) -> None:
    report = parse_backtrace(
        b"signal 0xb\noverflow 0x0\nframe libc.so.6 0x10\nframe libc", block_map
    )
    assert report.signal == signal.SIGSEGV
    assert len(report.frames) == 1
