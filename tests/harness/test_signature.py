"""A signature is the same for the same cause, and another for another."""

from __future__ import annotations

from harness.verdict import (
    Kind,
    crash_signature,
    error_signature,
    normalise,
)


def test_numbers_names_and_addresses_do_not_matter() -> None:
    left = "Check failed: (a == b) is false: buffer A_12 at 0x7f3a has 3 dims in 'x'"
    right = "Check failed: (a == b) is false: buffer B_7 at 0x8800 has 40 dims in 'yy'"
    assert normalise(left) == normalise(right)


def test_another_check_is_another_signature() -> None:
    assert normalise("Check failed: (a) is false") != normalise("Check failed: (b) is false")


def test_an_error_is_told_by_its_innermost_tvm_source() -> None:
    backtrace = (
        '  File "/project/src/ir/transform.cc", line 3, in Run\n'
        '  File "/project/src/tirx/transform/unroll_loop.cc", line 9, in Visit\n'
    )
    found = error_signature(Kind.INTERNAL_ERROR, "tirx.UnrollLoop", "InternalError", "x", backtrace)
    assert "src/tirx/transform/unroll_loop.cc" in found


def test_a_crash_is_told_by_its_frames_inside_tvm() -> None:
    frames = [
        ("libc.so.6", "", 0x10),
        ("libtvm_compiler.so", "src/s_tir/a.cc", 0x20),
        ("libtvm_compiler.so", "src/s_tir/b.cc", 0x30),
    ]
    found = crash_signature("SIGSEGV", "s_tir.A", frames, "")
    assert found == "crash|SIGSEGV|s_tir.A|src/s_tir/a.cc+0x20"
